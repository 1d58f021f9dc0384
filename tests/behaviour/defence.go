package behaviour

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// TrustedProxy: a proxy in front of the server, on a network or behind a Unix socket,
// names the clients and their requests. Each client has its own rate, the proxy has none,
// and whoever is no proxy names nobody.
func TrustedProxy(t *testing.T) {
	for _, tt := range []struct {
		name, listen, proxy, client string
		trusted                     bool
	}{
		{"by address", "127.0.0.1:0", "127.0.0.0/8", "198.51.100.1", true},
		{"by Unix socket", "unix:" + filepath.Join(t.TempDir(), "s"), "unix", "198.51.100.1", true},
		{"another address", "127.0.0.1:0", "192.0.2.0/24,unix", "127.0.0.1", false},
		{"a Unix socket that is not named", "unix:" + filepath.Join(t.TempDir(), "t"), "127.0.0.0/8", "unix", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := harness.Start(t, "-listen", tt.listen, "-trusted-proxy", tt.proxy, "-max-conns-per-client", "1",
				"-rate-exempt", "none", "-rate", "1", "-burst", "1", "-ban-after", "0", "-adaptive", "off")
			forward := func(c net.Conn, client string) int {
				fmt.Fprintf(c, "GET /../x HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: %s\r\nX-Request-Id: from-outside\r\n\r\n", client)
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				require.NoError(t, err)
				return resp.StatusCode
			}
			first := s.Dial(t)
			require.Equal(t, 403, forward(first, "198.51.100.1"))
			line := s.Log.Await(t, regexp.MustCompile(`client=(\S+) reason=path-traversal status=403 id=(\S+)`))
			require.Equal(t, tt.client, line[1])
			require.Equal(t, tt.trusted, line[2] == "from-outside", line[2])
			if !tt.trusted {
				return
			}
			second := s.Dial(t)
			require.Equal(t, 403, forward(second, "198.51.100.2"), "another client, and the proxy's second connection")
			harness.Eventually(t, "the first client is over its rate", func() bool { return forward(first, "198.51.100.1") == 429 })
		})
	}
}

// CrashedUpload: what a killed server leaves of an upload is removed by the next one, when
// it is old enough to be nobody's.
func CrashedUpload(t *testing.T) {
	root := t.TempDir()
	s := harness.Start(t, "-root", root)
	c := s.Dial(t)
	fmt.Fprintf(c, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n[%s", strings.Repeat("1,", 100_000))
	var left []string
	harness.Eventually(t, "the upload is in its file", func() bool {
		left, _ = filepath.Glob(filepath.Join(root, "uploads", ".upload-*"))
		return len(left) == 1
	})
	s.Signal(t, syscall.SIGKILL)
	s.Wait(t)

	young := harness.Start(t, "-root", root)
	require.FileExists(t, left[0], "it could be another server's, which is still at work")
	young.Signal(t, syscall.SIGTERM)
	require.Zero(t, young.Wait(t))
	require.NoError(t, os.Chtimes(left[0], time.Time{}, time.Now().Add(-48*time.Hour)))
	next := harness.Start(t, "-root", root)
	require.NoFileExists(t, left[0])
	require.Equal(t, 1, next.Log.Count("Removed what a crash had left of uploads files=1\n"))
}
