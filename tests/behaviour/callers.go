package behaviour

// Clients that call a server behind a proxy again and again, and a server that remembers what it
// has done, beyond its own end: together they know of each call whether it was answered, and how
// often it was done.
//
// A call is lost where no answer of 200 comes. Whoever kills something notes when, and then a lost
// call must have been under way at that time. The Callers own their connections. The server is this
// binary, started once more; what it has done is in a file, since it is killed.

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// backendVariable has a test's binary serve at this address, and note in the file that
// executedVariable names what it has done.
const (
	backendVariable  = "FOURWAYS_TEST_BACKEND"
	executedVariable = "FOURWAYS_TEST_EXECUTED"
)

// playsBackend serves as the server behind a proxy, if the environment says so.
func playsBackend() bool {
	addr := os.Getenv(backendVariable)
	if addr == "" {
		return false
	}
	file, err := os.OpenFile(os.Getenv(executedVariable), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return true
	}
	err = http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the request did not come whole
		}
		if r.Method == http.MethodPost {
			fmt.Fprintf(file, "%s\n", body) // one write(2), which a kill does not undo
		}
		io.WriteString(w, "done")
	}))
	fmt.Fprintln(os.Stderr, err)
	return true
}

// Backend is a server behind a proxy, as a process.
type Backend struct {
	URL      string
	addr     string
	executed string
	cmd      *exec.Cmd
}

// StartBackend starts one. Several may note what they have done in the same file.
func StartBackend(t *testing.T, executed string) *Backend {
	t.Helper()
	addr := freeAddress(t)
	b := &Backend{URL: "http://" + addr, addr: addr, executed: executed}
	b.Restart(t)
	t.Cleanup(b.end)
	return b
}

// Executed is a file for what servers have done.
func Executed(t *testing.T) string { return filepath.Join(t.TempDir(), "executed") }

// Restart starts it again, and waits until it serves.
func (b *Backend) Restart(t *testing.T) {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	b.cmd = exec.Command(program)
	b.cmd.Env = append(os.Environ(), backendVariable+"="+b.addr, executedVariable+"="+b.executed)
	b.cmd.Stderr = os.Stderr
	require.NoError(t, b.cmd.Start())
	harness.Eventually(t, "the server behind serves", func() bool {
		c, err := net.Dial("tcp", b.addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// Kill kills it, and returns when nothing of it is left, and who was connected can know: on a busy
// machine the packets that say so may take milliseconds.
func (b *Backend) Kill(t *testing.T) {
	t.Helper()
	b.end()
	harness.Eventually(t, "nobody is connected to what was killed", func() bool {
		table, err := os.ReadFile("/proc/net/tcp") // proc_net(5); another system has no such file
		return err != nil || !b.established().Match(table)
	})
}

// established finds the connections to it that have not ended: of the port that they lead to, and
// of their state, 1.
func (b *Backend) established() *regexp.Regexp {
	_, port, _ := net.SplitHostPort(b.addr)
	n, _ := strconv.Atoi(port)
	return regexp.MustCompile(fmt.Sprintf(":%04X 01 ", n))
}

func (b *Backend) end() {
	b.cmd.Process.Kill()
	b.cmd.Wait()
}

// call is one request of a Caller.
type call struct {
	id           string // of a POST
	began, ended time.Time
	err          error // why it is lost; nil for one that was answered
}

// outage is a time at which calls may be lost.
type outage struct{ from, to time.Time }

// Callers are clients that call.
type Callers struct {
	addr string
	keep bool

	mu      sync.Mutex
	ending  bool
	done    int             // calls that were answered
	posted  map[string]bool // by id: whether it was answered
	lost    []call
	outages []outage
	clients sync.WaitGroup
}

// NewCallers has so many clients call: each first gets, then posts, and so on, on connections that
// they keep or on a new one each time.
func NewCallers(t *testing.T, s *harness.Server, clients int, keep bool) *Callers {
	c := &Callers{addr: s.Addr, keep: keep, posted: map[string]bool{}}
	for i := range clients {
		c.clients.Go(func() { c.client(i) })
	}
	t.Cleanup(c.End)
	return c
}

// End has the clients stop, each after its answer.
func (c *Callers) End() {
	c.mu.Lock()
	c.ending = true
	c.mu.Unlock()
	c.clients.Wait()
}

func (c *Callers) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending
}

func (c *Callers) client(number int) {
	var conn net.Conn
	var in *bufio.Reader
	for n := 0; !c.over(); n++ {
		this := call{began: time.Now()}
		if n%2 == 1 {
			this.id = fmt.Sprintf("%d.%d", number, n)
		}
		if conn == nil {
			if conn, this.err = net.DialTimeout("tcp", c.addr, harness.Patience); this.err == nil {
				conn.SetDeadline(time.Now().Add(5 * harness.Patience))
				in = bufio.NewReader(conn)
			}
		}
		last := true
		if this.err == nil {
			last, this.err = c.call(conn, in, this.id)
		}
		this.ended = time.Now()
		if conn != nil && (last || this.err != nil) {
			conn.Close()
			conn = nil
		}
		c.note(this)
		time.Sleep(harness.CallPause)
	}
	if conn != nil {
		conn.Close()
	}
}

// call sends one request and reads its answer. last says that the connection ends with it.
func (c *Callers) call(conn net.Conn, in *bufio.Reader, id string) (last bool, err error) {
	wish := "close"
	if c.keep {
		wish = "keep-alive"
	}
	if id == "" {
		_, err = fmt.Fprintf(conn, "GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: %s\r\n\r\n", wish)
	} else {
		_, err = fmt.Fprintf(conn, "POST /x HTTP/1.1\r\nHost: localhost\r\nConnection: %s\r\nContent-Length: %d\r\n\r\n%s", wish, len(id), id)
	}
	if err != nil {
		return true, err
	}
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return true, err
	}
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return true, err
	case resp.StatusCode != 200:
		return resp.Close, errors.New(resp.Status)
	case string(body) != "done":
		return true, fmt.Errorf("the answer is %q", body)
	}
	return resp.Close, nil
}

func (c *Callers) note(this call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if this.id != "" {
		c.posted[this.id] = this.err == nil
	}
	if this.err == nil {
		c.done++
	} else {
		c.lost = append(c.lost, this)
	}
}

// GoOn waits until so many more calls are answered.
func (c *Callers) GoOn(t *testing.T, more int) {
	t.Helper()
	answered := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.done
	}
	before := answered()
	harness.Eventually(t, "the callers are answered", func() bool { return answered() >= before+more })
}

// During does something that may lose the calls that are under way.
func (c *Callers) During(breaks func()) {
	from := time.Now()
	breaks()
	c.mu.Lock()
	c.outages = append(c.outages, outage{from, time.Now()})
	c.mu.Unlock()
}

// Judge ends the calls, and compares them with what the servers have done: each POST that was
// answered was done once, none was done twice, and lost is only what was under way when something
// was broken.
func (c *Callers) Judge(t *testing.T, executed string) {
	t.Helper()
	c.End()
	text, err := os.ReadFile(executed)
	require.NoError(t, err)
	times := map[string]int{}
	for id := range strings.Lines(string(text)) {
		times[strings.TrimSuffix(id, "\n")]++
	}
	answered := 0
	for id, ok := range c.posted {
		if ok {
			answered++
			require.Equal(t, 1, times[id], "POST %s was answered, and done so often", id)
		}
		require.LessOrEqual(t, times[id], 1, "POST %s was done so often", id)
		delete(times, id)
	}
	require.Empty(t, times, "what nobody has sent")
	require.Positive(t, answered)
	for _, l := range c.lost {
		require.True(t, c.under(l), "a call of %v was lost, though nothing was broken from %v to %v: %v", l.id, l.began, l.ended, l.err)
	}
	t.Logf("%d calls answered, %d lost in %d outages", c.done, len(c.lost), len(c.outages))
}

// under reports whether a call was under way in an outage.
func (c *Callers) under(l call) bool {
	for _, o := range c.outages {
		if !l.ended.Before(o.from) && !l.began.After(o.to) {
			return true
		}
	}
	return false
}

// Halves are requests to a server behind a proxy, of each of which half is under way: of its body,
// of its answer, or of the time that it takes.
type Halves struct {
	URL   string // of that server, which serves what is below /slow
	began chan bool
	goOn  chan bool
	list  []halfWay
}

// halfWay is one of them.
type halfWay struct {
	net.Conn
	rest, want string
}

// NewHalves starts the server behind.
func NewHalves(t *testing.T) *Halves {
	h := &Halves{began: make(chan bool, 8), goOn: make(chan bool)}
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow/half" {
			io.WriteString(w, "half ")
			w.(http.Flusher).Flush()
		}
		h.began <- true
		body, err := io.ReadAll(r.Body)
		<-h.goOn
		fmt.Fprint(w, string(body), " whole ", err)
	}))
	t.Cleanup(up.Close)
	h.URL = up.URL
	return h
}

// Begin begins one of each kind, and waits until the server behind has them.
func (h *Halves) Begin(t *testing.T, s *harness.Server) {
	t.Helper()
	for _, kind := range []struct{ head, rest, want string }{
		{"GET /slow/half HTTP/1.1\r\nHost: localhost\r\n\r\n", "", "half  whole <nil>"},
		{"GET /slow/none HTTP/1.1\r\nHost: localhost\r\n\r\n", "", " whole <nil>"},
		{"POST /slow/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\nfour", "more", "fourmore whole <nil>"},
		{"POST /slow/chunks HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n", "4\r\nmore\r\n0\r\n\r\n", "fourmore whole <nil>"},
	} {
		this := halfWay{s.Dial(t), kind.rest, kind.want}
		require.NoError(t, this.SetDeadline(time.Now().Add(5*harness.Patience))) // it outlasts what it is a test of
		_, err := io.WriteString(this, kind.head)
		require.NoError(t, err)
		<-h.began
		h.list = append(h.list, this)
	}
}

// Finish sends the rest of each, and wants each answered.
func (h *Halves) Finish(t *testing.T) {
	t.Helper()
	close(h.goOn)
	for _, this := range h.list {
		_, err := io.WriteString(this, this.rest)
		require.NoError(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(this), nil)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, this.want, string(body))
		this.Close()
	}
}
