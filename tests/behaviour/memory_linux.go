package behaviour

// Little memory, as a control group sets it, in both versions.
//
// It needs root and a control group that it may make; it is skipped elsewhere.

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

var (
	_ = test("CrowdInLittleMemory", crowdInLittleMemory)
	_ = test("LargeSiteInLittleMemory", largeSiteInLittleMemory)
)

// crowdInLittleMemory: clients that hold more than there is memory for, here by heads that do not
// end, are refused. They do not have the kernel end the server, which serves when they have gone.
func crowdInLittleMemory(t *testing.T) {
	if oneThreadEach() {
		t.Skip("a thread that blocks has one connection, so its clients hold little")
	}
	const crowd = 6000
	s := inLittleMemory(t, 64<<20, "-workers", "2", "-adaptive", "off")
	head := "GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + strings.Repeat("x", 8000)
	conns := make([]net.Conn, crowd)
	var all sync.WaitGroup
	for part := range 20 {
		all.Go(func() {
			for i := part; i < crowd; i += 20 {
				if c, err := net.DialTimeout("tcp", s.Addr, harness.Patience); err == nil {
					fmt.Fprint(c, head)
					conns[i] = c
				}
			}
		})
	}
	all.Wait()
	for _, c := range conns {
		if c != nil {
			c.Close()
		}
	}
	stillServes(t, s)
	assert.NotZero(t, strings.Count(s.Log.String(), "memory-short"), "some were refused")
}

// largeSiteInLittleMemory: files that are more than the memory there is are asked for, one after
// the other. What is kept of them leaves room, in all processes together.
func largeSiteInLittleMemory(t *testing.T) {
	const files, size = 1600, 60 << 10
	root := t.TempDir()
	text := []byte(strings.Repeat("x", size))
	for i := range files {
		require.NoError(t, os.WriteFile(filepath.Join(root, fmt.Sprint(i, ".png")), text, 0o644))
	}
	s := inLittleMemory(t, 64<<20, "-root", root, "-workers", "4", "-max-requests", "0")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			client := http.Client{Timeout: harness.Patience}
			defer client.CloseIdleConnections()
			for i := range files {
				answer, err := client.Get(s.URL(fmt.Sprintf("/%d.png", i)))
				if !assert.NoError(t, err) {
					return
				}
				assert.Equal(t, 200, answer.StatusCode)
				answer.Body.Close()
			}
		})
	}
	all.Wait()
	stillServes(t, s)
}

// stillServes says that the server serves, and that none of its processes was ended meanwhile.
func stillServes(t *testing.T, s *harness.Server) {
	require.False(t, s.Ended(), s.Log.Tail(5))
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: harness.Patience}
	harness.Eventually(t, "the server serves", func() bool {
		answer, err := client.Get(s.URL("/"))
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode != http.StatusServiceUnavailable
	})
	require.NotContains(t, s.Log.String(), "has died")
}

// inLittleMemory starts the server in a control group of so many bytes.
func inLittleMemory(t *testing.T, most int64, args ...string) *harness.Server {
	limit := controlGroup(t, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max")
	require.NoError(t, os.WriteFile(limit, fmt.Append(nil, most), 0))
	script := `echo $$ >"$0/cgroup.procs" && exec "$@"`
	cmd := exec.Command("sh", append([]string{"-c", script, filepath.Dir(limit), harness.Binary(), "-listen", "127.0.0.1:0"}, args...)...)
	return harness.StartCommand(t, cmd)
}
