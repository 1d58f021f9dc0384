package app

// The end of a driver, accepts that fail, and the flag -accept: what drivers of several stages use.
//
// Nothing here starts a server. What must not be done: no case may depend on how long something
// takes.

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/clock"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

func TestWhoDoesNotEndInTimeIsCut(t *testing.T) {
	for _, c := range []struct {
		says    string
		timeout time.Duration
		early   bool // it ends by itself
		want    string
	}{
		{"it ends by itself", time.Hour, true, "ended"},
		{"it has to be cut, and is waited for", 0, false, "cut ended"},
	} {
		t.Run(c.says, func(t *testing.T) {
			var did []string
			over := make(chan struct{})
			if c.early {
				close(over)
			}
			EndWithin(c.timeout, func() {
				<-over
				did = append(did, "ended")
			}, func() {
				did = append(did, "cut")
				close(over)
			})
			require.Equal(t, c.want, strings.Join(did, " "))
		})
	}
}

func TestAcceptsThatFailAreCountedAndSaidOnceAndThatItIsOver(t *testing.T) {
	var log strings.Builder
	slot, now := stats.New(1).Slot(0), clock.Time(0)
	f := Failing{Log: slog.New(slog.NewTextHandler(&log, nil)), Stats: slot}
	said := func(short, other, over int) {
		t.Helper()
		require.Equal(t, short, strings.Count(log.String(), "Out of descriptors"))
		require.Equal(t, other, strings.Count(log.String(), "accept failed"))
		require.Equal(t, over, strings.Count(log.String(), "Accepting as before"))
	}
	f.Over(now)
	said(0, 0, 0)
	for range 3 {
		f.Report(now, sysnet.ErrExhausted)
		now += clock.Second
		f.Over(now) // one was given back, and taken
	}
	f.Report(now, unix.EBADF)
	f.Report(now, unix.EBADF)
	said(1, 1, 0)
	now += calmAfter
	f.Over(now)
	f.Over(now)
	said(1, 1, 1)
	require.Contains(t, log.String(), "failed=5")
	f.Report(now, sysnet.ErrExhausted)
	said(2, 1, 1)
	require.EqualValues(t, 6, slot.Get(stats.Dropped))
}

func TestTheFlagAccept(t *testing.T) {
	for _, a := range []Accept{OwnSocket, SharedSocket} {
		var got Accept
		flag := got.Flag("loop")
		require.NoError(t, flag.Set(a.String()))
		require.Equal(t, a, got)
		require.ErrorContains(t, flag.Set("both"), "give reuseport or shared")
		require.Equal(t, a, got, "what is wrong changes nothing")
	}
}
