package resolve

// Names and addresses. Where a name has to change, a function stands in for the name server, and
// the clock is a bubble's ([synctest.Test]): no test waits.

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/sysnet"
)

func TestWhereATargetIsFound(t *testing.T) {
	for _, tt := range []struct {
		name   string
		target *Target
		says   string
		named  bool
		want   []sysnet.Addr // nil for whatever the system says
	}{
		{"an address", &Target{Host: "192.0.2.7", Port: 80}, "192.0.2.7:80", false, []sysnet.Addr{{IP: netip.MustParseAddrPort("192.0.2.7:80")}}},
		{"IPv6", &Target{Host: "2001:db8::7", Port: 80}, "[2001:db8::7]:80", false, []sysnet.Addr{{IP: netip.MustParseAddrPort("[2001:db8::7]:80")}}},
		{"a Unix socket", &Target{Path: "/run/x"}, "unix:/run/x", false, []sysnet.Addr{{Path: "/run/x"}}},
		{"a name", &Target{Host: "localhost", Port: 80}, "localhost:80", true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Empty(t, tt.target.Addrs())
			require.NoError(t, tt.target.Look(context.Background()))
			require.Equal(t, tt.says, tt.target.String())
			require.Equal(t, tt.named, tt.target.Named())
			if tt.want != nil {
				require.Equal(t, tt.want, tt.target.Addrs())
			}
			require.NotEmpty(t, tt.target.Addrs())
		})
	}
}

func TestWhatIsKnownOfATargetStaysWhenItIsNotFoundOrMayNotBeUsed(t *testing.T) {
	target := Target{Host: "127.0.0.1", Port: 80}
	require.NoError(t, target.Look(context.Background()))
	known := target.Addrs()
	target.Host = "nobody.invalid" // RFC 6761 6.4
	require.Error(t, target.Look(context.Background()))
	require.Equal(t, known, target.Addrs())
	target.Host = "127.0.0.2"
	target.Avoid = func(sysnet.Addr) error { return errors.New("no") }
	require.ErrorContains(t, target.Look(context.Background()), "no")
	require.Equal(t, known, target.Addrs())
}

func TestANameIsLookedUpMoreOftenWhileNothingIsKnownOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, looks, reported := time.Now(), []time.Duration{}, 0
		target := Target{Host: "app.example", Port: 80}
		target.LookUp = func(context.Context, string) ([]netip.Addr, error) {
			looks = append(looks, time.Since(began))
			if len(looks) < 4 {
				return nil, errors.New("it is not there yet")
			}
			return []netip.Addr{netip.MustParseAddr("192.0.2.7")}, nil
		}
		require.Error(t, target.Look(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		target.Follow(ctx, func(error) { reported++ })
		require.Equal(t, []time.Duration{0, 1e9, 2e9, 3e9, 33e9}, looks)
		require.Zero(t, reported, "it is known that it is not found")
	})
}
