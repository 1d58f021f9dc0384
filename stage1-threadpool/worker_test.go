package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/clock"
	"fourways/shared/machine"
	"fourways/shared/session"
	"fourways/shared/stats"
)

// scripted wants one thing after another.
type scripted struct {
	machine.Machine
	wants []machine.Want
}

func (s *scripted) Step() machine.Want {
	want := s.wants[0]
	s.wants = s.wants[1:]
	return want
}

// A thread that could have served another client meanwhile has had nothing to do.
func TestAThreadThatWaitsIsNotBusy(t *testing.T) {
	for _, tt := range []struct {
		name string
		want machine.Want
		busy bool
	}{
		{"for its client to send", machine.WantRead, false},
		{"for another machine", machine.WantPeer, false},
		{"for a client that takes what it gets", machine.WantWrite, true},
		{"for a disk", machine.WantWake, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			region := stats.New(1)
			w := &worker{
				pool:   &pool{},
				thread: session.NewThread(&session.Server{Stats: region}, region.Slot(0), "worker-1", 7),
				client: socket{Machine: &scripted{wants: []machine.Want{tt.want, machine.WantClose}}},
			}
			require.Equal(t, tt.want, w.step())
			before := region.Total(stats.Busy)
			const hour = 3600 * clock.Second
			w.since = w.thread.Clock.Now() - hour // so long did it wait
			require.Equal(t, machine.WantClose, w.step())
			require.Equal(t, tt.busy, region.Total(stats.Busy)-before >= uint64(hour))
		})
	}
}
