package proxy

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"fourways/shared/machine/machinetest"
)

// A client that has had its answer and asks for nothing is a session, and nothing of what passed
// its request on: no buffers, no queue, and no connection to a target. What the driver of the test
// needs for a socket is not counted; that of a stage holds the session itself.
func TestAnIdleProxiedClientHoldsLittle(t *testing.T) {
	const clients, most = 2000, 400
	r := newRig(t, false, nil)
	r.srv.MaxConns = 2*clients + 1
	var held []*machinetest.Socket
	grown := func() int64 {
		runtime.GC()
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range clients {
			r.connect()
			r.send(r.client, get)
			r.send(r.target(), hello)
			r.client.Got, r.target().Got = nil, nil
			held = append(held, r.client)
		}
		r.ev.done = nil
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&after)
		return int64(after.HeapAlloc) - int64(before.HeapAlloc)
	}
	grown() // the list of sockets, pools and the like
	require.Equal(t, 1, r.targets(), "one connection for all")
	each := grown()/clients - int64(unsafe.Sizeof(machinetest.Socket{}))
	require.Less(t, each, int64(most), "bytes of an idle client")
	require.Positive(t, each)
	runtime.KeepAlive(held)
}
