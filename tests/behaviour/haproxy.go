package behaviour

// HAProxy in front of the stages: what a real balancer makes of the probes.
//
// The test is skipped where HAProxy is not installed. It is started on free ports, and belongs to
// the test that starts it. Its checks are awaited by what it reports, never by a time.

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/haproxy"
	"fourways/tests/harness"
)

// HAProxy is one that balances between servers, and asks each how it is.
type HAProxy struct {
	front, admin string // Unix sockets: for clients, and for questions about its state
}

// checksEvery is how often it asks, in milliseconds; twice in a row count.
const checksEvery = 100

// StartHAProxy starts one before some servers. check is the lines that say how it asks. The
// test is skipped where there is none.
func StartHAProxy(t *testing.T, check string, servers ...*harness.Server) *HAProxy {
	t.Helper()
	dir := shortFolder(t)
	h := &HAProxy{front: filepath.Join(dir, "front"), admin: filepath.Join(dir, "admin")}
	text := fmt.Sprintf(`global
    stats socket %s mode 600 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout check 1s
    retries 0
frontend front
    bind unix@%s
    default_backend servers
backend servers
    balance roundrobin
%s
    default-server check inter %d fall 2 rise 1
`, h.admin, h.front, check, checksEvery)
	for i, s := range servers {
		text += fmt.Sprintf("    server s%d %s\n", i+1, s.Addr)
	}
	runHAProxy(t, dir, text)
	harness.Eventually(t, "haproxy answers", func() bool { return h.state("s1") != "" })
	return h
}

// shortFolder is a folder for Unix sockets: t.TempDir's names may be too long for theirs.
func shortFolder(t *testing.T) string {
	dir, err := os.MkdirTemp("", "haproxy-*")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// runHAProxy runs one by a configuration until the end of the test, which is skipped where there is
// none.
func runHAProxy(t *testing.T, dir, text string) {
	t.Helper()
	program, err := exec.LookPath("haproxy")
	if err != nil {
		t.Skip("no haproxy: install Debian's package of that name")
	}
	file := filepath.Join(dir, "haproxy.cfg")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	cmd := exec.Command(program, "-f", file)
	out := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			t.Logf("haproxy says:\n%s", out)
		}
	})
}

// state is UP, DOWN, or what is on the way from one to the other.
func (h *HAProxy) state(server string) string { return haproxy.Row(h.admin, server)["status"] }

// Await waits until a server has a state, and the last check of it an outcome: L7OK, L7STS
// for a status that says no, L7RSP for a text that does, L7TOUT for no answer.
func (h *HAProxy) Await(t *testing.T, server, state, outcome string) {
	t.Helper()
	harness.Eventually(t, server+" is "+state+" by "+outcome, func() bool {
		row := haproxy.Row(h.admin, server)
		return row["status"] == state && row["check_status"] == outcome
	})
}

// client is one that comes through the HAProxy, by a connection for each request.
func (h *HAProxy) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", h.front)
	}}}
}

var _ = test("HAProxyDrains", haproxyDrains)

// haproxyDrains: one of two servers behind a balancer stops, and of all that clients ask
// meanwhile nothing is lost. The balancer asks as balancers do: without a Host in HTTP/1.0,
// by HEAD under a name that is not ours, or with 404 for a server that is to be left alone.
func haproxyDrains(t *testing.T) {
	for _, tt := range []struct{ name, check, outcome string }{
		{"HTTP/1.0 without a Host", "    option httpchk GET /readyz", "L7STS"},
		{"by its word", "    option httpchk GET /readyz\n    http-check expect string ready", "L7RSP"},
		{"HEAD under another name", "    option httpchk\n    http-check send meth HEAD uri /readyz ver HTTP/1.1 hdr Host backend.internal", "L7STS"},
		{"404 would disable it", "    option httpchk GET /readyz\n    http-check disable-on-404", "L7STS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			one := harness.Start(t, "-drain-delay", "2", "-max-requests", "0")
			two := harness.Start(t, "-max-requests", "0")
			h := StartHAProxy(t, tt.check, one, two)
			for _, s := range []string{"s1", "s2"} {
				h.Await(t, s, "UP", "L7OK")
			}
			var asked atomic.Int64
			var failed sync.Map
			over := make(chan struct{})
			var clients sync.WaitGroup
			for range 2 {
				clients.Go(func() {
					client := h.client()
					for {
						select {
						case <-over:
							return
						default:
						}
						resp, err := client.Get("http://localhost/about.html")
						if err != nil {
							failed.Store(err.Error(), true)
							continue
						}
						if _, err = io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
							failed.Store(fmt.Sprint(resp.Status, err), true)
						}
						resp.Body.Close()
						asked.Add(1)
						time.Sleep(harness.CallPause)
					}
				})
			}
			goesOn := func() {
				n := asked.Load()
				harness.Eventually(t, "clients are served", func() bool { return asked.Load() > n+20 })
			}
			goesOn()
			one.Signal(t, syscall.SIGTERM)
			h.Await(t, "s1", "DOWN", tt.outcome)
			require.False(t, one.Ended(), "the balancer knows before it ends")
			require.Zero(t, one.Wait(t))
			goesOn()
			close(over)
			clients.Wait()
			failed.Range(func(why, _ any) bool {
				t.Errorf("a client was not served: %v", why)
				return true
			})
			require.Equal(t, "UP", h.state("s2"))
		})
	}
}
