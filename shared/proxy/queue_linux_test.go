package proxy

// Clients that read slowly, and the queue on the disk that keeps them from holding a target up.
//
// The disk is a folder of the test's; what the pool would do for it the driver does in its next
// turn. What must not be done: no test may depend on what is in the page cache.

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

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
		require.Equal(t, "reset", stateOf(r.client))
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
