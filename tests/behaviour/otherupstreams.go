package behaviour

// Other servers behind the proxy, by the file of settings and HUP.
//
// Each upstream counts who is connected to it and who asks. What must not be done: an answer under
// way must not be waited for before the reload that is not to harm it.

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// named is an upstream that answers with its name. It answers /slow once it is told to.
type named struct {
	name, url   string
	open, asked atomic.Int64 // connections, and requests for /slow
	checks      atomic.Int64
	release     chan struct{}
}

func startNamed(t *testing.T, name string) *named {
	t.Helper()
	n := &named{name: name, release: make(chan struct{})}
	n.url = scripted(t, n.serve)
	return n
}

func (n *named) serve(c net.Conn) {
	n.open.Add(1)
	defer n.open.Add(-1)
	for in := bufio.NewReader(c); ; {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		switch r.URL.Path {
		case "/slow":
			n.asked.Add(1)
			<-n.release
		case "/check":
			n.checks.Add(1)
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(n.name), n.name)
	}
}

var _ = test("OtherUpstreamsOnHUP", otherUpstreamsOnHUP)

// otherUpstreamsOnHUP: there are none, then one, then another one, and none again. New requests go
// by the new ones, one under way ends where it began, connections to those that are left are
// closed, and whoever is not among them is not checked. A mistake changes nothing.
func otherUpstreamsOnHUP(t *testing.T) {
	one, two := startNamed(t, "one"), startNamed(t, "two")
	s := startReloadable(t, "workers 2\n")
	by := func(text string, path string) {
		t.Helper()
		harness.Eventually(t, path+" is answered with "+text, func() bool { // an old worker may take one more
			_, _, got := s.answered(t, "GET", path, "", "")
			return strings.Contains(got, text)
		})
	}
	counts := func(name string) bool {
		_, _, text := s.answered(t, "GET", "/stats", "", "")
		return strings.Contains(text, name)
	}
	by("<html", "/")

	s.reload(t, "workers 2\nproxy /="+one.url+"\nproxy-check /check\n")
	by("one", "/x")
	harness.Eventually(t, "one is checked", func() bool { return one.checks.Load() > 0 })
	harness.Eventually(t, "one is told of", func() bool { return counts(one.url) })
	var slow net.Conn
	var in *bufio.Reader
	harness.Eventually(t, "a connection is that of a worker that passes on", func() bool {
		slow = s.Dial(t)
		t.Cleanup(func() { slow.Close() })
		in = bufio.NewReader(slow)
		fmt.Fprint(slow, "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(body) == "one"
	})
	fmt.Fprint(slow, "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
	harness.Eventually(t, "the slow request has come", func() bool { return one.asked.Load() == 1 })

	s.reload(t, "workers 2\nproxy /="+two.url+"\nproxy nonsense\n")
	s.Log.Await(t, regexp.MustCompile(`Not reloaded, all stays as it was: .*proxy`))
	by("one", "/x")

	s.reload(t, "workers 2\nproxy /="+two.url+"\nproxy-check /check\n")
	by("two", "/x")
	harness.Eventually(t, "only two is told of", func() bool { return counts(two.url) && !counts(one.url) })
	close(one.release)
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	slow.Close()
	harness.Eventually(t, "nobody is connected to one any more", func() bool { return one.open.Load() == 0 })

	s.reload(t, "workers 2\nproxy /app="+two.url+"\nproxy-strip\n")
	by("two", "/app/x")
	by("<html", "/")

	s.reload(t, "workers 2\n")
	by("<html", "/")
	harness.Eventually(t, "nor to two", func() bool { return two.open.Load() == 0 })
}
