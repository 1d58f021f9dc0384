package proxy

// Clients that read slowly, and the queue on the disk that keeps them from holding a target up.
//
// The disk is a folder of the test's; what the pool would do for it the driver does in its next
// turn. What must not be done: no test may depend on what is in the page cache.

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/clock"
	"fourways/shared/spill"
)

// The target has said all, and its next request is answered, before the client has read anything;
// and the client gets every byte in the end, or what there is of it is cut.
func TestASlowClientDoesNotHoldTheTarget(t *testing.T) {
	const size, piece = 4 << 20, 16 << 10
	body := make([]byte, size)
	rand.NewChaCha8([32]byte{3}).Read(body)
	var onDisk atomic.Int64
	begin := func(t *testing.T) *rig {
		r := newRig(t, false, func(s *setting) {
			s.queues = spill.Config{Memory: 128 << 10, File: 64 << 20, Total: 64 << 20, Dir: t.TempDir(), OnDisk: &onDisk}
		})
		r.send(r.client, get)
		r.client.Room = 1000
		r.send(r.target(), fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size))
		return r
	}
	t.Run("whole", func(t *testing.T) {
		r := begin(t)
		for at := 0; at < size; at += piece {
			r.send(r.target(), string(body[at:at+piece]))
		}
		require.Greater(t, onDisk.Load(), int64(size/2))
		slow := r.client
		r.connect()
		r.send(r.client, get)
		require.Equal(t, 1, r.targets(), "the connection is free")
		r.send(r.target(), hello)
		require.Equal(t, hello, plain(r.client.Take()))
		require.Less(t, len(slow.Got), 1001)
		slow.Room = -1
		r.Run()
		require.True(t, bytes.HasSuffix(slow.Got, body))
		require.Zero(t, onDisk.Load())
		slow.Take()
		r.send(slow, get)
		r.send(r.target(), hello)
		require.Equal(t, hello, plain(slow.Take()))
	})
	t.Run("cut by the target", func(t *testing.T) {
		r := begin(t)
		for at := 0; at < size/2; at += piece {
			r.send(r.target(), string(body[at:at+piece]))
		}
		targetBreaks(r)
		require.Equal(t, "open", stateOf(r.client), "it gets what the session has of it")
		r.client.Room = -1
		r.Run()
		require.Equal(t, "ended", stateOf(r.client))
		require.Less(t, len(r.client.Got), size/2)
		require.Zero(t, onDisk.Load())
	})
	t.Run("the client leaves", func(t *testing.T) {
		r := begin(t)
		for at := 0; at < size/2; at += piece {
			r.send(r.target(), string(body[at:at+piece]))
		}
		clientBreaks(r)
		require.Equal(t, "reset", stateOf(r.target()))
		require.Zero(t, onDisk.Load())
	})
}

// What comes through a tunnel waits on the disk as an answer does. The target may end, and an hour
// may pass, while the client still drinks.
func TestASlowClientOfATunnelDoesNotHoldTheTarget(t *testing.T) {
	const size, piece = 4 << 20, 16 << 10
	body := make([]byte, size)
	rand.NewChaCha8([32]byte{5}).Read(body)
	var onDisk atomic.Int64
	begin := func(t *testing.T) *rig {
		r := newRig(t, false, func(s *setting) {
			s.queues = spill.Config{Memory: 128 << 10, File: 64 << 20, Total: 64 << 20, Dir: t.TempDir(), OnDisk: &onDisk}
			s.up.TunnelTimeout = 3600 * clock.Second
		})
		r.send(r.client, upgrade)
		r.send(r.target(), switched)
		r.client.Take()
		r.client.Room = 1000
		for at := 0; at < size; at += piece {
			r.send(r.target(), string(body[at:at+piece]))
		}
		require.Zero(t, r.target().Unread())
		require.Greater(t, onDisk.Load(), int64(size/2))
		return r
	}
	t.Run("which ends meanwhile", func(t *testing.T) {
		r := begin(t)
		targetEnds(r)
		require.Equal(t, "open", stateOf(r.client))
		r.send(r.client, "up")
		require.True(t, strings.HasSuffix(r.target().Take(), "up"), "the other direction goes on")
		clientEnds(r)
		require.Equal(t, "closed", stateOf(r.target()))
		r.client.Room = -1
		r.Run()
		require.True(t, bytes.Equal(body, r.client.Got))
		require.Equal(t, "closed", stateOf(r.client))
		require.Zero(t, onDisk.Load())
	})
	t.Run("which goes on afterwards", func(t *testing.T) {
		r := begin(t)
		for range 3 {
			r.pass(3000 * clock.Second)
			r.client.Room = size / 4
			r.Run()
		}
		require.Equal(t, "open", stateOf(r.target()))
		r.client.Room = -1
		r.Run()
		require.True(t, bytes.Equal(body, r.client.Got))
		require.Zero(t, onDisk.Load())
		r.client.Take()
		r.send(r.target(), "more")
		require.Equal(t, "more", r.client.Take())
		targetEnds(r)
		require.Equal(t, "ended", stateOf(r.client))
	})
	t.Run("which breaks", func(t *testing.T) {
		r := begin(t)
		targetBreaks(r)
		require.Equal(t, "reset", stateOf(r.client))
		require.Zero(t, onDisk.Load())
	})
	t.Run("and leaves", func(t *testing.T) {
		r := begin(t)
		clientBreaks(r)
		require.Equal(t, "reset", stateOf(r.target()))
		require.Zero(t, onDisk.Load())
	})
}

// Where the thread's connections have all memory that they may, a target waits for its client with
// each piece, and every byte comes all the same: of an answer, and through a tunnel.
func TestWhereMemoryIsFullATargetWaitsWithEachPiece(t *testing.T) {
	const size, piece = 1 << 20, 16 << 10
	body := make([]byte, size)
	rand.NewChaCha8([32]byte{9}).Read(body)
	for name, says := range map[string]struct{ asks, answers string }{
		"of an answer":     {get, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)},
		"through a tunnel": {upgrade, switched},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, false, func(s *setting) {
				s.queues = spill.Config{Memory: 4 << 20, File: 64 << 20, Total: 64 << 20, Dir: t.TempDir()}
				s.up.TunnelTimeout = 3600 * clock.Second
			})
			r.send(r.client, says.asks)
			r.send(r.target(), says.answers)
			r.client.Room = 0
			r.thread.Memory = 1
			require.True(t, r.thread.Full())
			for at := 0; at < size; at += piece {
				r.send(r.target(), string(body[at:at+piece]))
			}
			require.Less(t, r.thread.Pool(spill.BlockSize).Out(), 8)
			r.client.Room = -1
			r.Run()
			require.True(t, bytes.HasSuffix(r.client.Got, body))
		})
	}
}
