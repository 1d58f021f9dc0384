package secure

// What a request costs beside what crypto/tls does: allocations, and sends.
//
// The test drives the connection on its own goroutine, so that nothing else allocates meanwhile.
// What must not be done: the records must not be made while the allocations are counted.

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/machine"
	"fourways/shared/secure/securetest"
	"fourways/shared/session"
)

// quiet is a connection whose handshake is over, driven by the test. What is sent is thrown away.
func quiet(t testing.TB, w *world) (*driven, *securetest.Sealer) {
	d := w.open()
	d.polls = true
	var s *securetest.Sealer
	ready := make(chan struct{})
	go func() {
		defer close(ready)
		c, seal := raw(t, d)
		s = seal
		c.Write(nil)
	}()
	d.step(t, func() bool {
		select {
		case <-ready:
			return d.m.phase == phaseOpen
		default:
			return false
		}
	})
	d.m.Step()
	return d, s
}

// ask gives the connection a request and takes the answer.
func (d *driven) ask(record []byte) {
	for n := 0; n < len(record); {
		k := copy(d.m.Recv(), record[n:])
		d.m.Received(k)
		n += k
	}
	for want := d.m.Step(); want != machine.WantRead; want = d.m.Step() {
		d.m.Out().Ack(d.m.Out().Len())
	}
}

// A request allocates what crypto/tls allocates for a record that it reads, and nothing of ours.
func TestARequestAllocatesOnlyWhatTheLibraryDoes(t *testing.T) {
	const requests = 200
	w := newWorld(t, &silent{})
	d, s := quiet(t, w)
	var records [][]byte
	for range requests + 10 {
		records = append(records, s.Record(securetest.Data, []byte(get("/x"))...))
	}
	i := 0
	each := testing.AllocsPerRun(requests, func() { d.ask(records[i]); i++ })
	require.LessOrEqual(t, each, 2.0, "an atLeastReader for the header and one for the rest (crypto/tls)")
	d.m.Fail()
	d.m.Step()
	d.m.Close()
}

// The last answer of a connection and close_notify are one send.
func TestGoodbyeLeavesWithTheLastAnswer(t *testing.T) {
	for _, tc := range []struct {
		name, request string
		next          machine.Want // once all has left
	}{
		{"a connection that goes on", get("/x"), machine.WantRead},
		{"one that its client ends", "GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", machine.WantShut},
		{"one that is refused", "GARBAGE\r\n\r\n", machine.WantShut},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, s := quiet(t, newWorld(t, &silent{}))
			record := s.Record(23, []byte(tc.request)...)
			d.m.Received(copy(d.m.Recv(), record))
			require.Equal(t, machine.WantWrite, d.m.Step())
			d.m.Out().Ack(d.m.Out().Len())
			require.Equal(t, tc.next, d.m.Step())
			d.m.Fail()
			d.m.Step()
			d.m.Close()
		})
	}
}

// silent answers without allocating.
type silent struct{ script }

func (silent) Serve(x *session.Exchange) {
	x.Begin(200, 2).End()
	x.Write(ok)
	x.Finish()
}

var ok = []byte("ok")
