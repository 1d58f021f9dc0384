package behaviour

// What a server tells of its processes, of its reloads, and of the flags that it refuses by.
//
// Figures are asked for as Prometheus does. What must not be done: what a process uses besides what
// the test makes it use is not known, so nothing may be compared to the last file or byte.

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/certs/certstest"
	"fourways/tests/harness"
)

var _ = test("ProcessFigures", processFigures)

// processFigures: all processes of a server count, and a reload that has left something as it was
// is told from one that has not.
func processFigures(t *testing.T) {
	root, dir := certstest.Root(t), t.TempDir()
	s := harness.Start(t, append(Pair(dir, "pair", root.Leaf("localhost")), "-listen", "127.0.0.1:0", "-tls-listen", "127.0.0.1:0", "-workers", "2")...)
	tells := func(name string) float64 {
		t.Helper()
		_, body := s.Get(t, "/metrics")
		m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindSubmatch(body)
		if m == nil {
			return -1
		}
		n, err := strconv.ParseFloat(string(m[1]), 64)
		require.NoError(t, err)
		return n
	}
	require.Positive(t, tells("process_max_fds"))
	require.GreaterOrEqual(t, tells("process_cpu_seconds_total"), 0.0)
	if resident := tells("process_resident_memory_bytes"); resident >= 0 { // or the system does not say
		require.Greater(t, resident, 1e6)
	}
	if before := tells("process_open_fds"); before >= 0 && !oneThreadEach() { // whose clients would hold all threads
		for range 20 {
			status, err := Exchange(s.Dial(t), "/")
			require.NoError(t, err)
			require.Equal(t, 200, status)
		}
		require.GreaterOrEqual(t, tells("process_open_fds"), before+15) // a few others come and go
	}
	const done, failed = `fourways_reloads_total{result="done"}`, `fourways_reloads_total{result="failed"}`
	require.Zero(t, tells("fourways_last_reload_time_seconds"))
	s.Signal(t, syscall.SIGHUP)
	harness.Eventually(t, "the reload is counted", func() bool { return tells(done) == 1 })
	last := tells("fourways_last_reload_time_seconds")
	require.GreaterOrEqual(t, last, tells("process_start_time_seconds"))
	require.Zero(t, tells(failed))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pair.key"), []byte("broken"), 0o600))
	s.Signal(t, syscall.SIGHUP)
	harness.Eventually(t, "the one that failed is counted, too", func() bool { return tells(failed) == 1 })
	require.Equal(t, last, tells("fourways_last_reload_time_seconds"))
}

var _ = test("LogsNameTheFlag", logsNameTheFlag, once("logging"))

// logsNameTheFlag: where a setting of our own may be why somebody was refused, the log says which.
func logsNameTheFlag(t *testing.T) {
	s := harness.Start(t)
	for _, tt := range []struct{ target, fields, says string }{
		{"/", "Host: elsewhere.test", `reason=foreign-host .* host=elsewhere\.test see=-host\n`},
		{"http://other.test/", "Host: localhost", `reason=foreign-host .* host=other\.test see=-host\n`},
		{"/x.php", "Host: localhost", `reason=refused-type .* see=-types\n`},
		{"/metrics", "Host: localhost\r\nX-Forwarded-For: 192.0.2.1", `Not shown, as if it was not there client=\S+ path=/metrics see=-monitor-from\n`},
	} {
		c := s.Dial(t)
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\n%s\r\nConnection: close\r\n\r\n", tt.target, tt.fields)
		s.Log.Await(t, regexp.MustCompile(tt.says))
		c.Close()
	}
	c := s.Dial(t)
	fmt.Fprint(c, "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.1\r\nConnection: close\r\n\r\n")
	io.ReadAll(c)
	s.Signal(t, syscall.SIGTERM)
	require.Zero(t, s.Wait(t))
	require.Equal(t, 1, s.Log.Count("Not shown"), "once a minute")
}
