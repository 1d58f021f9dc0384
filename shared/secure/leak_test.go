package secure

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/machine"
	"fourways/shared/offload"
)

// flights is what a client sends in a handshake: its hello, and what follows our answer. The
// second is not a real one; it is what a client that means no good sends.
func flights(t testing.TB) [][]byte {
	return [][]byte{hello(t), {20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 40, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40}}
}

// cut drives one connection on its driver's thread until so many of the client's bytes have come,
// and then takes its socket away. work runs the machine's slow work.
func cut(w *world, in []byte, after int, how int, work func(*Conn)) {
	d := w.open()
	in = in[:after]
	for {
		switch d.m.Step() {
		case machine.WantRead:
			if len(in) == 0 {
				switch how {
				case 0: // a reset
					d.m.Fail()
				case 1: // an end
					d.m.Recv()
					d.m.EOF()
				case 2: // the descriptor is lost
					d.m.Close()
					return
				}
				how = 0
				continue
			}
			n := copy(d.m.Recv(), in)
			d.m.Received(n)
			in = in[n:]
		case machine.WantWrite:
			d.m.Out().Ack(d.m.Out().Len())
		case machine.WantWake:
			if how == 3 { // the client has left meanwhile
				d.m.Leave()
			}
			work(d.m)
			if how == 3 {
				d.m.Close()
				return
			}
			d.m.RestartDeadline()
		case machine.WantPeer:
			panic("nobody else is there")
		case machine.WantClose:
			d.m.Close()
			return
		}
	}
}

// A handshake is a coroutine, which stays for ever unless it is stopped; and a runtime that finds
// it resumed on the wrong kind of thread ends the process. So both kinds of driver are here: a
// thread that does the work itself, and one that has a pool do it.
func TestConnectionsThatAreCutInTheirHandshakeLeaveNothing(t *testing.T) {
	const each = 5000
	slow := offload.New(8)
	defer slow.Close()
	inPool := func(c *Conn) {
		done := make(chan struct{})
		slow.Submit(c.WorkKind(), func() { c.Work(); close(done) })
		<-done
	}
	for _, tt := range []struct {
		name  string
		works bool // the thread itself
		work  func(*Conn)
	}{
		{"a thread of its own, as in stage 1", true, (*Conn).Work},
		{"a loop and a pool", false, inPool},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, &script{})
			w.secure.Most = 4
			w.thread.Host, w.thread.Works = host{func(int) {}}, tt.works
			fl := flights(t)
			in := append(append([]byte(nil), fl[0]...), fl[1]...)
			before := runtime.NumGoroutine()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				runtime.LockOSThread()
				for i := range each {
					how := i % 4
					if tt.works && how == 3 {
						how = 0 // nobody looks at its socket while a thread works
					}
					cut(w, in, rand.IntN(len(in)+1), how, tt.work)
				}
				runtime.UnlockOSThread()
			}()
			<-ended
			require.Zero(t, w.secure.UnderWay())
			require.Zero(t, w.srv.Conns())
			require.Zero(t, w.thread.Pool(maxRecord).Out())
			require.Zero(t, w.thread.Pool(16<<10).Out())
			for range 100 { // those that are stopped beside us take a moment
				if runtime.NumGoroutine() <= before {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			require.LessOrEqual(t, runtime.NumGoroutine(), before)
		})
	}
}

// What is beyond the limit waits, in turn, and is told when it may begin.
func TestHandshakesBeyondTheLimitWaitForTheirTurn(t *testing.T) {
	w := newWorld(t, &script{})
	w.secure.Most = 2
	var nudged []int
	w.thread.Host = host{func(fd int) { nudged = append(nudged, fd) }}
	first := hello(t)
	var all []*driven
	for i := range 5 {
		d := w.open()
		d.m.handle = int32(i)
		d.feed(first)
		all = append(all, d)
	}
	for i, d := range all {
		want := machine.WantWake
		if i >= 2 {
			want = machine.WantPeer
		}
		require.Equal(t, want, d.m.Step(), fmt.Sprint("connection ", i))
	}
	require.True(t, w.secure.Busy())
	require.Equal(t, w.now+lookAgain, all[2].m.Deadline(), "the first looks now and then")
	require.Equal(t, w.now+handshakeTime, all[3].m.Deadline(), "and no other")

	nudged = nil
	all[3].m.Fail() // one that waits may go
	require.Equal(t, machine.WantClose, all[3].m.Step())
	all[3].m.Close()
	require.Empty(t, nudged)
	all[0].m.Work()
	all[0].m.Fail()
	all[0].m.Step()
	all[0].m.Close()
	require.Equal(t, []int{2}, nudged)
	require.Equal(t, machine.WantWake, all[2].m.Step())
	require.Equal(t, []int{2, 4}, nudged, "the next one looks as well")
	require.Equal(t, machine.WantPeer, all[4].m.Step())
	w.later(handshakeTime)
	for want := all[4].m.Step(); want != machine.WantClose; want = all[4].m.Step() {
		w.later(lingerTime)
	}
	require.Equal(t, []string{"handshake-cut-short", "handshake-cut-short", "handshake-timeout"}, w.ev.reasons())
	for _, i := range []int{1, 2, 4} {
		if i != 4 {
			all[i].m.Work()
			all[i].m.Fail()
			all[i].m.Step()
		}
		all[i].m.Close()
	}
	require.Zero(t, w.secure.UnderWay())
	require.Zero(t, w.srv.Conns())
}

// As long as no more handshakes may begin, whoever is silent makes way.
func TestWhoIsSilentMakesWay(t *testing.T) {
	for _, tt := range []struct {
		name string
		most int64
		want machine.Want
	}{
		{"where others may have to wait", 1, machine.WantWrite},
		{"where there is room, nobody has to", 2, machine.WantRead},
		{"and without a limit", 0, machine.WantRead},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, &script{})
			w.secure.Most = tt.most
			d := w.open()
			d.feed(hello(t))
			require.Equal(t, machine.WantWake, d.m.Step())
			d.m.Work()
			w.later(3 * patience) // our own work, for which it can do nothing
			d.m.RestartDeadline()
			require.Equal(t, machine.WantWrite, d.m.Step())
			d.m.Out().Ack(d.m.Out().Len())
			require.Equal(t, machine.WantRead, d.m.Step())
			if tt.most > 0 {
				require.Equal(t, w.now+patience, d.m.Deadline())
			}
			w.later(patience - 1)
			require.Equal(t, machine.WantRead, d.m.Step(), "it still has time")
			d.feed([]byte{20, 3, 3, 0, 1, 1, 23, 3, 3}) // a record that says nothing (RFC 8446 5), and some of one
			require.Equal(t, machine.WantWake, d.m.Step())
			d.m.Work()
			d.m.RestartDeadline()
			require.Equal(t, machine.WantRead, d.m.Step())
			w.later(1)
			want := d.m.Step()
			if want == machine.WantShut {
				want = machine.WantWrite // its alert
			}
			require.Equal(t, tt.want, want)
			if tt.want == machine.WantRead {
				require.LessOrEqual(t, d.m.Deadline(), w.now+handshakeTime)
				require.Greater(t, d.m.Deadline(), w.now)
			} else {
				require.Equal(t, []string{"handshake-timeout"}, w.ev.reasons())
				require.Zero(t, w.secure.UnderWay())
			}
			d.m.Fail()
			d.m.Step()
			d.m.Close()
		})
	}
}
