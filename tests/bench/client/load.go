//go:build linux

package client

// The load of plain requests: what is asked, and what came of it. fire.go has the loop.
//
// A closed loop asks again when it was answered, so while the server stands still it asks nothing,
// and of all that would have come meanwhile one request on each connection is seen to wait. An open
// one asks at a constant rate, whatever the server does, and counts from the moment at which the
// request was meant to leave. The difference is called coordinated omission.

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// Load is what is asked.
type Load struct {
	Addr   netip.AddrPort `json:"addr"`
	Paths  []string       `json:"paths"` // asked for in turn
	Conns  int            `json:"conns"`
	Deep   int            `json:"deep"`   // requests sent at once; 0 is one
	Closes bool           `json:"closes"` // each request has a connection of its own
	Body   int            `json:"body"`   // bytes of JSON that each request uploads; 0 is a GET
	Rate   float64        `json:"rate"`   // requests a second; 0 is a closed loop
	For    time.Duration  `json:"for_ns"`

	// Crowd says that there are more clients than can be served: to be refused, by 503 or by a
	// connection that ends without an answer, is no error then.
	Crowd bool `json:"crowd"`
}

// Fired is what came of it.
type Fired struct {
	Answers int           `json:"answers"` // of 2xx, whole
	Late    int           `json:"late"`    // the same, to requests that left before the end, after it
	Refused int           `json:"refused"` // of a crowd
	Errors  int           `json:"errors"`  // other answers, and connections that ended early
	Bytes   int64         `json:"bytes"`   // of bodies that arrived
	Elapsed time.Duration `json:"elapsed_ns"`

	LateBytes int64 `json:"late_bytes"` // that arrived after the end

	// Waited is from the moment at which a request was meant to leave to the last byte of its
	// answer; Served from the moment at which it left. In a closed loop they are the same.
	Waited Latency `json:"waited"`
	Served Latency `json:"served"`

	Unsent int           `json:"unsent"` // of an open loop: meant to leave before the end, and still here
	CPU    time.Duration `json:"cpu_ns"` // the generator's own
}

// Latency is quantiles of times.
type Latency struct {
	P50  time.Duration `json:"p50_ns"`
	P90  time.Duration `json:"p90_ns"`
	P99  time.Duration `json:"p99_ns"`
	P999 time.Duration `json:"p999_ns"`
	Max  time.Duration `json:"max_ns"`
}

// Bounds of what a histogram knows, in nanoseconds, and how many digits of it.
const (
	leastLatency = int64(time.Microsecond)
	mostLatency  = int64(5 * time.Minute)
	digits       = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(leastLatency, mostLatency, digits)
}

// note counts a time.
func note(h *hdrhistogram.Histogram, ns int64) { h.RecordValue(min(ns, mostLatency)) }

func quantiles(h *hdrhistogram.Histogram) Latency {
	at := func(q float64) time.Duration { return time.Duration(h.ValueAtQuantile(q)) }
	return Latency{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: time.Duration(h.Max())}
}

// requests are the bytes of each path's request, as many at once as the load wants.
func (l *Load) requests() (all [][]byte) {
	for _, path := range l.Paths {
		var one []byte
		method, end := "GET", "\r\n"
		if l.Body > 0 {
			method = "POST"
			end = fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", l.Body, jsonOf(l.Body))
		}
		if l.Closes {
			end = "Connection: close\r\n" + end
		}
		for range max(l.Deep, 1) {
			one = fmt.Appendf(one, "%s %s HTTP/1.1\r\nHost: %s\r\n%s", method, path, l.Addr, end)
		}
		all = append(all, one)
	}
	return all
}

// jsonOf is JSON of n bytes.
func jsonOf(n int) []byte {
	text := make([]byte, max(n, 2))
	for i := range text {
		text[i] = 'a'
	}
	text[0], text[len(text)-1] = '"', '"'
	return text
}

// Run opens the connections, writes that it is ready, and makes the load once in ends.
func (l *Load) Run(says io.Writer, in io.Reader) (Fired, error) {
	if len(l.Paths) == 0 || l.Conns < 1 || l.For <= 0 {
		return Fired{}, errors.New("a load has paths, connections and a duration")
	}
	f, err := newFire(l)
	if err != nil {
		return Fired{}, err
	}
	defer f.close()
	fmt.Fprintln(says, Ready)
	io.Copy(io.Discard, in)
	err = f.run()
	return f.sum, err
}

// ownCPU is what this process has used (getrusage(2)).
func ownCPU() time.Duration {
	var used unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
