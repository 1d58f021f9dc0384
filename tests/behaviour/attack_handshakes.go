package behaviour

// Attacks by handshakes, beside good clients that ask by TLS: half of them on a new connection each
// time, whose session is resumed.
//
// An attacker need not understand what it is answered. It sends the same hello again and again, and
// leaves the arithmetic to the server. What must not be done: an attacker must not compute, or it
// would be its own processor that bounds the flood.

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/certs/certstest"
)

// fewAddresses is from how many addresses handshakes come in a flood: so few that what all of them
// may have is little of what the server can do.
const fewAddresses = 4

// besiegeTLS is besiege for a server with a listener of TLS as well.
func besiegeTLS(t testing.TB, attackers int, flags ...string) *siege {
	pair := Pair(t.TempDir(), "pair", certstest.Root(t).Leaf("localhost"))
	return besiege(t, attackers, nil, append(append(pair, "-listen", "127.0.0.1:0", "-tls-listen", "127.0.0.1:0"), flags...)...)
}

// handshakesThatStall: many clients say hello, are answered, and say no more.
func handshakesThatStall(t testing.TB) {
	const each = 10 // clients of one address
	a := besiegeTLS(t, stalled, "-tls-handshakes", fmt.Sprint(2*stalled), "-handshake-timeout", "3600")
	hello := helloOf(t, small())
	a.attack()
	var silent []net.Conn
	for i := range stalled {
		c, err := connect(a.secured, fmt.Sprintf("127.66.30.%d", i/each+1))
		require.NoError(t, err)
		defer c.Close()
		_, err = c.Write(hello)
		require.NoError(t, err)
		_, err = c.Read(make([]byte, 1))
		require.NoError(t, err, "its handshake is under way")
		silent = append(silent, c)
	}
	a.began = a.crowd.answered() // what it took to get there is another attack
	a.crowd.await(t, a.began+answersEach(t))
	require.GreaterOrEqual(t, a.health().Connections.Active, stalled)
	a.tell()
	for _, c := range silent {
		c.Close()
	}
	a.over()
}

// floodOfHandshakes: a few addresses begin three times as many handshakes as the server could make
// if it did nothing else. The limits of an address refuse them.
func floodOfHandshakes(t testing.TB) {
	const hands, times, banAfter = 16, 3, 20
	// Whoever leaves is still being served for a moment, and each of the next ones too.
	a := besiegeTLS(t, 8*hands, "-rate", "100", "-burst", "100", "-ban-after", fmt.Sprint(banAfter), "-ban", "600", "-rate-exempt", "127.67.0.0/16")
	hello := helloOf(t, small())
	most := a.mostHandshakes(hello, hands)
	a.attack()
	var sum tally
	began := time.Now()
	goesOn := func() bool { return a.goesOn() || sum.closed() < max(sum.talked.Load(), 2*fewAddresses*banAfter) }
	a.handshakes(&sum, hello, "127.66.31", hands, time.Duration(hands)*time.Second/time.Duration(times*most), goesOn)
	offered := float64(sum.opened.Load()) / time.Since(began).Seconds()
	a.over()
	t.Logf("the server makes %d handshakes a second; %.0f were begun, %d of %d were answered", most, offered, sum.talked.Load(), sum.opened.Load())
	require.Less(t, sum.talked.Load(), sum.opened.Load()*2/3, "most are refused")
	require.Positive(t, a.health().Mitigations, "and whoever goes on is banned")
}

// mostHandshakes is how many handshakes a second the server makes for whoever is exempt from its
// limits, at least.
func (a *siege) mostHandshakes(hello []byte, hands int) int {
	const some = 500 * time.Millisecond
	var sum tally
	began := time.Now()
	a.handshakes(&sum, hello, "127.67.0", hands, 0, func() bool { return time.Since(began) < some })
	return max(int(float64(sum.talked.Load())/time.Since(began).Seconds()), 1)
}

// handshakes has each hand begin a handshake and leave, as often as the pace says.
func (a *siege) handshakes(sum *tally, hello []byte, network string, hands int, pace time.Duration, goesOn func() bool) {
	var all sync.WaitGroup
	for hand := range hands {
		all.Go(func() {
			from := fmt.Sprintf("%s.%d", network, hand%fewAddresses+1)
			for next := time.Now(); goesOn(); next = next.Add(pace) {
				if early := time.Until(next); early > 0 {
					time.Sleep(early)
				}
				if err := sum.beginHandshake(a.secured, from, hello); err != nil {
					a.t.Errorf("attacker: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
}

// beginHandshake says hello, waits for the answer, and leaves without a word.
func (sum *tally) beginHandshake(addr, from string, hello []byte) error {
	c, err := sum.connect(addr, from)
	if errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Close()
	c.(*net.TCPConn).SetLinger(0)
	c.Write(hello)
	if n, _ := c.Read(make([]byte, 4096)); n > 0 {
		sum.talked.Add(1)
	}
	return nil
}
