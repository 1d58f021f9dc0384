package trace

// The traces that make no system call: the parser and the limiter of the server are asked, as its
// stages ask them. Times are given, so nothing here waits.

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/http1"
	"fourways/shared/limiter"
)

// conn is a connection of the server's parser.
func conn() *http1.Conn {
	limits := http1.Limits{RequestLine: 512, Head: 1024, Fields: 16, Body: 1 << 16, Requests: 100}
	c := http1.NewConn(&http1.Config{Limits: limits}, new(clock.Clock), bufpool.New(chain.ChunkSize, 8))
	c.Open(0)
	return c
}

// feed hands a connection bytes, and gives what it says to them.
func feed(c *http1.Conn, b string) http1.Event {
	c.Received(copy(c.Recv(), b))
	return c.Next()
}

// drawn shows line ends, one sign for each byte.
func drawn(b string) string {
	return strings.NewReplacer("\r", "␍", "\n", "␊", " ", "␠").Replace(b)
}

// split feeds a request in three pieces, cut where it hurts.
func split() (Trace, error) {
	r := &recorder{trace: Trace{Title: "Split points: one request, in the pieces in which it comes"}}
	c, came, says := conn(), "", "nothing yet"
	r.look = func() []Place {
		return []Place{bytesOf("program", "has come", came), wordsOf("program", "the parser says", says)}
	}
	r.step("A connection is open, and nothing has come.", "")
	for _, piece := range []struct{ bytes, says string }{
		{"GET /a HT", "The first read brings this much. It may become a request, and it may not: the parser cannot know, and says so."},
		{"TP/1.1\r", "The second read ends between the two bytes of a line's end. A parser that looks at what it was given now, and not at what it has, would go wrong here."},
		{"\nHost: x\r\n", "The line has its end, and one field is there. Is it the last one? Only the next line can say."},
		{"\r", "Half of an empty line."},
		{"\n", "And its other half: the head is complete. It was searched once, from where the last search had ended."},
	} {
		came += drawn(piece.bytes)
		says = feed(c, piece.bytes).String()
		r.step(piece.says, "Received(%d); Next() = %s", len(piece.bytes), says)
	}
	return r.trace, r.err
}

// twoReaders gives one stream to a reader that believes Content-Length, to one that believes in
// chunks, and to ours.
func twoReaders() (Trace, error) {
	const head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
	const rest = "0\r\n\r\nGGET / HTTP/1.1\r\nHost: h\r\n\r\n"
	r := &recorder{trace: Trace{Title: "Two readers of one stream of bytes"}}
	front, back, ours := Place{Of: "program", Name: "the proxy"}, Place{Of: "program", Name: "its server"}, Place{Of: "program", Name: "this server"}
	left := ""
	r.look = func() []Place {
		return []Place{bytesOf("kernel", "after the head", left), front, back, ours}
	}
	left = drawn(rest)[:strings.Index(drawn(rest), "/")] + "…"
	r.step("A head says two things: the body has 6 bytes, and it comes in chunks. Two programs read it, one after the other. Here is what follows the head.",
		"POST / HTTP/1.1 … Content-Length: 6 … Transfer-Encoding: chunked")
	n, err := strconv.Atoi("6")
	r.must(n, err)
	front.Words = []string{fmt.Sprintf("body %s, then %s", short(rest[:n]), short(rest[n:n+3]))}
	r.step("The proxy goes by the length. It sees one request with a body of 6 bytes, and after it a harmless GET.", "by Content-Length")
	end := strings.Index(rest, "0\r\n\r\n") + len("0\r\n\r\n")
	back.Words = []string{fmt.Sprintf("no body, then %s", short(rest[end:end+4]))}
	r.step("Its server goes by the chunks. The first has size 0, so the body is over after five bytes. The sixth is the beginning of the next request, for this reader: GGET.",
		"by chunks")
	r.step("Neither has made a mistake by its own lights. But they disagree about where a request begins, and an attacker decides what stands there. This is request smuggling.", "")
	c := conn()
	event := feed(c, head+rest)
	ours.Words = []string{fmt.Sprintf("%s: %d, and closes", event, c.Fault().Status)}
	r.step("So a head that can be read in two ways is refused, and the connection is closed: after it, nobody knows where a request would begin.", "Next() = %s", event)
	return r.trace, r.err
}

// gcra asks the limiter at given times: one request a second, three at once.
func gcra() (Trace, error) {
	r := &recorder{trace: Trace{Title: "GCRA: one number for each client (-rate 1, -burst 3)"}}
	region := make([]byte, limiter.Size(64))
	table, err := limiter.New(region, limiter.Config{Key: [2]uint64{1, 2}, IPv6Prefix: 64, Rate: 1, Burst: 3})
	if err != nil {
		return r.trace, err
	}
	addr := netip.MustParseAddr("192.0.2.7")
	const second = int64(time.Second)
	now, due, said := 10*second, int64(0), "nothing"
	r.look = func() []Place {
		early := max(0, due-now) / second
		return []Place{
			wordsOf("program", "now", fmt.Sprintf("%d s", now/second)), wordsOf("program", "due", fmt.Sprintf("%d s", due/second)),
			bytesOf("program", "early by", strings.Repeat("■", int(early))+strings.Repeat("·", 3-int(early))), wordsOf("program", "the limiter says", said),
		}
	}
	r.step("A client is new. Its next request has been due since long ago. It may be early by three seconds, and no more.", "")
	ask := func(says string) {
		v := table.Request(addr, now)
		if said = "allowed"; v.Kind == limiter.Allowed {
			due = max(due, now) + second
		} else {
			said = fmt.Sprintf("limited, again in %d s", v.RetryAfter/second)
		}
		r.step(says, "Request(192.0.2.7, now = %d s) = %s", now/second, said)
	}
	ask("Its first request passes, and the due time moves on by one second, from now.")
	ask("The second comes at once. It is a second early: that is within three.")
	ask("So is the third.")
	ask("The fourth would make it four seconds early. It is refused, and the due time stays where it is: who is refused pays nothing.")
	now += second
	ask("A second later the client is early by two again, and one more passes.")
	now += 20 * second
	ask("Twenty seconds of silence are not saved up. The due time is counted from now, and there are three at once again, not twenty.")
	return r.trace, r.err
}
