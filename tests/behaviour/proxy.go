package behaviour

// Requests that are passed on to servers behind this one, as a process does it.
//
// The servers are net/http's in the test, or listeners that say what the test wants byte by byte.
// Which bytes come of which is tested in memory (shared/proxy); here is what needs sockets and
// processes.

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// backend is a server behind the one that is tested.
type backend struct {
	*http.Server
	addr string // as -proxy wants it
}

// startBackend serves on a free port, or on a Unix socket.
func startBackend(t *testing.T, network string, h http.HandlerFunc) *backend {
	t.Helper()
	at, name := "127.0.0.1:0", "http://"
	if network == "unix" {
		at, name = filepath.Join(t.TempDir(), "s"), "unix:"
	}
	l, err := net.Listen(network, at)
	require.NoError(t, err)
	b := &backend{Server: &http.Server{Handler: h}, addr: name + l.Addr().String()}
	go b.Serve(l)
	t.Cleanup(func() { b.Close() })
	return b
}

// scripted is a listener whose connections a test serves by itself.
func scripted(t *testing.T, serve func(c net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(harness.Patience))
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

var _ = test("PassedOn", passedOn, perDriver("sockets"))

// passedOn: large bodies arrive whole both ways, also at a Unix socket, and what is not below the
// prefix is the site's.
func passedOn(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			b := startBackend(t, network, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Asked", r.Method+" "+r.Host+r.URL.String())
				body, _ := io.ReadAll(r.Body) // an answer that comes earlier would end the upload
				w.Write(body)
			})
			log := filepath.Join(t.TempDir(), "access")
			s := harness.Start(t, "-root", rootWith(t, "index.html", 1), "-proxy", "/app="+b.addr, "-max-body", "33554432", "-access-log", log, "-header", "X-Frame-Options: DENY")
			status, body := s.Get(t, "/index.html")
			require.Equal(t, 200, status)
			require.Len(t, body, 1)
			sent := make([]byte, 8<<20)
			rand.NewChaCha8([32]byte{1}).Read(sent)
			for _, chunked := range []bool{false, true} {
				var from io.Reader = bytes.NewReader(sent)
				if chunked {
					from = io.MultiReader(from) // whose length is not known
				}
				req, err := http.NewRequest("PUT", s.URL("/app/x?y=%20"), from)
				require.NoError(t, err)
				resp, err := http.DefaultClient.Do(req)
				require.NoError(t, err)
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				require.NoError(t, err)
				require.Equal(t, sha256.Sum256(sent), sha256.Sum256(got))
				require.Equal(t, "PUT "+s.Addr+"/app/x?y=%20", resp.Header.Get("X-Asked"))
				require.Equal(t, []string{"DENY"}, resp.Header.Values("X-Frame-Options"))
			}
			harness.Eventually(t, "the log names the upstream", func() bool {
				lines, _ := os.ReadFile(log)
				return strings.Count(string(lines), ` "`+b.addr+`" 0.`) == 2
			})
			_, health := s.Get(t, "/health")
			require.Contains(t, string(health), `"name":"`+b.addr+`","resting":0,"in_flight":0`)
			_, metrics := s.Get(t, "/metrics")
			require.Contains(t, string(metrics), `fourways_upstream_requests_total{upstream="`+b.addr+`"} 2`)
			problems, err := promlint.New(bytes.NewReader(metrics)).Lint()
			require.NoError(t, err)
			require.Empty(t, problems)
		})
	}
}

var _ = test("EachEventIsPassedOnAtOnce", eachEventIsPassedOnAtOnce)

// eachEventIsPassedOnAtOnce: an event is not sent before the client has the one before.
func eachEventIsPassedOnAtOnce(t *testing.T) {
	has := make(chan bool)
	b := startBackend(t, "tcp", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 20 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			select {
			case <-has:
			case <-r.Context().Done():
				return
			}
		}
	})
	for _, secured := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", secured), func(t *testing.T) {
			c, _ := throughUpstream(t, secured, "-proxy", "/="+b.addr)
			fmt.Fprintf(c, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			require.NoError(t, err)
			in := bufio.NewReader(resp.Body)
			for i := range 20 {
				line, err := in.ReadString('\n')
				require.NoError(t, err)
				require.Equal(t, fmt.Sprintf("data: %d\n", i), line)
				_, err = in.ReadString('\n')
				require.NoError(t, err)
				has <- true
			}
			_, err = in.ReadByte()
			require.ErrorIs(t, err, io.EOF)
		})
	}
}

// throughUpstream is a connection to a server with these flags, by TLS or without.
func throughUpstream(t *testing.T, secured bool, args ...string) (net.Conn, *harness.Server) {
	t.Helper()
	if secured {
		s, addr, client := startSecured(t, args...)
		return dialTLS(t, addr, client), s
	}
	s := harness.Start(t, args...)
	c := s.Dial(t)
	require.NoError(t, c.SetDeadline(time.Now().Add(harness.Patience)))
	return c, s
}

var _ = test("ATruncatedAnswerNeverLooksWhole", aTruncatedAnswerNeverLooksWhole)

// aTruncatedAnswerNeverLooksWhole: neither by its length, nor by its last chunk, nor, where the
// connection's end is the answer's, by that.
func aTruncatedAnswerNeverLooksWhole(t *testing.T) {
	for name, answer := range map[string]string{
		"of known length": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
		"in chunks":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		for _, version := range []string{"1.1", "1.0"} {
			for _, secured := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s to HTTP/%s, TLS %v", name, version, secured), func(t *testing.T) {
					has := make(chan bool)
					addr := scripted(t, func(c net.Conn) {
						http.ReadRequest(bufio.NewReader(c))
						io.WriteString(c, answer)
						<-has
					})
					c, _ := throughUpstream(t, secured, "-proxy", "/="+addr)
					fmt.Fprintf(c, "GET /x HTTP/%s\r\nHost: localhost\r\n\r\n", version)
					resp, err := http.ReadResponse(bufio.NewReader(c), nil)
					require.NoError(t, err)
					got := make([]byte, len("hello"))
					_, err = io.ReadFull(resp.Body, got)
					require.NoError(t, err)
					require.Equal(t, "hello", string(got))
					close(has)
					rest, err := io.ReadAll(resp.Body)
					require.Error(t, err, "%q", rest)
					require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
					require.Empty(t, rest)
				})
			}
		}
	}
}

var _ = test("ACutAnswerDestroysNoneBeforeIt", aCutAnswerDestroysNoneBeforeIt)

// aCutAnswerDestroysNoneBeforeIt: of two answers to one client the first is whole, and most of it
// has not left yet when the second is cut: the client has little room.
func aCutAnswerDestroysNoneBeforeIt(t *testing.T) {
	const size = 60 << 10
	addr := scripted(t, func(c net.Conn) {
		for in := bufio.NewReader(c); ; {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if r.URL.Path == "/cut" {
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
				return
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, make([]byte, size))
		}
	})
	for _, secured := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", secured), func(t *testing.T) {
			c, s := throughUpstream(t, secured, "-proxy", "/="+addr)
			socket := c
			if over, is := c.(*tls.Conn); is {
				socket = over.NetConn()
			}
			require.NoError(t, socket.(*net.TCPConn).SetReadBuffer(4<<10))
			io.WriteString(c, "GET /whole HTTP/1.1\r\nHost: localhost\r\n\r\nGET /cut HTTP/1.1\r\nHost: localhost\r\n\r\n")
			harness.Eventually(t, "the second is cut", func() bool {
				_, metrics := s.Get(t, "/metrics")
				return strings.Contains(string(metrics), `fourways_errors_total{reason="upstream-cut-short"} 1`+"\n")
			})
			in := bufio.NewReader(c)
			for _, want := range []struct {
				n   int
				err error
			}{{size, nil}, {len("hello"), io.ErrUnexpectedEOF}} {
				resp, err := http.ReadResponse(in, nil)
				require.NoError(t, err)
				body, err := io.ReadAll(resp.Body)
				require.Equal(t, want.err, err)
				require.Len(t, body, want.n)
			}
		})
	}
}

var _ = test("AClientThatLeavesFreesTheUpstream", aClientThatLeavesFreesTheUpstream)

// aClientThatLeavesFreesTheUpstream: before the answer, in the midst of it, and in its own upload.
// A client that only ends its direction gets its answer.
func aClientThatLeavesFreesTheUpstream(t *testing.T) {
	arrived, over := make(chan net.Conn), make(chan error)
	addr := scripted(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		arrived <- c
		_, err := io.Copy(io.Discard, in)
		over <- err
	})
	s := harness.Start(t, "-proxy", "/="+addr)
	for name, request := range map[string]string{
		"a request": "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"an upload": "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello",
	} {
		for _, answer := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"} {
			t.Run(fmt.Sprintf("%s, %d bytes of the answer", name, len(answer)), func(t *testing.T) {
				c := s.Dial(t).(*net.TCPConn)
				io.WriteString(c, request)
				up := <-arrived
				if answer != "" {
					io.WriteString(up, answer)
					_, err := io.ReadFull(c, make([]byte, len("HTTP/1.1 200")))
					require.NoError(t, err)
				}
				require.NoError(t, c.SetLinger(0))
				require.NoError(t, c.Close())
				select {
				case <-over:
				case <-time.After(harness.Patience):
					require.Fail(t, "the upstream still has its connection")
				}
			})
		}
	}
	t.Run("a half-close is not leaving", func(t *testing.T) {
		c := s.Dial(t).(*net.TCPConn)
		io.WriteString(c, "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
		up := <-arrived
		require.NoError(t, c.CloseWrite())
		select {
		case <-over:
			require.Fail(t, "the upstream has lost its connection")
		case <-time.After(50 * time.Millisecond): // long enough to notice, were it noticed
		}
		io.WriteString(up, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "hello", string(body))
		<-over
	})
}

var _ = test("AnEarlyAnswerDoesNotStopTheUpload", anEarlyAnswerDoesNotStopTheUpload)

// anEarlyAnswerDoesNotStopTheUpload: a client sends all of a large upload before it reads, and the
// upstream answers at length before it has read any. Neither waits for the other, and the client's
// connection goes on.
func anEarlyAnswerDoesNotStopTheUpload(t *testing.T) {
	const size = 16 << 20
	over := make(chan error, 4)
	addr := scripted(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if r.Method == http.MethodGet {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
			return
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
		_, err = io.CopyN(c, rand.NewChaCha8([32]byte{6}), size)
		for err == nil { // what it was sent meanwhile, and the end
			_, err = in.ReadByte()
		}
		over <- err
	})
	for _, secured := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", secured), func(t *testing.T) {
			c, _ := throughUpstream(t, secured, "-proxy", "/="+addr, "-proxy-buffer", "64", "-proxy-spill", "0", "-max-body", fmt.Sprint(size), "-sock-buf", "65536")
			in := bufio.NewReader(c)
			fmt.Fprintf(c, "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", size)
			_, err := c.Write(make([]byte, size))
			require.NoError(t, err, "all of the upload is taken")
			resp, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			want, got := sha256.New(), sha256.New()
			io.CopyN(want, rand.NewChaCha8([32]byte{6}), size)
			_, err = io.Copy(got, resp.Body)
			require.NoError(t, err)
			require.Equal(t, want.Sum(nil), got.Sum(nil))
			require.ErrorIs(t, <-over, io.EOF, "the upstream's connection is dropped")
			fmt.Fprint(c, "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
			resp, err = http.ReadResponse(in, nil)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, "hello", string(body))
		})
	}
}

var _ = test("AClientThatLeavesFreesTheUpstreamPromptly", aClientThatLeavesFreesTheUpstreamPromptly)

// promptly is how soon after its client the upstream's connection is closed.
const promptly = 100 * time.Millisecond

// aClientThatLeavesFreesTheUpstreamPromptly: whatever the client was about, also where it has not
// read what it has got. A machine that has other things to do can only add to the time, so the
// least of a few tries counts.
func aClientThatLeavesFreesTheUpstreamPromptly(t *testing.T) {
	const attempts = 50
	arrived, over := make(chan net.Conn), make(chan time.Time)
	addr := scripted(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		arrived <- c
		io.Copy(io.Discard, in)
		over <- time.Now()
	})
	const get, post = "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n", "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello"
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
	for _, secured := range []bool{false, true} {
		for name, tt := range map[string]struct{ request, answer string }{
			"before the answer":                {get, ""},
			"in the midst of its answer":       {get, ok + "hello"},
			"in an answer that it has not got": {get, ok + strings.Repeat("x", 900_000)},
			"in its upload":                    {post, ""},
			"in its upload, answered early":    {post, ok + "hello"},
		} {
			t.Run(fmt.Sprintf("%s, TLS %v", name, secured), func(t *testing.T) {
				s, at, dial := freely(t, secured, "-proxy", "/="+addr, "-sock-buf", "65536")
				least := harness.Patience
				for range attempts {
					c, tcp := dial()
					require.NoError(t, tcp.SetReadBuffer(64<<10))
					io.WriteString(c, tt.request)
					up := <-arrived
					if tt.answer != "" {
						io.WriteString(up, tt.answer)
						_, err := io.ReadFull(c, make([]byte, len("HTTP/1.1 200")))
						require.NoError(t, err)
					}
					require.NoError(t, tcp.SetLinger(0))
					left := time.Now()
					require.NoError(t, tcp.Close())
					select {
					case then := <-over:
						least = min(least, then.Sub(left))
					case <-time.After(harness.Patience):
						require.Fail(t, "the upstream still has its connection", s.Log.Tail(20))
					}
					if least < promptly {
						break
					}
				}
				require.Less(t, least, promptly, at)
			})
		}
	}
}

// freely is a server, by TLS or without, and who connects to it.
func freely(t *testing.T, secured bool, args ...string) (s *harness.Server, addr string, dial func() (net.Conn, *net.TCPConn)) {
	t.Helper()
	if !secured {
		s = harness.Start(t, args...)
		return s, s.Addr, func() (net.Conn, *net.TCPConn) {
			c := s.Dial(t)
			return c, c.(*net.TCPConn)
		}
	}
	s, addr, client := startSecured(t, args...)
	return s, addr, func() (net.Conn, *net.TCPConn) {
		c := dialTLS(t, addr, client)
		return c, c.NetConn().(*net.TCPConn)
	}
}

var _ = test("AnUpstreamThatClosesAfterEachAnswer", anUpstreamThatClosesAfterEachAnswer, perDriver("sockets"))

// anUpstreamThatClosesAfterEachAnswer: a kept connection is closed at about the moment at which the
// next request comes. No client hears of it.
func anUpstreamThatClosesAfterEachAnswer(t *testing.T) {
	var asked atomic.Int64
	addr := scripted(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		asked.Add(1)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
		time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond) // which is what is tested
	})
	s := harness.Start(t, "-proxy", "/="+addr)
	for range 1000 {
		status, body := s.Get(t, "/x")
		require.Equal(t, 200, status)
		require.Equal(t, "hello", string(body))
	}
	require.GreaterOrEqual(t, asked.Load(), int64(1000))
}

var _ = test("AnUpstreamThatDies", anUpstreamThatDies)

// anUpstreamThatDies: the others do its work, and what cannot be repeated is not.
func anUpstreamThatDies(t *testing.T) {
	var mu sync.Mutex
	done := map[string]int{}
	serve := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		done[r.URL.Path]++
		mu.Unlock()
	}
	one, two := startBackend(t, "tcp", serve), startBackend(t, "tcp", serve)
	s := harness.Start(t, "-proxy", "/="+one.addr+","+two.addr)
	sent := map[string]int{}
	for i := range 200 {
		if i == 100 {
			one.Close()
		}
		path := fmt.Sprintf("/%d", i)
		resp, err := http.Post(s.URL(path), "text/plain", strings.NewReader("x"))
		require.NoError(t, err)
		resp.Body.Close()
		if resp.StatusCode == 200 {
			sent[path]++
		} else {
			require.Equal(t, 502, resp.StatusCode)
		}
	}
	require.Greater(t, len(sent), 190)
	mu.Lock()
	defer mu.Unlock()
	for path, n := range done {
		require.Equal(t, 1, n, path)
	}
	for path := range sent {
		require.Equal(t, 1, done[path], path)
	}
	s.Log.Await(t, regexp.MustCompile(`The upstream `+regexp.QuoteMeta(one.addr)+` has failed 3 times in a row`))
}

var _ = test("AStopFinishesWhatIsPassedOn", aStopFinishesWhatIsPassedOn)

// aStopFinishesWhatIsPassedOn: and idle connections to upstreams do not hold it up.
func aStopFinishesWhatIsPassedOn(t *testing.T) {
	began, goOn := make(chan bool, 2), make(chan bool)
	b := startBackend(t, "tcp", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			w.Write([]byte("one "))
			w.(http.Flusher).Flush()
			began <- true
			<-goOn
			w.Write([]byte("two"))
		}
	})
	s := harness.Start(t, "-proxy", "/="+b.addr, "-drain-timeout", "3600")
	s.Get(t, "/quick")
	body := make(chan string, 1)
	go func() {
		resp, err := http.Get(s.URL("/slow"))
		if err != nil {
			body <- err.Error()
			return
		}
		text, err := io.ReadAll(resp.Body)
		body <- fmt.Sprint(string(text), err)
	}()
	<-began
	s.Signal(t, syscall.SIGTERM)
	s.Log.Await(t, regexp.MustCompile(`Stopping on`))
	close(goOn)
	require.Equal(t, "one two<nil>", <-body)
	require.Zero(t, s.Wait(t))
}

var _ = test("TunnelsArePassedOn", tunnelsArePassedOn)

// tunnelsArePassedOn: what the client sends too early waits for the 101, both directions go at
// once, and each ends on its own.
func tunnelsArePassedOn(t *testing.T) {
	const size = 4 << 20
	early := make(chan string, 2)
	addr := scripted(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		early <- fmt.Sprint(r.Header.Get("Upgrade"), in.Buffered())
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		io.Copy(c, in)
		c.(*net.TCPConn).CloseWrite()
	})
	for _, secured := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", secured), func(t *testing.T) {
			c, _ := throughUpstream(t, secured, "-proxy", "/="+addr)
			sent := make([]byte, size)
			rand.NewChaCha8([32]byte{2}).Read(sent)
			fmt.Fprintf(c, "GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			fail := make(chan error, 1)
			go func() {
				_, err := c.Write(sent)
				fail <- errors.Join(err, c.(interface{ CloseWrite() error }).CloseWrite())
			}()
			in := bufio.NewReader(c)
			resp, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			require.Equal(t, 101, resp.StatusCode)
			require.Equal(t, "echo0", <-early)
			got, err := io.ReadAll(in)
			require.NoError(t, err)
			require.NoError(t, <-fail)
			require.Equal(t, sha256.Sum256(sent), sha256.Sum256(got))
		})
	}
}

var _ = test("UpstreamsAreChecked", upstreamsAreChecked, perProcess("upstream"))

// upstreamsAreChecked: one that says that it is not well gets no requests until it is.
func upstreamsAreChecked(t *testing.T) {
	var ill atomic.Bool
	var checks, got atomic.Int64
	sick := startBackend(t, "tcp", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			checks.Add(1)
			if ill.Load() {
				w.WriteHeader(503)
			}
			return
		}
		got.Add(1)
	})
	well := startBackend(t, "tcp", func(http.ResponseWriter, *http.Request) {})
	ill.Store(true)
	s := harness.Start(t, "-proxy", "/="+sick.addr+","+well.addr, "-proxy-check", "/healthz")
	s.Log.Await(t, regexp.MustCompile(regexp.QuoteMeta(sick.addr)+` does not pass its check: it answers 503`))
	before := got.Load()
	for range 20 {
		status, _ := s.Get(t, "/x")
		require.Equal(t, 200, status)
	}
	require.Equal(t, before, got.Load())
	require.EqualValues(t, 3, checks.Load(), "one process asks, however many there are")
	ill.Store(false)
	s.Log.Await(t, regexp.MustCompile(regexp.QuoteMeta(sick.addr)+` passes its check again`))
	harness.Eventually(t, "it gets requests again", func() bool {
		s.Get(t, "/x")
		return got.Load() > before
	})
}

var _ = test("ASlowClientDoesNotHoldTheUpstream", aSlowClientDoesNotHoldTheUpstream)

// aSlowClientDoesNotHoldTheUpstream: the upstream has said all before the client has read anything,
// and the client gets all of it.
func aSlowClientDoesNotHoldTheUpstream(t *testing.T) {
	const size = 48 << 20
	said := make(chan bool, 1)
	b := startBackend(t, "tcp", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		io.CopyN(w, rand.NewChaCha8([32]byte{4}), size)
		w.(http.Flusher).Flush()
		said <- true
	})
	for _, secured := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", secured), func(t *testing.T) {
			c, _ := throughUpstream(t, secured, "-proxy", "/="+b.addr, "-proxy-spill-dir", t.TempDir(), "-min-rate", "0")
			fmt.Fprintf(c, "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
			select {
			case <-said:
			case <-time.After(harness.Patience):
				require.Fail(t, "the upstream has to wait for the client")
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			require.NoError(t, err)
			want, got := sha256.New(), sha256.New()
			io.CopyN(want, rand.NewChaCha8([32]byte{4}), size)
			n, err := io.Copy(got, resp.Body)
			require.NoError(t, err)
			require.EqualValues(t, size, n)
			require.Equal(t, want.Sum(nil), got.Sum(nil))
		})
	}
}

var _ = test("WhatWasSentBeforeAHangUpIsPassedOn", whatWasSentBeforeAHangUpIsPassedOn)

// whatWasSentBeforeAHangUpIsPassedOn: an end of a tunnel that says all and closes may go on before
// the slower end has taken any of it.
func whatWasSentBeforeAHangUpIsPassedOn(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere a peer that has only ended its direction looks the same")
	}
	const size = 4 << 20 // more than fits into the sockets' buffers
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			said := make(chan struct{})
			begin := func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter) {
				c, in, err := w.(http.Hijacker).Hijack()
				if err != nil {
					return nil, nil
				}
				c.SetDeadline(time.Now().Add(harness.Patience))
				io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\n")
				return c, in
			}
			got := make(chan int64, 1)
			b := startBackend(t, network, func(w http.ResponseWriter, r *http.Request) {
				c, in := begin(w)
				defer c.Close()
				if r.URL.Path == "/says" {
					io.CopyN(c, zeros{}, size)
					return
				}
				c.(interface{ CloseWrite() error }).CloseWrite()
				<-said
				n, _ := io.Copy(io.Discard, in)
				got <- n
			})
			s := harness.Start(t, "-root", rootWith(t, "index.html", 1), "-proxy", "/="+b.addr, "-proxy-spill", "0")
			dial := func(path string) (net.Conn, *bufio.Reader) {
				c := s.Dial(t)
				fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\n", path)
				in := bufio.NewReader(c)
				resp, err := http.ReadResponse(in, nil)
				require.NoError(t, err)
				require.Equal(t, 101, resp.StatusCode)
				return c, in
			}
			c, in := dial("/says")
			n, err := io.Copy(io.Discard, &slowly{in})
			require.NoError(t, err)
			require.EqualValues(t, size, n)
			c.Close()

			c, in = dial("/hears")
			_, err = in.ReadByte()
			require.Equal(t, io.EOF, err)
			sent := make(chan error, 1)
			go func() {
				_, err := io.CopyN(c, zeros{}, size)
				c.Close()
				sent <- err
			}()
			close(said)
			require.NoError(t, <-sent)
			require.EqualValues(t, size, <-got)
		})
	}
}

// slowly reads little at a time, and lets others go first.
type slowly struct{ io.Reader }

func (s *slowly) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return s.Reader.Read(p[:min(len(p), 16<<10)])
}
