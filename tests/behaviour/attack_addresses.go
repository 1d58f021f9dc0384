package behaviour

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// Attacks that the table of addresses is for: too many requests, too many connections, too
// many addresses.

const askSmall = "GET " + smallFile + " HTTP/1.1\r\nHost: localhost\r\n\r\n"

func newReader(c net.Conn) *bufio.Reader { return bufio.NewReader(c) }

// tally is what became of a flood's attempts.
type tally struct {
	opened, talked  atomic.Int64 // connections, and those of them on which anything was answered
	served, limited atomic.Int64 // requests answered 200, and 429
}

// closed is how many connections were closed with nothing answered.
func (sum *tally) closed() int64 { return sum.opened.Load() - sum.talked.Load() }

// connect counts connections where they are made: the net package tries again by itself
// where one was reset before it had looked who is at its other end.
func (sum *tally) connect(addr, from string) (net.Conn, error) {
	return connect(addr, from, func(uintptr) { sum.opened.Add(1) })
}

// breath is how long a flooding client pauses between two requests, so that it is the
// server's limits that stop it and not the lack of a processor for anybody else.
const breath = time.Millisecond

// flood has one client ask and ask again, on a new connection whenever one is closed.
func (a *siege) flood(from string, sum *tally, goesOn func() bool) error {
	for goesOn() {
		c, err := sum.connect(a.Addr, from)
		if errors.Is(err, syscall.ECONNRESET) {
			time.Sleep(breath)
			continue
		} else if err != nil {
			return err
		}
		err = sum.exhaust(c, goesOn)
		c.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// exhaust asks on one connection until that is closed. Only in place of a first answer may
// it be closed without a word.
func (sum *tally) exhaust(c net.Conn, goesOn func() bool) error {
	r := newReader(c)
	for n := 0; n == 0 || goesOn(); n++ {
		resp, _, err := request(c, r, askSmall)
		time.Sleep(breath)
		if err != nil && n == 0 {
			return nil
		} else if err != nil {
			return fmt.Errorf("request %d of a connection: %w", n+1, err)
		}
		if n == 0 {
			sum.talked.Add(1)
		}
		switch {
		case resp.StatusCode == 200:
			sum.served.Add(1)
		case resp.StatusCode == 429 && resp.Header.Get("Retry-After") != "":
			sum.limited.Add(1)
		default:
			return fmt.Errorf("answered %s", resp.Status)
		}
		if resp.Close {
			return nil
		}
	}
	return nil
}

// agree wants /health to tell what the clients saw.
func (a *siege) agree(sum *tally, mitigations int) {
	a.t.Helper()
	h := a.health()
	require.EqualValues(a.t, int64(a.crowd.answered()+a.asked)+sum.served.Load()+sum.limited.Load(), h.Requests.Total, "requests")
	require.EqualValues(a.t, sum.closed(), h.Requests.Dropped, "connections turned away")
	require.EqualValues(a.t, sum.limited.Load()+sum.closed(), h.Requests.Blocked, "refusals")
	require.Equal(a.t, mitigations, h.Mitigations, "bans")
}

// floodFromOneAddress: whoever asks too often is told so, then banned, then closed as soon
// as it connects, and the ban is counted once.
func floodFromOneAddress(t testing.TB) {
	const flooders, burst, banAfter = 4, 50, 5
	a := besiege(t, flooders, nil, "-rate", "50", "-burst", fmt.Sprint(burst), "-ban-after", fmt.Sprint(banAfter), "-ban", "600")
	a.attack()
	var sum tally
	var wg sync.WaitGroup
	for range flooders {
		wg.Go(func() {
			if err := a.flood("127.66.0.1", &sum, a.goesOn); err != nil {
				t.Errorf("attacker: %v", err)
			}
		})
	}
	wg.Wait()
	a.over()
	require.GreaterOrEqual(t, sum.served.Load(), int64(burst))
	require.GreaterOrEqual(t, sum.limited.Load(), int64(banAfter))
	require.Positive(t, sum.closed())
	a.agree(&sum, 1)
	t.Logf("the flood: %d served, %d answered 429, %d closed at accept", sum.served.Load(), sum.limited.Load(), sum.closed())
}

// aBanEnds: after its time a banned client is admitted again, and not before. Others are
// served all the while.
func aBanEnds(t testing.TB) {
	const ban = time.Second
	s := harness.Start(t, "-rate-exempt", "none", "-adaptive", "off", "-rate", "10", "-burst", "10", "-ban-after", "3", "-ban", fmt.Sprint(ban.Seconds()))
	ask := func(from string) (*http.Response, error) {
		c, err := connect(s.Addr, from)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		resp, _, err := request(c, newReader(c), "GET /about.html HTTP/1.1\r\nHost: localhost\r\n\r\n")
		return resp, err
	}
	var banned time.Time
	for status, last := 0, false; !last; {
		banned = time.Now() // or a little later, by the server's clock
		resp, err := ask("127.66.0.1")
		require.NoError(t, err)
		status, last = resp.StatusCode, resp.Close
		if last {
			require.Equal(t, 429, status)
			require.Equal(t, fmt.Sprint(ban.Seconds()), resp.Header.Get("Retry-After"))
		}
	}
	_, err := ask("127.66.0.1")
	require.Error(t, err, "it is closed at once")
	resp, err := ask("127.1.0.1")
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode, "another address")
	harness.Eventually(t, "it is admitted again", func() bool {
		resp, err := ask("127.66.0.1")
		return err == nil && resp.StatusCode == 200
	})
	require.GreaterOrEqual(t, time.Since(banned), ban)
	_, body := s.Get(t, "/health")
	require.Contains(t, string(body), `"ddos_mitigations":1`)
}

// hoardedConnections: of one address's connections exactly as many stay as may, and one
// that ends makes room for one other.
func hoardedConnections(t testing.TB) {
	const allowed, greedy, given = 20, 60, 5
	a := besiege(t, allowed, nil, "-max-conns-per-client", fmt.Sprint(allowed))
	a.attack()
	const from = "127.66.0.2"
	var sum tally
	hoard := func(n int) (held []net.Conn) {
		for range n {
			c, err := sum.connect(a.Addr, from)
			if errors.Is(err, syscall.ECONNRESET) {
				continue
			}
			require.NoError(t, err)
			if _, _, err := request(c, newReader(c), askSmall); err != nil {
				c.Close()
				continue
			}
			sum.talked.Add(1)
			held = append(held, c)
		}
		return held
	}
	held := hoard(greedy)
	require.Len(t, held, allowed)
	for a.goesOn() {
		require.Empty(t, hoard(1))
		time.Sleep(breath)
	}
	for _, c := range held[:given] {
		c.Close()
	}
	held = held[given:]
	harness.Eventually(t, "those that were closed make room", func() bool {
		held = append(held, hoard(1)...)
		return len(held) == allowed
	})
	require.Empty(t, hoard(given))
	for _, c := range held {
		_, _, err := request(c, newReader(c), askSmall)
		require.NoError(t, err, "those that stay are served")
		c.Close()
	}
	a.over()
	h := a.health()
	require.EqualValues(t, sum.closed(), h.Requests.Dropped)
	require.EqualValues(t, sum.closed(), h.Requests.Blocked)
	require.Zero(t, h.Mitigations)
	a.logged(int(sum.closed()), "too-many-from-client")
}

// floodFromManyAddresses: five times as many addresses as the table remembers, or more, each
// with one request, and then more open connections than it has entries. All are served;
// nothing grows; and a ban is not forgotten over them.
func floodFromManyAddresses(t testing.TB) {
	const entries, addresses, hands = 1024, 5000, 8
	open := entries * 3 / 2
	if oneThreadEach() {
		open = hands // more than it has threads would only show that
	}
	a := besiege(t, hands+open, nil, "-clients", fmt.Sprint(entries), "-rate", "50", "-burst", "50", "-ban-after", "5", "-ban", "600")
	var sum tally
	require.NoError(t, a.flood("127.66.0.3", &sum, func() bool { return sum.closed() == 0 }))
	a.attack()
	visit := func(i int) net.Conn {
		c, err := connect(a.Addr, fmt.Sprintf("127.%d.%d.%d", 100+i/62500, i/250%250, i%250+1))
		if err != nil {
			t.Errorf("client %d: %v", i, err)
			return nil
		}
		if _, err := expect(c, 200, askSmall); err != nil {
			t.Errorf("client %d: %v", i, err)
		}
		sum.served.Add(1)
		return c
	}
	used := spread(hands, func(i int) bool {
		if i >= addresses && !a.goesOn() {
			return false
		}
		if c := visit(i); c != nil {
			c.Close()
		}
		return true
	})
	a.tell() // what many connections cost is another matter, and chapter 4's
	conns := make([]net.Conn, open)
	spread(hands, func(i int) bool {
		if i >= open {
			return false
		}
		conns[i] = visit(used + i)
		return true
	})
	before := sum.closed()
	require.NoError(t, a.flood("127.66.0.3", &sum, func() bool { return sum.closed() < before+10 }))
	require.Less(t, a.grown(), 16<<10, "KiB grown for %d addresses and %d connections", addresses, open)
	for _, c := range conns {
		if c != nil {
			c.Close()
		}
	}
	a.over()
	a.agree(&sum, 1)
}

// spread calls f for each number from 0 on, a few at a time, until it reports false. It
// returns how many numbers there were.
func spread(hands int, f func(i int) bool) int {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range hands {
		wg.Go(func() {
			for f(int(next.Add(1) - 1)) {
			}
		})
	}
	wg.Wait()
	return int(next.Load())
}

// expect sends a request and wants an answer with this status.
func expect(c net.Conn, status int, text string) (body []byte, err error) {
	resp, body, err := request(c, newReader(c), text)
	if err == nil && resp.StatusCode != status {
		err = fmt.Errorf("%s in place of %d", resp.Status, status)
	}
	return body, err
}

// cut reads until the server ends the connection, and returns what it said before. That it
// never did is an error.
func cut(c net.Conn) (answer string, err error) {
	said, err := io.ReadAll(c)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return string(said), fmt.Errorf("not cut: %w", err)
	}
	return string(said), nil // a reset is an end too
}
