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

func TestAcceptsThatFailAreCountedAndSaidOnce(t *testing.T) {
	var log strings.Builder
	slot := stats.New(1).Slot(0)
	f := Failing{Log: slog.New(slog.NewTextHandler(&log, nil)), Stats: slot}
	for range 3 {
		f.Report(sysnet.ErrExhausted)
	}
	f.Over()
	f.Report(sysnet.ErrExhausted)
	f.Over()
	f.Report(unix.EBADF)
	f.Report(unix.EBADF)
	require.EqualValues(t, 6, slot.Get(stats.Dropped))
	require.Equal(t, 2, strings.Count(log.String(), "Out of descriptors"))
	require.Equal(t, 1, strings.Count(log.String(), "accept failed"))
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
