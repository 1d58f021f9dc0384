package behaviour

// The rate that follows how late the server is. What it must not follow, a neighbour's load,
// is tested with a browser in tests/page.

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"regexp"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// floodLowersTheRate: many addresses, each within its rate, ask for more than the
// server can answer. It notices by its own lateness, lowers the rate of each, and says why.
//
// One thread serves, and a request costs whoever asks a small part of what it costs the server:
// so the server has its hands full, however many processors there are and whoever else is busy.
func floodLowersTheRate(t testing.TB) {
	const addresses, requests = 1000, 1000
	flags, flood := []string{"-workers", "1"}, floods
	if oneThreadEach() {
		// A thread is busy with a client that asks for one page after the other, however little
		// each costs: it rests only while a connection ends, so there are many requests on each.
		// With a shorter queue the others would be sent away.
		flags, flood = []string{"-workers", "2", "-queue", fmt.Sprint(2 * addresses)}, asks
	}
	flags = append(flags, "-max-requests", fmt.Sprint(requests), "-rate-exempt", "none", "-rate", "100000", "-burst", "100000")
	s := harness.Start(t, flags...)
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	end := sync.OnceFunc(func() {
		cancel()
		clients.Wait()
	})
	defer end()
	all := bytes.Repeat([]byte("HEAD /about.html HTTP/1.1\r\nHost: localhost\r\n\r\n"), requests)
	for i := range addresses {
		from := net.IPv4(127, 1, byte(i/250), byte(i%250)+1)
		clients.Go(func() { again(ctx, s.Addr, from, func(c net.Conn) { flood(c, all) }) })
	}
	said := s.Log.Await(t, regexp.MustCompile(`Rate of each client is now 0\.\d+ of -rate.* because=(\w+).*`))
	require.Contains(t, []string{"lateness", "pressure", "load"}, said[1])
	t.Log(said[0])
	end() // the way back takes half a minute at least
	_, body := s.Get(t, "/metrics")
	require.Regexp(t, `(?m)^fourways_rate_factor_ratio 0\.\d+$`, string(body))
	require.Regexp(t, `(?m)^fourways_rate_lowered\{reason="\w+"\} 1$`, string(body))
}

// asks is a client that asks for one page after the other, as fast as it is answered.
func asks(c net.Conn, all []byte) {
	one := all[:bytes.Index(all, []byte("\r\n\r\n"))+4]
	answer := make([]byte, 4<<10)
	for err := error(nil); err == nil; {
		if _, err = c.Write(one); err == nil {
			_, err = c.Read(answer) // a head, whole
		}
	}
}

// floods is a client that asks at once all that a connection may ask, and looks at no answer. HEAD,
// so that there is little to be read; and the end of what it asks comes along, so that no thread
// waits for this client to notice an end.
func floods(c net.Conn, all []byte) {
	go func() {
		c.Write(all) // until it is closed at the latest
		c.(*net.TCPConn).CloseWrite()
	}()
	answers := make([]byte, 32<<10)
	for err := error(nil); err == nil; {
		_, err = c.Read(answers)
	}
}

// again connects from an address again and again, and has each connection used until the server has
// had enough of it.
func again(ctx context.Context, addr string, from net.IP, use func(net.Conn)) {
	client := harness.From(from)
	for ctx.Err() == nil {
		c, err := client.DialContext(ctx, "tcp", addr)
		if err != nil {
			continue
		}
		stop := context.AfterFunc(ctx, func() { c.Close() })
		use(c)
		c.Close()
		stop()
	}
}
