package proxy

// Large bodies that go from the target's socket to the client's by pipes.
//
// Sockets, pipes and their driver are in memory. A pipe panics if it is filled twice or used after
// its release. What must not be done: no test may say how much goes by a pipe, except that it
// is most or none.

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/clock"
	"fourways/shared/machine/machinetest"
	"fourways/shared/spill"
)

const (
	pipedSize  = 2 << 20
	pipedPiece = 100_000 // that comes at once
)

// piping is an exchange of which a large body is on its way, or a tunnel.
type piping struct {
	*rig
	pipes  *machinetest.Pipes
	onDisk atomic.Int64
	body   []byte
	said   int
}

// beginPiping begins it: head is the target's answer to ask.
func beginPiping(t *testing.T, ask, head string, most int) *piping {
	p := &piping{body: make([]byte, pipedSize)}
	rand.NewChaCha8([32]byte{7}).Read(p.body)
	p.rig = newRig(t, false, func(s *setting) {
		s.queues = spill.Config{Memory: 128 << 10, File: 64 << 20, Total: 64 << 20, Dir: t.TempDir(), OnDisk: &p.onDisk}
		s.up.TunnelTimeout = 3600 * clock.Second
	})
	p.pipes = p.Pipes(most)
	p.thread.Pipes = p.pipes
	p.send(p.client, ask)
	p.send(p.target(), head)
	p.client.Take()
	return p
}

// say has the target say so much more, and no pipe be left after it.
func (p *piping) say(n int) {
	p.t.Helper()
	for n = min(n, pipedSize-p.said); n > 0; {
		m := min(n, pipedPiece)
		p.send(p.target(), string(p.body[p.said:p.said+m]))
		p.said, n = p.said+m, n-m
		require.Zero(p.t, p.pipes.Lent, "what does not leave at once is in no pipe")
	}
}

var pipedAnswer = fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", pipedSize)

func TestALargeBodyPassesThroughPipes(t *testing.T) {
	for _, tt := range []struct {
		name, ask, head string
		most            int
		piped           bool
	}{
		{"of an answer", get, pipedAnswer, 2, true},
		{"of a tunnel", upgrade, switched, 2, true},
		{"but without one it is copied", get, pipedAnswer, 0, false},
		{"but not where it is put into chunks", get, "HTTP/1.1 200 OK\r\n\r\n", 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := beginPiping(t, tt.ask, tt.head, tt.most)
			p.say(pipedSize)
			if tt.piped {
				require.True(t, bytes.Equal(p.body, p.client.Got))
				require.Greater(t, p.pipes.Moved, int64(pipedSize*3/4))
				require.Zero(t, p.pipes.Drained)
			} else {
				require.Greater(t, len(p.client.Got), pipedSize-1)
				require.Zero(t, p.pipes.Filled)
			}
			require.Zero(t, p.pipes.Spoilt)
		})
	}
}

// What a slow client does not take at once comes after all that it has not taken before, through
// memory and the disk. Its target waits for none of it.
func TestAClientThatStallsGetsEveryByteInOrder(t *testing.T) {
	for name, ask := range map[string][2]string{"of an answer": {get, pipedAnswer}, "of a tunnel": {upgrade, switched}} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprint(name, ", ", seed), func(t *testing.T) {
				p := beginPiping(t, ask[0], ask[1], 1)
				any := rand.New(rand.NewPCG(seed, 1))
				for p.said < pipedSize {
					if p.client.Room = int64(any.IntN(400_000)); any.IntN(4) == 0 {
						p.client.Room = -1
					}
					p.Run()
					p.say(any.IntN(400_000))
					require.Zero(t, p.target().Unread(), "it never waits")
				}
				p.client.Room = -1
				p.Run()
				require.True(t, bytes.Equal(p.body, p.client.Got))
				require.Positive(t, p.pipes.Filled)
				require.Positive(t, p.pipes.Drained)
				require.Zero(t, p.pipes.Spoilt)
				require.Zero(t, p.onDisk.Load())
			})
		}
	}
}

func TestWhatIsCutLooksCutAlsoWhereItWentByPipes(t *testing.T) {
	for _, tt := range []struct {
		name string
		does step
		want string
	}{
		{"the target ends too early", targetEnds, "ended"},
		{"the target breaks", targetBreaks, "ended"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := beginPiping(t, get, pipedAnswer, 1)
			p.say(pipedSize / 2)
			require.Positive(t, p.pipes.Moved)
			tt.does(p.rig)
			require.Equal(t, tt.want, stateOf(p.client))
			require.True(t, bytes.Equal(p.body[:pipedSize/2], p.client.Got))
			require.Equal(t, []string{"upstream-cut-short"}, p.ev.refused)
		})
	}
	t.Run("the client leaves", func(t *testing.T) {
		p := beginPiping(t, get, pipedAnswer, 1)
		p.say(pipedSize / 2)
		p.target().Send(string(p.body[:pipedPiece]))
		p.client.Break()
		p.Run()
		require.Equal(t, "reset", stateOf(p.target()))
		require.Zero(t, p.pipes.Lent)
	})
	t.Run("the client leaves with something in a pipe for it", func(t *testing.T) {
		p := beginPiping(t, get, pipedAnswer, 1)
		p.say(pipedSize / 2)
		p.target().Send(string(p.body[:pipedPiece]))
		p.Turn(p.target())
		require.Equal(t, 1, p.pipes.Lent)
		p.client.Break()
		p.Run()
		require.Zero(t, p.pipes.Lent)
		require.Equal(t, 1, p.pipes.Spoilt, "it holds what nobody may get")
	})
}

// A client that takes nothing is measured by what has left for it, wherever the rest is.
func TestAStalledClientIsTooSlowAsAnyOther(t *testing.T) {
	p := beginPiping(t, get, pipedAnswer, 1)
	p.say(pipedSize / 2)
	p.client.Room = 1000
	p.say(pipedPiece)
	looks := 0
	for ; stateOf(p.client) == "open" && looks < 30; looks++ {
		p.say(1000)
		p.pass(5 * clock.Second)
	}
	require.Equal(t, "reset", stateOf(p.client))
	require.Greater(t, looks, 10, "what it has taken before is its credit")
	require.Contains(t, p.ev.refused, "reader-too-slow")
}
