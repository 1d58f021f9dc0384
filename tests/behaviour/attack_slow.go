package behaviour

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// Attacks by slowness: each connection costs its owner next to nothing.

// slowHeads: however a head is delayed, it has its time and no more. Clients of many
// addresses do it at once.
func slowHeads(t testing.TB) {
	const each = 10 // clients of each kind
	kinds := []struct {
		name    string
		opening string
		drops   string // sent again and again
		answer  string // that must be read in the end, or its beginning
	}{
		{"a field that comes a byte at a time", "GET / HTTP/1.1\r\nX-Drip: ", "a", "HTTP/1.1 408 "},
		{"one field after the other", "GET / HTTP/1.1\r\n", "X: y\r\n", "HTTP/1.1 408 "},
		{"a target that comes a byte at a time", "GET /", "a", "HTTP/1.1 408 "},
		{"silence after the first byte", "G", "", "HTTP/1.1 408 "},
		{"silence before the last line feed", "GET / HTTP/1.1\r\nHost: localhost\r\n\r", "", "HTTP/1.1 408 "},
		{"an empty line after the other", "\r\n", "\r\n", "HTTP/1.1 400 "},
		{"silence from the beginning", "", "", ""},
		{"silence after an answer", askSmall, "", "HTTP/1.1 200 "},
	}
	a := besiege(t, each*len(kinds), nil, "-head-timeout", "1", "-idle-timeout", "1")
	a.attack()
	rounds := 0
	for ; rounds == 0 || a.goesOn(); rounds++ {
		var wg sync.WaitGroup
		for k, kind := range kinds {
			for i := range each {
				wg.Go(func() {
					answer, err := a.delay(fmt.Sprintf("127.66.%d.%d", 10+k, i+1), kind.opening, kind.drops)
					if err != nil || !strings.HasPrefix(answer, kind.answer) || kind.answer == "" && answer != "" {
						t.Errorf("%s: %v, %.40q", kind.name, err, answer)
					}
				})
			}
		}
		wg.Wait()
	}
	a.over()
	a.logged(rounds*5*each, "head-timeout")
}

// delay connects, sends the opening, then the drops now and then, and reads until it is cut.
func (a *siege) delay(from, opening, drops string) (answer string, err error) {
	c, err := connect(a.Addr, from)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := io.WriteString(c, opening); err != nil {
		return "", err
	}
	if drops != "" {
		defer close(drip(c, drops))
	}
	return cut(c)
}

// slowBodies: uploads below the minimum rate are cut when their grace is over; one that is
// fast enough, though not by much, comes through beside them.
func slowBodies(t testing.TB) {
	const slow, minRate, size = 20, 1000, 1 << 20
	const slowPiece, quickPiece = 1, 200 // bytes, 20 times a second
	a := besiege(t, slow+1, nil, "-min-rate", fmt.Sprint(minRate))
	a.attack()
	head := fmt.Sprintf("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", size)
	done := make(chan struct{})
	var slowOnes, quickOne sync.WaitGroup
	quickOne.Go(func() {
		if err := a.upload("127.66.0.5", head, size, quickPiece, done); err != nil {
			t.Errorf("one that is fast enough: %v", err)
		}
	})
	for range slow {
		slowOnes.Go(func() {
			answer, err := a.delay("127.66.0.4", head, strings.Repeat("1", slowPiece))
			if err != nil || !strings.HasPrefix(answer, "HTTP/1.1 408 ") {
				t.Errorf("a slow upload: %v, %.40q", err, answer)
			}
		})
	}
	slowOnes.Wait()
	close(done)
	quickOne.Wait()
	a.over()
	a.logged(slow, "body-too-slow")
	uploads, err := os.ReadDir(filepath.Join(a.root, "uploads"))
	require.NoError(t, err)
	require.Len(t, uploads, 1, "what was cut leaves no file")
}

// upload sends a body piece by piece until done, and the rest at once.
func (a *siege) upload(from, head string, size, piece int, done <-chan struct{}) error {
	c, err := connect(a.Addr, from)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, head); err != nil {
		return err
	}
	tick := time.NewTicker(dripEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			_, err := expect(c, 201, strings.Repeat("1", size))
			return err
		case <-tick.C:
		}
		if _, err := io.WriteString(c, strings.Repeat("1", piece)); err != nil {
			return err
		}
		size -= piece
	}
}

// slowReaders: clients with a small window that hardly read are cut when their grace is
// over, and cost no memory meanwhile; one that reads at a steady pace is not.
func slowReaders(t testing.TB) {
	const slow, minRate = 20, 20_000
	a := besiege(t, slow+1, map[string]string{"big.txt": ""}, "-min-rate", fmt.Sprint(minRate))
	require.NoError(t, os.Truncate(filepath.Join(a.root, "big.txt"), 1<<30)) // sparse
	a.attack()
	const askBig = "GET /big.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"
	steady, err := connect(a.Addr, "127.66.0.7", receiveBuffer(64<<10))
	require.NoError(t, err)
	defer steady.Close()
	_, err = io.WriteString(steady, askBig)
	require.NoError(t, err)
	done := make(chan struct{})
	stop := sync.OnceFunc(func() { close(done) })
	var readers sync.WaitGroup
	defer readers.Wait() // before the test ends, also where it fails
	defer stop()
	readers.Go(func() {
		if err := sip(steady, 20_000, done); err != nil {
			t.Errorf("one that reads fast enough: %v", err)
		}
	})
	for range slow {
		c, err := connect(a.Addr, "127.66.0.6", receiveBuffer(4<<10))
		require.NoError(t, err)
		defer c.Close()
		_, err = io.WriteString(c, askBig)
		require.NoError(t, err)
		readers.Go(func() {
			if err := sip(c, 1, done); err != nil {
				t.Errorf("a slow reader: %v", err) // what its window holds it has to the end
			}
			if _, err := cut(c); err != nil {
				t.Errorf("a slow reader: %v", err)
			}
		})
	}
	a.crowd.await(t, a.began+answersEach(t))
	queues := 0 // KiB that may wait in memory
	if harness.Through() {
		a.queuesHold(slow + 1)
		queues = (slow + 1) * queueMemory >> 10
	}
	require.Less(t, a.grown(), 8<<10+queues, "KiB grown for %d slow readers", slow)
	a.logged(slow, "reader-too-slow")
	stop()
	readers.Wait()
	steady.Close()
	a.over()
	a.logged(slow, "reader-too-slow") // the steady one is not among them
}

// queuesHold wants what so many readers have not taken to wait in the proxy's queues, and to be no
// more than they may hold.
func (a *siege) queuesHold(readers int64) {
	a.t.Helper()
	var w waiting
	harness.Eventually(a.t, "something waits for the readers", func() bool {
		w = waitingAt(a.t, a.Server)
		return w.Memory+w.Disk > 0
	})
	a.t.Logf("what waits for %d readers: %+v", readers, w)
	require.LessOrEqual(a.t, w.Memory, readers*queueMemory)
	require.LessOrEqual(a.t, w.Disk, readers*queueDisk)
}

// sip reads so many bytes, 20 times a second, until done.
func sip(c net.Conn, bytes int64, done <-chan struct{}) error {
	tick := time.NewTicker(dripEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-tick.C:
		}
		if _, err := io.CopyN(io.Discard, c, bytes); err != nil {
			return err
		}
	}
}

// tenSlowClients is what a thread for each connection comes to (stage 1): ten clients that send
// nothing hold the ten threads, and good ones wait after them, or are sent away where the queue is
// full. When the slow ones' time is up, those who wait are served.
func tenSlowClients(t testing.TB) {
	const threads, places = 10, 4
	s := harness.Start(t, "-workers", fmt.Sprint(threads), "-queue", fmt.Sprint(places), "-head-timeout", "3",
		"-rate-exempt", "none", "-adaptive", "off", "-log-level", "debug")
	open := func(from, text string) net.Conn {
		c, err := connect(s.Addr, from)
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		_, err = io.WriteString(c, text)
		require.NoError(t, err)
		return c
	}
	const ask = "GET /index.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	var slow, waiting []net.Conn
	for range threads {
		slow = append(slow, open("127.66.0.8", "GET /"))
	}
	began := time.Now()
	for i := range places {
		waiting = append(waiting, open(fmt.Sprintf("127.1.0.%d", i+1), ask))
	}
	harness.Eventually(t, "as many wait as there are places", func() bool {
		return s.Log.Count("Thread pool saturated, queuing connection") == places
	})
	for range places {
		ReadWholeRefusal(t, open("127.1.0.9", ""))
	}
	require.Zero(t, s.Log.Count("Connection dequeued"), "nobody is served meanwhile")
	for _, c := range slow {
		answer, err := cut(c)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(answer, "HTTP/1.1 408 "), "%.40q", answer)
	}
	for _, c := range waiting {
		answer, err := cut(c)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(answer, "HTTP/1.1 200 "), "%.40q", answer)
	}
	t.Logf("good clients waited %v for %d that sent nothing", time.Since(began).Round(time.Millisecond), threads)
	status, _ := s.Get(t, "/index.html")
	require.Equal(t, 200, status)
}
