package behaviour

// What gets lost is counted, and reported where everything else is.
//
// Each function is a behaviour that every stage has. Both logs may be full here, so a case looks at
// what the routes say, and never at a log.

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

var _ = test("LostLinesAreTold", lostLinesAreTold, perProcess("logging"))

// fullDisk takes nothing: each write to it is ENOSPC (full(4)).
const fullDisk = "/dev/full"

// lostSaid is what /health and /stats tell of it.
type lostSaid struct {
	Lost struct {
		Clients         int
		LogLines        int `json:"log_lines"`
		AccessLogLines  int `json:"access_log_lines"`
		LogErrors       int `json:"log_errors"`
		AccessLogErrors int `json:"access_log_errors"`
	}
}

// lostLinesAreTold: both logs are on a disk that is full. The server serves, and says so.
func lostLinesAreTold(t *testing.T) {
	if _, err := os.Stat(fullDisk); err != nil {
		t.Skip("this system has no ", fullDisk)
	}
	socket := filepath.Join(t.TempDir(), "s")
	cmd := exec.Command(harness.Binary(), "-listen", "unix:"+socket, "-log-file", fullDisk, "-access-log", fullDisk)
	require.NoError(t, cmd.Start()) // its banner is lost as well, so the harness would not see it
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		require.NoError(t, cmd.Wait())
	})
	client := &http.Client{Timeout: harness.Patience, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) }}}
	asked := 0
	get := func(path string) string {
		text, err := fetch(client, "http://localhost"+path)
		if err != nil {
			return ""
		}
		asked++
		return string(text)
	}
	harness.Eventually(t, "it serves", func() bool { return get("/about.html") != "" })
	var said lostSaid
	harness.Eventually(t, "/health tells what the logs have lost", func() bool {
		json.Unmarshal([]byte(get("/health")), &said)
		return said.Lost.AccessLogLines > 0 && said.Lost.AccessLogErrors > 0 && said.Lost.LogLines >= 4 && said.Lost.LogErrors > 0
	})
	require.LessOrEqual(t, said.Lost.AccessLogLines, asked)
	require.LessOrEqual(t, said.Lost.AccessLogErrors, said.Lost.AccessLogLines)
	require.NoError(t, json.Unmarshal([]byte(get("/stats")), &said))
	require.Positive(t, said.Lost.AccessLogLines)
	all, problems := readSeries([]byte(get("/metrics")))
	require.Empty(t, problems)
	for _, name := range []string{"fourways_log_lost_lines_total", "fourways_log_errors_total"} {
		for _, log := range []string{"server", "access"} {
			require.Positive(t, all[name+`{log="`+log+`"}`].value, name+" of "+log)
		}
	}
}

var _ = test("UnrecordedClientsAreTold", unrecordedClientsAreTold, perProcess("limiter"))

// unrecordedClientsAreTold: more clients are connected than the table has room for.
func unrecordedClientsAreTold(t *testing.T) {
	const room, clients = 8, 12
	args := []string{"-clients", strconv.Itoa(room), "-rate-exempt", "none"}
	if oneThreadEach() {
		args = append(args, "-workers", strconv.Itoa(clients+2))
	}
	s := harness.Start(t, args...)
	for i := range clients {
		c, err := harness.From(net.IPv4(127, 0, 1, byte(1+i))).Dial("tcp", s.Addr)
		if err != nil {
			t.Skip("this system has one loopback address only: ", err)
		}
		defer c.Close()
		if status, err := Exchange(c, "/about.html"); err != nil || status != 200 {
			t.Fatal("not let in: ", status, err)
		}
	}
	var said lostSaid
	_, text := s.Get(t, "/health")
	require.NoError(t, json.Unmarshal(text, &said))
	require.GreaterOrEqual(t, said.Lost.Clients, clients-room)
	_, text = s.Get(t, "/metrics")
	all, problems := readSeries(text)
	require.Empty(t, problems)
	require.GreaterOrEqual(t, all["fourways_unrecorded_clients_total"].value, float64(said.Lost.Clients))
}
