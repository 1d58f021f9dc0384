package behaviour

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Attacks by what is asked for: requests that cost the server more than their client. The
// rate of one address is not what stops them here (-rate 0): they must be harmless by
// themselves.

// giantPipelines: 20,000 requests on each of some connections, and nobody who reads the
// answers. What is not read is not made. One of them is read in the end: every answer is
// there, in order.
func giantPipelines(t testing.TB) {
	const requests, kinds, others = 20_000, 7, 7
	const buffers = 256 << 10 // bytes that the kernel takes at either end
	// A page is small enough to be copied after its head, and much larger than its request.
	files := map[string]string{"page.txt": strings.Repeat("x", 8000)}
	for i := range kinds {
		files[fmt.Sprintf("%d.txt", i)] = strings.Repeat(fmt.Sprint(i), i+1)
	}
	a := besiege(t, 1+others, files, "-rate", "0", "-max-requests", "0", "-min-rate", "0", "-sock-buf", fmt.Sprint(buffers))
	a.attack()
	var senders sync.WaitGroup
	pour := func(path func(i int) string) net.Conn {
		c, err := connect(a.Addr, "127.66.0.9", receiveBuffer(buffers))
		require.NoError(t, err)
		var batch bytes.Buffer
		for i := range requests {
			fmt.Fprintf(&batch, "GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n", path(i))
		}
		senders.Go(func() { batch.WriteTo(c) }) // as far as it is taken
		return c
	}
	c := pour(func(i int) string { return fmt.Sprintf("%d.txt", i%kinds) })
	defer c.Close()
	var unread []net.Conn
	for range others {
		unread = append(unread, pour(func(int) string { return "page.txt" }))
	}
	for a.goesOn() {
		a.crowd.await(t, a.crowd.answered()+crowdSize)
		require.Less(t, a.grown(), 8<<10, "KiB grown for %d connections", 1+others)
	}
	a.tell() // what follows takes a processor on our side
	made := a.health().Requests.Total - a.crowd.answered()
	require.Less(t, made, requests/2, "requests answered though nobody reads")
	for _, c := range unread {
		c.Close()
	}
	r := newReader(c)
	for i := range requests {
		resp, body, err := request(c, r, "")
		require.NoError(t, err, "answer %d", i)
		require.Equal(t, 200, resp.StatusCode, "answer %d", i)
		require.Equal(t, files[fmt.Sprintf("%d.txt", i%kinds)], string(body), "answer %d", i)
	}
	c.Close()
	senders.Wait()
	t.Logf("%d of %d requests were answered before anybody read", made, (1+others)*requests)
	a.over()
}

// rangesOfDeath: no list of ranges makes the server send more than the file and the lines
// between its parts, whatever it asks for.
func rangesOfDeath(t testing.TB) {
	const hands = 2
	// A file's own head, or a part's; and one more byte than either.
	const oneHead, maxParts = 1 << 10, 16
	sizes := map[string]int{"one.txt": 1, "cached.txt": 32 << 10, "open.txt": 1 << 20}
	files := map[string]string{}
	for name, size := range sizes {
		files[name] = strings.Repeat("x", size)
	}
	list := func(n int, item string) string {
		return "bytes=" + strings.TrimSuffix(strings.Repeat(item+",", n), ",")
	}
	kinds := []struct{ name, value string }{
		{"the whole file, sixteen times", list(16, "0-")},
		{"the whole file, as often as a head has room for", list(2500, "0-")},
		{"its first byte, sixteen times", list(16, "0-0")},
		{"its first byte, seventeen times", list(17, "0-0")},
		{"all but the last byte, twice", "bytes=0--2,0-32766"},
		{"halves that overlap", list(8, "0-16384,16383-32767")},
		{"its end, in every length", "bytes=-1,-2,-4,-8,-16,-32,-64,-128,-256,-512,-1024,-2048,-4096,-8192,-16384,-32768"},
		{"steps that overlap by one", "bytes=0-1000,1000-2000,2000-3000,3000-4000,4000-5000,5000-"},
		{"numbers beyond 63 bits", list(16, "0-99999999999999999999")},
		{"one range that has to be sought among hundreds that are not there", list(700, "9999999-") + ",0-"},
	}
	a := besiege(t, hands, files, "-rate", "0", "-max-requests", "0")
	for name := range sizes {
		_, err := a.send("127.66.0.10", "GET /"+name+" HTTP/1.1\r\nHost: localhost\r\n\r\n") // it is in the cache, or open
		require.NoError(t, err)
	}
	a.attack()
	rounds := func() {
		for _, kind := range kinds {
			for name, size := range sizes {
				time.Sleep(breath)
				n, err := a.send("127.66.0.10", "GET /"+name+" HTTP/1.1\r\nHost: localhost\r\nRange: "+kind.value+"\r\n\r\n")
				if err != nil {
					t.Errorf("%s, of %s: %v", kind.name, name, err)
				}
				if n > size+(1+maxParts)*oneHead {
					t.Errorf("%s, of %s with %d bytes: %d sent", kind.name, name, size, n)
				}
			}
		}
	}
	var wg sync.WaitGroup
	for range hands {
		wg.Go(func() {
			for a.goesOn() {
				rounds()
			}
		})
	}
	wg.Wait()
	require.Less(t, a.grown(), 16<<10, "KiB grown")
	a.over()
}

// send asks on a connection of its own, and returns how many bytes came back.
func (a *siege) send(from, text string) (n int, err error) {
	c, err := connect(a.Addr, from)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	text = strings.Replace(text, "\r\n", "\r\nConnection: close\r\n", 1)
	if _, err := io.WriteString(c, text); err != nil {
		return 0, err
	}
	answer, err := cut(c)
	if err == nil && !strings.HasPrefix(answer, "HTTP/1.1 2") && !strings.HasPrefix(answer, "HTTP/1.1 416 ") {
		err = fmt.Errorf("%.40q", answer)
	}
	return len(answer), err
}

// gzipOfManyFiles: more pages than the cache has room for, each of which has to be read for
// whoever asks, and should be compressed. The server does as much of that as it can beside
// serving, and sends the others as they are.
func gzipOfManyFiles(t testing.TB) {
	const pages, size, hands, cacheMiB = 200, 60 << 10, 16, 2
	// Between two requests of one attacker: together they ask for more than one processor
	// compresses in the time, but not for more than the server can send.
	const pause = 25 * time.Millisecond
	files := map[string]string{}
	for i := range pages {
		files[fmt.Sprintf("%d.html", i)] = prose(uint64(i), size)
	}
	a := besiege(t, hands, files, "-rate", "0", "-max-requests", "0", "-cache-size", fmt.Sprint(cacheMiB))
	a.attack()
	var compressed, all atomic.Int64
	var wg sync.WaitGroup
	for hand := range hands {
		wg.Go(func() {
			for i := hand; a.goesOn(); i += hands {
				_, coding, err := askForGzip(a.Addr, hand, i%pages, size)
				if err != nil {
					t.Errorf("page %d: %v", i%pages, err)
					return
				}
				time.Sleep(pause)
				all.Add(1)
				if coding == "gzip" {
					compressed.Add(1)
				}
			}
		})
	}
	for a.goesOn() {
		a.crowd.await(t, a.crowd.answered()+crowdSize)
		require.Less(t, a.grown(), (cacheMiB+32)<<10, "KiB grown")
	}
	wg.Wait()
	a.over()
	require.Positive(t, compressed.Load())
	t.Logf("%d of %d pages were sent compressed", compressed.Load(), all.Load())
	for page := range hands { // not before: to look into them takes a processor
		body, coding, err := askForGzip(a.Addr, page, page, size)
		require.NoError(t, err)
		require.Equal(t, "gzip", coding, "now that there is time")
		plain, err := gzip.NewReader(bytes.NewReader(body))
		require.NoError(t, err)
		text, err := io.ReadAll(plain)
		require.NoError(t, err)
		require.Equal(t, files[fmt.Sprintf("%d.html", page)], string(text))
	}
}

// askForGzip asks for a page of that many bytes, from an address that differs for each hand. The
// page may come compressed or as it is.
func askForGzip(addr string, hand, page, size int) (body []byte, coding string, err error) {
	c, err := connect(addr, fmt.Sprintf("127.66.1.%d", hand+1))
	if err != nil {
		return nil, "", err
	}
	defer c.Close()
	resp, body, err := request(c, newReader(c), fmt.Sprintf("GET /%d.html HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n", page))
	if err != nil {
		return nil, "", err
	}
	coding = resp.Header.Get("Content-Encoding")
	if resp.StatusCode != 200 || coding == "" && len(body) != size || coding != "" && coding != "gzip" {
		err = fmt.Errorf("%s, %d bytes, coding %q", resp.Status, len(body), coding)
	}
	return body, coding, err
}

// prose is so many bytes that compress about as well as text does.
func prose(seed uint64, size int) string {
	words := strings.Fields("the server waits and the client asks for a page that nobody has seen before thread loop queue")
	random := rand.New(rand.NewPCG(seed, 1))
	var text strings.Builder
	for text.Len() < size {
		text.WriteString(words[random.IntN(len(words))])
		text.WriteByte(' ')
	}
	return text.String()[:size]
}
