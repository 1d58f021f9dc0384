package deploy

// HAProxy and nginx in front of the server, by the files that are shipped.
//
// What must not be done: how quickly something happens must not matter. What a balancer has noticed
// is asked of it.

import (
	"context"
	"crypto/tls"
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

	"fourways/shared/certs/certstest"
	"fourways/tests/haproxy"
	"fourways/tests/harness"
)

// balancer is an HAProxy.
type balancer struct {
	https string // where clients come
	admin string // its socket for questions
	root  *certstest.Certificate
}

// balancers starts two, which share what they know of clients, before two servers.
func balancers(t *testing.T, one, two *harness.Server, pairs ...string) (both [2]balancer) {
	t.Helper()
	haproxy := needs(t, "haproxy", "haproxy")
	root, dir := certstest.Root(t), short(t)
	leaf := root.Leaf("localhost")
	pem := written(t, dir, "site.pem", string(leaf.CertPEM())+string(leaf.KeyPEM()))
	peers := [2]string{free(t), free(t)}
	for i := range both {
		b := balancer{https: free(t), admin: filepath.Join(dir, fmt.Sprint("admin", i)), root: root}
		conf := written(t, dir, fmt.Sprint(i, ".cfg"), adapted(t, "haproxy/haproxy.cfg", append(pairs,
			"maxconn 50000\n", "maxconn 1000\n    stats socket "+b.admin+" mode 600 level admin\n",
			"bind 10.0.0.1:10000", "bind "+peers[i],
			"server balancer2 10.0.0.2:10000", "server balancer"+fmt.Sprint(2-i)+" "+peers[1-i],
			"    server balancer1\n", "    server balancer"+fmt.Sprint(1+i)+"\n",
			"bind :80\n", "bind unix@"+filepath.Join(dir, fmt.Sprint("http", i))+"\n",
			"bind :443", "bind "+b.https,
			"/etc/haproxy/site.pem", pem,
			"127.0.0.1:8405", "unix@"+filepath.Join(dir, fmt.Sprint("metrics", i)),
			"inter 2s", "inter 100", "timeout check 2s", "timeout check 20s",
			"10.0.0.11:8080", one.Addr, "10.0.0.12:8080", two.Addr)...))
		name := fmt.Sprint("balancer", 1+i)
		says(t, haproxy, "-c", "-L", name, "-f", conf)
		runs(t, exec.Command(haproxy, "-L", name, "-f", conf))
		both[i] = b
	}
	for _, b := range both {
		b.await(t, "web1", "UP")
		b.await(t, "web2", "UP")
	}
	return both
}

// await waits until it says of a server that it is in a state, and has been asked.
func (b balancer) await(t *testing.T, server, state string) {
	t.Helper()
	harness.Eventually(t, server+" is "+state, func() bool {
		row := haproxy.Row(b.admin, server)
		return row["status"] == state && strings.HasPrefix(row["check_status"], "L7")
	})
}

// client is one that keeps its connections.
func (b balancer) client() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: b.root.Pool(), ServerName: "localhost"}}}
}

// ask is the status of an answer that has come whole.
func ask(c *http.Client, method, url string) (int, error) {
	req, err := http.NewRequest(method, url, strings.NewReader("{}"))
	if method == http.MethodGet {
		req.Body, req.ContentLength = nil, 0
	}
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// behind is a server that is told by PROXY headers who comes.
func behind(t *testing.T, uploads string, args ...string) *harness.Server {
	return harness.Start(t, append([]string{"-listen", "127.0.0.1:0", "-proxy-protocol", "127.0.0.1:0", "-trusted-proxy", "127.0.0.0/8",
		"-uploads", uploads, "-workers", "1", "-host", "*", "-max-requests", "0"}, args...)...)
}

// TestHAProxyServesALameDuckOut: one of two servers stops while clients ask and upload. The
// balancer notices, and nothing is lost or done twice.
func TestHAProxyServesALameDuckOut(t *testing.T) {
	t.Parallel()
	uploads := t.TempDir()
	one, two := behind(t, uploads, "-drain-delay", "5"), behind(t, uploads)
	b := balancers(t, one, two, "gt 2000", "gt 1000000")[0]
	var asked, uploaded atomic.Int64
	var failed sync.Map
	over, clients := make(chan struct{}), sync.WaitGroup{}
	for i := range 4 {
		clients.Go(func() {
			client := b.client()
			defer client.CloseIdleConnections()
			for n := 0; ; n++ {
				select {
				case <-over:
					return
				default:
				}
				method, path, want := http.MethodGet, "/about.html", 200
				if n%8 == i {
					method, path, want = http.MethodPost, "/upload", 201
				}
				if status, err := ask(client, method, "https://"+b.https+path); err != nil || status != want {
					failed.Store(fmt.Sprint(method, status, err), true)
				} else if want == 201 {
					uploaded.Add(1)
				}
				asked.Add(1)
				time.Sleep(harness.CallPause)
			}
		})
	}
	goesOn := func() {
		n := asked.Load()
		harness.Eventually(t, "clients are served", func() bool { return asked.Load() > n+40 })
	}
	goesOn()
	one.Signal(t, syscall.SIGTERM)
	b.await(t, "web1", "DOWN")
	require.False(t, one.Ended(), "the balancer knows before it ends")
	require.Zero(t, one.Wait(t))
	goesOn()
	close(over)
	clients.Wait()
	failed.Range(func(why, _ any) bool {
		t.Errorf("a client was not served: %v", why)
		return true
	})
	files, err := filepath.Glob(filepath.Join(uploads, "*.json"))
	require.NoError(t, err)
	require.EqualValues(t, uploaded.Load(), len(files), "each upload was made once")
}

// TestHAProxysLimitHoldsOnAllMachines: what a client has asked for at one balancer counts at the
// other.
func TestHAProxysLimitHoldsOnAllMachines(t *testing.T) {
	t.Parallel()
	uploads := t.TempDir()
	both := balancers(t, behind(t, uploads), behind(t, uploads), "gt 2000", "gt 20", "http_req_rate(10s)", "http_req_rate(10m)", "expire 2m", "expire 10m")
	get := func(b balancer) int {
		client := b.client()
		defer client.CloseIdleConnections()
		status, err := ask(client, http.MethodGet, "https://"+b.https+"/about.html")
		require.NoError(t, err)
		return status
	}
	for range 20 {
		require.Equal(t, 200, get(both[0]))
	}
	require.Equal(t, 429, get(both[0]))
	harness.Eventually(t, "the other knows of it", func() bool { return get(both[1]) == 429 })
}

// TestNginxInFront: the configuration is taken, and the server behind knows whom nginx speaks for.
func TestNginxInFront(t *testing.T) {
	t.Parallel()
	nginx, dir := needs(t, "nginx", "nginx-light"), short(t)
	sock, front := filepath.Join(dir, "http.sock"), filepath.Join(dir, "front")
	access := filepath.Join(dir, "access.log")
	harness.StartCommand(t, exec.Command(harness.Binary(), "-listen", "unix:"+sock+",mode=0666", "-trusted-proxy", "unix", "-host", "example.org",
		"-access-log", access, "-workers", "1"))
	site := written(t, dir, "fourways.conf", adapted(t, "nginx/fourways.conf", "/run/fourways/http.sock", sock,
		"listen 80;", "listen unix:"+front+";", "listen [::]:80;", "set_real_ip_from unix:; real_ip_header X-Test;"))
	conf := written(t, dir, "nginx.conf", fmt.Sprintf(`daemon off;
pid %[1]s/pid;
error_log %[1]s/error;
events {}
http {
    access_log off;
    client_body_temp_path %[1]s/body;
    proxy_temp_path %[1]s/proxy;
    fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi;
    scgi_temp_path %[1]s/scgi;
    include %[2]s;
}
`, dir, site))
	says(t, nginx, "-t", "-c", conf)
	runs(t, exec.Command(nginx, "-c", conf))
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", front)
	}}}
	defer client.CloseIdleConnections()
	harness.Eventually(t, "nginx passes on", func() bool {
		req, err := http.NewRequest(http.MethodGet, "http://example.org/about.html", nil)
		require.NoError(t, err)
		req.Header.Set("X-Test", "192.0.2.7")
		req.Header.Set("X-Forwarded-For", "192.0.2.66") // a lie
		resp, err := client.Do(req)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == 200
	})
	harness.Eventually(t, "the client is in the access log", func() bool {
		text, _ := os.ReadFile(access)
		return strings.HasPrefix(string(text), "192.0.2.7 - - ")
	})
}
