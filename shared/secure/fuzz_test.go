package secure

import (
	"bytes"
	"testing"

	"fourways/shared/machine"
)

// FuzzRecords gives a connection whatever bytes there are, cut after lengths that are fuzzed too.
// It must not panic, and whatever comes, it ends when its client does and gives back what it had.
func FuzzRecords(f *testing.F) {
	whole := hello(f)
	for _, in := range [][]byte{
		whole, inRecords(whole, 1), inRecords(whole, 100), append(bytes.Clone(whole), 20, 3, 3, 0, 1, 1),
		append(bytes.Clone(whole), 23, 3, 3, 0x40, 0, 1, 2, 3), {22, 3, 1, 0, 0}, {0x80, 1}, []byte(get("/echo/x")), nil,
	} {
		f.Add(in, []byte{1, 5, 200})
	}
	f.Fuzz(func(t *testing.T, in, cuts []byte) {
		w := newWorld(t, &script{})
		d := w.open()
		for steps, most := 0, 10*len(in)+1000; ; steps++ { // in gets shorter
			if steps > most {
				t.Fatal("it does not end")
			}
			switch want := d.m.Step(); want {
			case machine.WantRead:
				if len(in) == 0 {
					d.m.Recv()
					d.m.EOF()
					continue
				}
				n := len(in)
				if len(cuts) > 0 {
					n = min(n, int(cuts[0])+1)
					cuts = cuts[1:]
				}
				n = copy(d.m.Recv(), in[:n])
				if n == 0 {
					t.Fatal("no room to read into")
				}
				d.m.Received(n)
				in = in[n:]
			case machine.WantWrite:
				d.m.Out().Ack(d.m.Out().Len())
			case machine.WantWake:
				d.m.Work()
			case machine.WantShut:
			case machine.WantClose:
				d.m.Close()
				if w.thread.Pool(maxRecord).Out() != 0 || w.thread.Pool(16<<10).Out() != 0 || w.secure.UnderWay() != 0 || w.srv.Conns() != 0 {
					t.Fatal("something is left")
				}
				return
			default:
				t.Fatal("wants ", want)
			}
		}
	})
}

// FuzzGreet: the verdict on the first message depends on its bytes and not on how they are cut.
// More bytes change nothing once there is one.
func FuzzGreet(f *testing.F) {
	whole := hello(f)
	f.Add(whole)
	f.Add(inRecords(whole, 3))
	f.Add([]byte{22, 3, 1, 0, 4, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 600)]
		final, _, _ := greet(b)
		for i := range b {
			g, _, _ := greet(b[:i])
			if g != greetingOpen && g != final {
				t.Fatalf("after %d bytes %d, and after all %d", i, g, final)
			}
		}
	})
}
