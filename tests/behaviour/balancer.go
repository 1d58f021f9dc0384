package behaviour

// What a balancer in front of the server needs: to hear of its end before it comes, and to
// ask how it is.

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// ask sends a request on a connection that may stay open, and reads the whole answer.
func ask(c net.Conn, path string) (*http.Response, error) {
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	return resp, err
}

var _ = test("DrainDelay", drainDelay)

// drainDelay: from the signal on each answer is its connection's last, and who still comes
// is served like anybody else until the delay is over.
func drainDelay(t *testing.T) {
	t.Run("while it lasts", func(t *testing.T) {
		s := harness.Start(t, "-drain-delay", "600", "-idle-timeout", "600")
		kept := s.Dial(t)
		resp, err := ask(kept, "/about.html")
		require.NoError(t, err)
		require.False(t, resp.Close)

		s.Signal(t, syscall.SIGTERM)
		s.Log.Await(t, regexp.MustCompile(`Stopping on terminated: serving on for 10m0s, then draining for up to 10s`))
		status, body := s.Get(t, "/health")
		require.Equal(t, 503, status)
		require.Contains(t, string(body), `"status":"draining"`)
		for _, c := range []net.Conn{kept, s.Dial(t), s.Dial(t)} {
			resp, err := ask(c, "/about.html")
			require.NoError(t, err)
			require.Equal(t, 200, resp.StatusCode)
			require.True(t, resp.Close, "it says that it was the last")
			_, err = io.ReadAll(c)
			require.NoError(t, err)
		}
		s.Signal(t, syscall.SIGTERM)
		require.Zero(t, s.Wait(t))
		require.Equal(t, 1, s.Log.Count("Stopped at once"))
	})
	t.Run("when it is over", func(t *testing.T) {
		s := harness.Start(t, "-drain-delay", "2", "-drain-timeout", "600", "-idle-timeout", "600")
		idle := s.Dial(t)
		_, err := ask(idle, "/about.html")
		require.NoError(t, err)
		s.Signal(t, syscall.SIGTERM)
		s.Log.Await(t, regexp.MustCompile(`Stopping on terminated`))
		served := 0
		for {
			c, err := net.Dial("tcp", s.Addr)
			if err != nil {
				break
			}
			resp, err := ask(c, "/about.html")
			c.Close()
			if err != nil {
				break // it came in the very moment in which the listener was closed
			}
			require.Equal(t, 200, resp.StatusCode)
			require.True(t, resp.Close)
			served++
			time.Sleep(breath)
		}
		require.NotZero(t, served)
		require.Zero(t, s.Wait(t), "an idle connection does not hold it up")
		_, err = net.Dial("tcp", s.Addr)
		require.Error(t, err)
	})
}

// answerTo sends some bytes on a connection of its own, and reads the one answer.
func answerTo(t *testing.T, s *harness.Server, bytes string) (status int, body string) {
	t.Helper()
	c := s.Dial(t)
	defer c.Close()
	_, err := io.WriteString(c, bytes)
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

var _ = test("Probes", probes)

// probes: who asks how the server is gets an answer whatever the name it uses and however
// often it asks, and leaves no line in the access log; and it may not stand in for others.
func probes(t *testing.T) {
	log := filepath.Join(t.TempDir(), "access")
	s := harness.Start(t, "-access-log", log, "-rate-exempt", "none", "-rate", "1", "-burst", "1", "-ban-after", "1", "-adaptive", "off",
		"-drain-delay", "600")
	for range 20 {
		for _, probe := range []struct{ request, body string }{
			{"GET /readyz HTTP/1.0\r\n\r\n", "ready"},
			{"GET /livez HTTP/1.0\r\nConnection: close\r\n\r\n", "alive"},
			{"GET /readyz HTTP/1.1\r\nHost: 10.1.2.3:31080\r\nConnection: close\r\n\r\n", "ready"},
		} {
			status, body := answerTo(t, s, probe.request)
			require.Equal(t, 200, status, probe.request)
			require.Equal(t, probe.body, body)
		}
	}
	status, _ := s.Get(t, "/about.html")
	require.Equal(t, 200, status, "the probes have used up nothing")
	s.Signal(t, syscall.SIGTERM)
	s.Log.Await(t, regexp.MustCompile("Stopping"))
	status, body := answerTo(t, s, "GET /readyz HTTP/1.0\r\n\r\n")
	require.Equal(t, 503, status)
	require.Equal(t, "draining", body)
	status, body = answerTo(t, s, "GET /livez HTTP/1.0\r\n\r\n")
	require.Equal(t, 200, status, "who drains is alive")
	require.Equal(t, "alive", body)
	s.Signal(t, syscall.SIGTERM)
	require.Zero(t, s.Wait(t))
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.NotContains(t, string(text), "readyz")
	require.NotContains(t, string(text), "livez")
}

var _ = test("ProxiesDoNotLookInside", proxiesDoNotLookInside)

// proxiesDoNotLookInside: through a proxy on this machine anybody may come, so its own
// address opens nothing, and a trusted one's client is who asks.
func proxiesDoNotLookInside(t *testing.T) {
	as := func(path, field string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + field + "\r\n\r\n"
	}
	plain := harness.Start(t)
	trusting := harness.Start(t, "-trusted-proxy", "127.0.0.1", "-monitor-from", "192.0.2.0/24", "-probe-from", "192.0.2.0/24")
	for _, path := range []string{"/health", "/stats", "/stats.html", "/metrics", "/livez", "/readyz"} {
		for _, field := range []string{"X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1", "Via: 1.1 front", "X-Real-IP: 127.0.0.1"} {
			status, _ := answerTo(t, plain, as(path, field))
			require.Equal(t, 404, status, "%s, %s", path, field)
		}
		for field, want := range map[string]int{
			"X-Forwarded-For: 198.51.100.1": 404, "X-Forwarded-For: 192.0.2.1": 200, "X-Forwarded-For: 192.0.2.1, 198.51.100.1": 404,
			"Via: 1.1 front": 404, "X-Other: 1": 200,
		} {
			status, _ := answerTo(t, trusting, as(path, field))
			require.Equal(t, want, status, "%s, %s", path, field)
		}
	}
}
