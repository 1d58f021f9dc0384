package main

// The clients of a stage: some who come, ask and leave, again and again, and a crowd who stay.
//
// Each client is a goroutine with one connection at a time. All of them end with close, which
// waits for them. What must not be done: no client may try again at once, since a server that
// refuses would then be loaded by its refusals.

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// pace is the time from one page to the next of a busy client.
	pace = 100 * time.Millisecond
	// retry is how long a busy client waits before it tries again, and rest a silent one.
	retry = 250 * time.Millisecond
	rest  = 2 * time.Second
	// arrival is within what time the crowd comes.
	arrival = time.Second
)

// What clients send: who is busy leaves after each page, and who is silent stays.
const (
	passing = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	staying = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
)

// clients are all clients of all stages.
type clients struct {
	ctx  context.Context
	stop context.CancelFunc
	all  sync.WaitGroup
}

func newClients() *clients {
	c := &clients{}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

func (c *clients) close() {
	c.stop()
	c.all.Wait()
}

// pause waits, and reports whether to go on after it.
func (c *clients) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-c.ctx.Done():
		return false
	}
}

// ask is a busy client: it wants a page, again and again, on a connection of its own for each. On
// one that it kept it would keep a thread of stage 1 for itself.
func (c *clients) ask(addr string, w *wait) {
	c.all.Go(func() {
		next := time.Duration(0)
		for c.pause(next) {
			w.begin()
			next = retry
			c.connected(addr, func(conn net.Conn, in *bufio.Reader) {
				if get(conn, in, passing) == nil {
					w.end()
					next = pace
				}
			})
		}
	})
}

// crowd is n silent clients. Each asks for one page and stays connected, as a browser does.
func (c *clients) crowd(addr string, n int) {
	for i := range n {
		c.all.Go(func() {
			for ok := c.pause(arrival * time.Duration(i) / time.Duration(n)); ok; ok = c.pause(rest) {
				c.connected(addr, func(conn net.Conn, in *bufio.Reader) {
					if get(conn, in, staying) == nil {
						io.Copy(io.Discard, in) // until the server has had enough
					}
				})
			}
		})
	}
}

// connected does something on a connection, which is closed after it, or when all clients end.
func (c *clients) connected(addr string, do func(net.Conn, *bufio.Reader)) {
	var d net.Dialer
	conn, err := d.DialContext(c.ctx, "tcp", addr)
	if err != nil {
		return
	}
	defer context.AfterFunc(c.ctx, func() { conn.Close() })()
	defer conn.Close()
	do(conn, bufio.NewReader(conn))
}

// get asks for the page. Anything but the whole page is an error.
func get(conn net.Conn, in *bufio.Reader, request string) error {
	if _, err := io.WriteString(conn, request); err != nil {
		return err
	}
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer is %s", answer.Status)
	}
	return nil
}

// wait is how long one busy client waits for its page: its own goroutine writes it, and the stage's
// watch reads it.
type wait struct {
	mu    sync.Mutex
	since time.Time     // of the page that it has not got yet; zero for none
	last  time.Duration // for the page before
}

// begin is called before each try. A page that was refused is still wanted.
func (w *wait) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.since.IsZero() {
		w.since = time.Now()
	}
}

func (w *wait) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = time.Since(w.since)
	w.since = time.Time{}
}

// look is how long it took to get the last page, or how long it has been waiting, if that is more.
func (w *wait) look() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.since.IsZero() {
		return w.last
	}
	return max(w.last, time.Since(w.since))
}
