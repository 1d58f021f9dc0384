package secure

// What TLS does where a thread's connections hold as much memory as they may. The bound is that of
// package session, and what it does to requests is tested there. A Memory of 1 byte is none while
// nothing is held.

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/machine"
)

// Where memory is short no handshake begins, whole hello or part of one, and nothing is left of it.
func TestNoHandshakeBeginsWhereMemoryIsShort(t *testing.T) {
	for name, part := range map[string]func(whole []byte) []byte{
		"a whole hello":     func(whole []byte) []byte { return whole },
		"a part of a hello": func(whole []byte) []byte { return whole[:20] },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, &script{})
			w.thread.Memory = 1
			d := w.open()
			require.Equal(t, machine.WantRead, d.m.Step(), "who is silent holds nothing")
			d.feed(part(hello(t)))
			require.Equal(t, machine.WantShut, d.m.Step())
			require.Equal(t, []string{"memory-short"}, w.ev.reasons())
			d.m.Fail()
			require.Equal(t, machine.WantClose, d.m.Step())
			d.m.Close()
			require.False(t, w.thread.Full())
			require.Zero(t, w.secure.UnderWay())
		})
	}
}

// Where memory is scarce a slow reader has no more sealed for it than fits into one chunk. What a
// connection holds is counted as long as it lasts.
func TestLessIsSealedWhereMemoryIsScarce(t *testing.T) {
	w := newWorld(t, &script{})
	d := w.open(func(d *driven) { d.room = 1 << 20 })
	w.thread.Memory = 1 << 30
	w.thread.Hold(w.thread.Memory / 2)
	go d.client().Write([]byte(get("/bytes/10000000")))
	d.step(t, func() bool { return d.m.phase == phaseOpen && d.m.sealed > 0 })
	require.LessOrEqual(t, d.m.sealed, int64(sealScarce))
	d.m.Fail()
	d.m.Step()
	d.m.Close()
	d.do(func() { d.closed = true })
	w.thread.Hold(-w.thread.Memory / 2)
	w.thread.Memory = 1
	require.False(t, w.thread.Full())
}

// An idle connection by TLS begins no record either.
func TestNoRecordBeginsWhereMemoryIsShort(t *testing.T) {
	w := newWorld(t, &script{})
	d := w.open()
	c := d.client()
	go c.Handshake()
	d.step(t, func() bool { return d.m.phase == phaseOpen && d.m.session.Idle() })
	w.thread.Memory = 1
	d.feed([]byte{23, 3, 3, 64, 0, 1, 2, 3})
	d.step(t, func() bool { return d.m.phase >= phaseParting })
	require.Equal(t, []string{"memory-short"}, w.ev.reasons())
	d.m.Fail()
	d.m.Step()
	d.m.Close()
	d.do(func() { d.closed = true })
	require.False(t, w.thread.Full())
}
