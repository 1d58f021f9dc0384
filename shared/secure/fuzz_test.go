package secure

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"fourways/shared/clock"
	"fourways/shared/machine"
	"fourways/shared/secure/securetest"
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
				w.nothingLeft()
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

// nothingLeft wants all connections to have given back what they had.
func (w *world) nothingLeft() {
	if w.thread.Pool(maxRecord).Out() != 0 || w.thread.Pool(16<<10).Out() != 0 || w.secure.UnderWay() != 0 || w.srv.Conns() != 0 {
		w.t.Fatal("something is left")
	}
}

// talk is a connection that is driven by its client, in one goroutine: whoever reads what has not
// come has the machine go on. The fuzzer says where the bytes are cut, in both directions.
type talk struct {
	w                  *world
	m                  *Conn
	toServer, toClient []byte
	cuts               []byte // used round and round
	writes             int    // of the client
	early              []byte // comes after the client's first write, or before its second
	before             bool
	ended, shut, over  bool
}

// cut is how many of n bytes go at once.
func (c *talk) cut(n int) int {
	if len(c.cuts) == 0 {
		return n
	}
	most := int(c.cuts[0]) + 1
	c.cuts = append(c.cuts[1:], c.cuts[0])
	return min(n, most)
}

// turn does one thing that the machine wants. It reports false where that is more of the client's.
func (c *talk) turn() bool {
	if c.over {
		return false
	}
	switch want := c.m.Step(); want {
	case machine.WantRead:
		if n := len(c.toServer); n > 0 {
			n = copy(c.m.Recv(), c.toServer[:c.cut(n)])
			if n == 0 {
				c.w.t.Fatal("no room to read into")
			}
			c.m.Received(n)
			c.toServer = c.toServer[n:]
			return true
		}
		if c.ended {
			c.m.Recv()
			c.m.EOF()
		}
		return c.ended
	case machine.WantWrite:
		if c.shut {
			c.w.t.Fatal("written after the end of sending")
		}
		q := c.m.Out()
		iov, _ := q.Bytes(make([][]byte, 0, 64))
		all := bytes.Join(iov, nil)
		n := c.cut(len(all))
		c.toClient = append(c.toClient, all[:n]...)
		if q.Ack(int64(n)); n < len(all) {
			c.m.Stalled()
		}
	case machine.WantWake:
		c.m.WorkKind()
		c.m.Work()
		c.m.RestartDeadline()
	case machine.WantShut:
		c.shut = true
	case machine.WantClose:
		c.m.Close()
		c.over = true
	default:
		c.w.t.Fatal("wants ", want)
	}
	return true
}

// rest lets the machine do all that it can.
func (c *talk) rest() {
	for steps := 0; c.turn(); steps++ {
		if steps > 1<<20 {
			c.w.t.Fatal("it does not end")
		}
	}
}

// The client's end, a net.Conn.
func (c *talk) Read(p []byte) (int, error) {
	for len(c.toClient) == 0 {
		if !c.turn() {
			return 0, io.EOF
		}
	}
	n := copy(p, c.toClient)
	c.toClient = c.toClient[n:]
	return n, nil
}

func (c *talk) Write(p []byte) (int, error) {
	c.writes++
	if c.before && c.writes == 2 {
		c.toServer = append(c.toServer, c.early...)
	}
	c.toServer = append(c.toServer, p...)
	if !c.before && c.writes == 1 {
		c.toServer = append(c.toServer, c.early...)
	}
	return len(p), nil
}

func (c *talk) Close() error                     { return nil }
func (c *talk) LocalAddr() net.Addr              { return nil }
func (c *talk) RemoteAddr() net.Addr             { return nil }
func (c *talk) SetDeadline(time.Time) error      { return nil }
func (c *talk) SetReadDeadline(time.Time) error  { return nil }
func (c *talk) SetWriteDeadline(time.Time) error { return nil }

// FuzzTalk has a client make its handshake and then do what the fuzzer says: requests in any number
// of records, new keys, empty records, alerts, close_notify, the end without it, records that are
// spoilt, of another kind or out of place, in any order, cut anywhere. Whatever comes, the
// connection ends when its client does and gives back what it had. As long as nothing that has come
// is wrong, each request is answered, in order, also when the client has ended its direction.
func FuzzTalk(f *testing.F) {
	for _, acts := range [][]byte{
		{0, 1, 7, 2, 0, 0x82, 1, 0, 5, 0, 7, 0}, {3, 200, 9, 50, 7, 1}, {0x83, 3, 0, 0, 0}, {4, 20, 0}, {0x84, 20},
		{6, 0, 0x86, 0}, {0x80, 8, 2, 80}, {0, 9, 3, 4}, {0x80, 10, 5, 22, 3, 3, 0, 4}, {11, 1, 0, 11, 24, 0}, {0, 12, 0}, {0x80, 13},
	} {
		f.Add(byte(0), []byte{}, acts, []byte{0})
		f.Add(byte(1), []byte{20, 3, 3, 0, 1, 1}, acts, []byte{200, 3, 50})
		f.Add(byte(2), []byte{21, 3, 3, 0, 2, 1, 0}, acts, []byte{})
	}
	f.Fuzz(func(t *testing.T, how byte, early, acts, cuts []byte) {
		w := newWorld(t, &script{})
		adm, _ := w.thread.Admit(peer.Addr(), 3)
		c := &talk{w: w, cuts: bytes.Clone(cuts[:min(len(cuts), 100)]), early: early[:min(len(early), 100)], before: how&1 != 0}
		c.m = w.secure.Opener()(w.thread, adm, peer, 3).(*Conn)
		version := uint16(tls.VersionTLS13)
		if how&2 != 0 {
			version = tls.VersionTLS12
		}
		client, s, err := securetest.Client(c, clientOf(only(version)))
		if err == nil {
			a := &actor{talk: c, s: s, version: version, acts: acts[:min(len(acts), 60)]}
			a.wrong = len(c.early) > 0 && !bytes.Equal(c.early, oldCipherSpec)
			a.act()
			if c.ended = true; !a.wrong {
				c.answered(client, a.asked)
			}
		}
		c.ended = true
		c.rest()
		for !c.over { // it lingers, or is told of its time only
			w.now += clock.Second
			w.thread.Clock.Set(w.now, 784111777e9)
			c.turn()
		}
		w.nothingLeft()
	})
}

// oldCipherSpec is a record that TLS 1.3 allows in a handshake and means nothing (RFC 8446 D.4).
var oldCipherSpec = []byte{20, 3, 3, 0, 1, 1}

// actor is the client after its handshake, and what it has done.
type actor struct {
	*talk
	s       *securetest.Sealer
	version uint16
	acts    []byte // what is left to do: a byte each, and as many more as that takes
	asked   int    // requests
	idle    int    // acts in a row without data
	wrong   bool   // not all requests need an answer
	quits   bool   // nothing more is sent
}

func (a *actor) next() (b byte) {
	if len(a.acts) > 0 {
		b, a.acts = a.acts[0], a.acts[1:]
	}
	return b
}

func (a *actor) send(b []byte) { a.toServer = append(a.toServer, b...) }

// data sends pieces of what makes one more request, each in a record.
func (a *actor) data(pieces ...[]byte) {
	for _, p := range pieces {
		a.send(a.s.Record(securetest.Data, p...))
	}
	a.asked, a.idle = a.asked+1, 0
}

// act has the client do all that it is to.
func (a *actor) act() {
	for len(a.acts) > 0 && !a.quits {
		what := a.next()
		a.idle++
		if kind := what & 0x7f; kind < 8 {
			a.right(kind)
		} else {
			a.harm(kind)
		}
		a.wrong = a.wrong || a.idle >= 8 // the library has its bound (crypto/tls, maxUselessRecords)
		if what&0x80 != 0 {
			a.rest()
		}
	}
}

const upload = "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: %05d\r\n\r\n"

// right does something that a client may do.
func (a *actor) right(kind byte) {
	text := []byte(get(fmt.Sprint("/echo/", a.asked)))
	switch kind {
	case 0:
		a.data(text)
	case 1:
		at := int(a.next()) % len(text)
		a.data(text[:at], text[at:])
	case 2: // new keys
		if asks := a.next() & 1; a.version == tls.VersionTLS13 {
			a.send(a.s.Update(asks))
		}
	case 3: // a body in records of any size
		n := int(a.next())
		pieces := [][]byte{fmt.Appendf(nil, upload, n)}
		for n > 0 {
			some := min(n, int(a.next())+1)
			pieces = append(pieces, bytes.Repeat([]byte("u"), some))
			n -= some
		}
		a.data(pieces...)
	case 4: // some of a head, and the rest with a body in the largest record: there is no room for all
		length := len(fmt.Sprintf(upload, 0))
		at := int(a.next()) % length
		n := 16<<10 - (length - at)
		head := fmt.Appendf(nil, upload, n)
		a.data(head[:at], append(head[at:], bytes.Repeat([]byte("u"), n)...))
	case 5: // an empty record
		a.send(a.s.Record(securetest.Data))
	case 6: // time
		a.w.now += clock.Second / 4
		a.w.thread.Clock.Set(a.w.now, 784111777e9)
	case 7: // the end, said or not
		if a.quits = true; a.next()&1 == 0 {
			a.send(a.s.Record(securetest.Alert, 1, 0))
		}
	}
}

// harm does something that a client may not do.
func (a *actor) harm(kind byte) {
	a.wrong = true
	switch kind {
	case 8: // an alert
		a.send(a.s.Record(securetest.Alert, a.next(), a.next()))
	case 9: // a record that is spoilt
		r := a.s.Record(securetest.Data, 'x')
		r[int(a.next())%len(r)] ^= 1 + a.next()
		a.send(r)
	case 10: // bytes that are no record of ours
		for n := a.next() % 40; n > 0; n-- {
			a.send([]byte{a.next()})
		}
	case 11: // a message of a handshake
		a.send(a.s.Record(securetest.Handshake, a.next(), 0, 0, a.next()%4, a.next(), a.next()))
	case 12:
		a.send(oldCipherSpec)
	case 13: // a reset
		a.m.Fail()
		a.quits = true
	}
}

// answered wants so many answers, and then the end.
func (c *talk) answered(client *tls.Conn, asked int) {
	r := bufio.NewReader(client)
	for i := range asked {
		a, err := http.ReadResponse(r, nil)
		if err != nil {
			c.w.t.Fatalf("answer %d of %d: %v", i+1, asked, err)
		}
		if _, err := io.ReadAll(a.Body); err != nil || a.StatusCode != 200 {
			c.w.t.Fatalf("answer %d of %d: %s, %v", i+1, asked, a.Status, err)
		}
	}
	if _, err := r.ReadByte(); err != io.EOF || !c.m.said {
		c.w.t.Fatalf("after the answers: %v", err)
	}
}
