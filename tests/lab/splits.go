//go:build linux

package main

// What it costs a parser that a head comes in pieces, and whether its verdict depends on where they
// are cut.
//
// The parser is that of the stages, in this process, on a thread that is locked, and times are that
// thread's on its processor. What must not be done: no time of the clock may be compared, and of
// several rounds only the quickest counts.

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/http1"
)

var splits = lab{
	name:    "splits",
	seconds: 2,
	asks: "A head comes byte by byte, and after each byte the parser is asked whether it is whole. " +
		"How many times as long does it take for a head of 8 KB as for one of 4 KB?",
	unit: "times",
	run:  runSplits,
}

var splitConfig = http1.Config{
	Limits:    http1.Limits{RequestLine: 1 << 10, Head: 16 << 10, Fields: 1000, Body: 1 << 16},
	KeepAlive: 30,
}

// sizes are those of the heads, in bytes, each twice the one before.
var sizes = []int{1 << 10, 2 << 10, 4 << 10, 8 << 10}

// parsed is what one head costs.
type parsed struct {
	ns     float64
	allocs uint64
}

func runSplits(r *rig) (res result, err error) {
	rounds := either(r, 5, 40)
	res = result{Unit: "µs", Apart: true, Learnt: "A parser that remembers how far it has looked does work that grows with the head. One that begins again after each\n" +
		"byte does work that grows with its square, and the client who drips pays for none of it. The cuts decide nothing else."}
	res.Chart = &chart{Over: "the head, in KB", Steps: []string{"1", "2", "4", "8"}}
	var dripped map[int]parsed
	var allocs uint64
	for _, way := range []struct {
		name string
		drip bool
	}{{"whole", false}, {"byte by byte", true}} {
		r.say("heads of 1 to 8 KB, %s", way.name)
		cost, err := parsing(way.drip, rounds)
		if err != nil {
			return res, err
		}
		line := curve{Label: way.name}
		for _, size := range sizes {
			line.At = append(line.At, cost[size].ns/1e3)
			res.add(fmt.Sprintf("%d KB, %s", size>>10, way.name), cost[size].ns/1e3)
			allocs += cost[size].allocs
		}
		dripped = cost
		res.Chart.Curves = append(res.Chart.Curves, line)
	}
	last := len(sizes) - 1
	res.Answer = dripped[sizes[last]].ns / dripped[sizes[last-1]].ns
	growth := math.Pow(dripped[sizes[last]].ns/dripped[sizes[0]].ns, 1/float64(last))
	res.claims(allocs == 0, "neither allocates anything")
	res.claims(growth < 2.5, "twice the head takes %.1f times as long, and not four times", growth)
	r.say("each of some requests, cut in two at every place")
	cuts, differ := everySplit()
	res.claims(differ == "", "%d cuts, and the verdict is always that of the whole%s", cuts, differ)
	return res, nil
}

// headOf is a request without a body, of so many bytes.
func headOf(size int) []byte {
	const start, end, field = "GET / HTTP/1.1\r\nHost: localhost\r\n", "\r\n", "X-Some: 0123456789012345678901234567890123456789\r\n"
	text := start
	for len(text)+len(field)+len("X-L: \r\n")+len(end) < size {
		text += field
	}
	return []byte(text + "X-L: " + strings.Repeat("x", size-len(text)-len("X-L: \r\n")-len(end)) + "\r\n" + end)
}

// parsing is what the heads cost at the quickest of some rounds.
func parsing(drip bool, rounds int) (map[int]parsed, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	best := map[int]parsed{}
	for _, size := range sizes {
		allocs, err := allocations(headOf(size), drip)
		if err != nil {
			return nil, err
		}
		best[size] = parsed{math.Inf(1), allocs}
	}
	const repeats = 10
	for range rounds {
		for _, size := range sizes {
			head, c := headOf(size), newSplitConn()
			began := threadTime()
			for range repeats {
				if err := oneHead(c, head, drip); err != nil {
					return nil, err
				}
			}
			best[size] = parsed{min(best[size].ns, float64(threadTime()-began)/repeats), best[size].allocs}
		}
	}
	return best, nil
}

// allocations is how many a head takes. What else runs in this process allocates as well, so the
// least of many looks counts, and a short one is soon alone.
func allocations(head []byte, drip bool) (least uint64, err error) {
	c := newSplitConn()
	if err := oneHead(c, head, drip); err != nil { // the first one warms up
		return 0, err
	}
	least = math.MaxUint64
	for range 1000 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := oneHead(c, head, drip)
		runtime.ReadMemStats(&after)
		if least = min(least, after.Mallocs-before.Mallocs); err != nil || least == 0 {
			return least, err
		}
	}
	return least, nil
}

// threadTime is the processor's time that this thread has had.
func threadTime() time.Duration {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano())
}

func newSplitConn() *http1.Conn {
	var clk clock.Clock
	c := http1.NewConn(&splitConfig, &clk, bufpool.New(chain.ChunkSize, 8))
	c.Open(0)
	return c
}

var errNoRequest = errors.New("the head is not taken for a request")

// oneHead has a request parsed and answered.
func oneHead(c *http1.Conn, head []byte, drip bool) error {
	step := len(head)
	if drip {
		step = 1
	}
	last := c.Next()
	for at := 0; at < len(head); at += step {
		c.Received(copy(c.Recv(), head[at:at+step]))
		last = c.Next()
	}
	if last != http1.HasRequest {
		return errNoRequest
	}
	c.Begin(200, 0).End()
	c.Finish()
	c.Next()
	c.Out().Ack(c.Out().Len())
	return nil
}

// everySplit cuts some requests in two at every place, and says where the verdict is another one.
func everySplit() (cuts int, differ string) {
	for _, in := range []string{
		"GET /a%20b HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
		"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5x\r\nhello\r\n0\r\n\r\n",
	} {
		whole := verdict([]byte(in))
		for at := 1; at < len(in); at++ {
			cuts++
			if got := verdict([]byte(in[:at]), []byte(in[at:])); got != whole {
				return cuts, fmt.Sprintf(": %q, cut after byte %d, is %s and not %s", in, at, got, whole)
			}
		}
	}
	return cuts, ""
}

// verdict is what a connection finds in some pieces.
func verdict(pieces ...[]byte) string {
	c := newSplitConn()
	var log strings.Builder
	var body bytes.Buffer
	for {
		switch c.Next() {
		case http1.HasRequest:
			fmt.Fprintf(&log, "%s %s", c.Request().MethodName, c.Request().Target)
		case http1.HasBody:
			body.Write(c.Body())
		case http1.End:
			return fmt.Sprintf("%s %q", &log, &body)
		case http1.Error:
			return fmt.Sprintf("%s, refused with %d", &log, c.Fault().Status)
		case http1.NeedData:
			if len(pieces) == 0 {
				return log.String() + ", not whole"
			}
			n := copy(c.Recv(), pieces[0])
			c.Received(n)
			if pieces[0] = pieces[0][n:]; len(pieces[0]) == 0 {
				pieces = pieces[1:]
			}
		default:
			return log.String() + ", closed"
		}
	}
}
