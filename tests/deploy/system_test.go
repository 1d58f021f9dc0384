package deploy

// What Debian's own services make of the server: systemd, logrotate and fail2ban.
//
// Each is run on its own, with its file of docs/deploy and a server that the test owns. What must
// not be done: the machine's own service manager, logs and jails must not be touched.

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// TestUnitsOfSystemd: they can be read, name what systemd knows, and give the service little.
func TestUnitsOfSystemd(t *testing.T) {
	t.Parallel()
	analyze := needs(t, "systemd-analyze", "systemd")
	dir := t.TempDir()
	service := written(t, dir, "fourways.service", adapted(t, "systemd/fourways.service", "/usr/bin/fourways", harness.Binary()))
	socket := written(t, dir, "fourways.socket", shipped(t, "systemd/fourways.socket"))
	out, err := exec.Command(analyze, "verify", "--man=no", service, socket).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for line := range strings.Lines(string(out)) {
		old := strings.Contains(line, "ignoring: notify-reload") // systemd 252 and before; Type=notify is there for it
		require.True(t, old || !strings.Contains(line, dir) && !strings.Contains(line, "fourways."), line)
	}
	says(t, analyze, "security", "--offline=true", "--threshold=20", service) // tenths: at most 2.0
}

// TestTheFilterOfSystemCallsHasAllThatTheServerUses: what is traced of one that serves, reloads and
// stops, is in the sets of the service's SystemCallFilter.
func TestTheFilterOfSystemCallsHasAllThatTheServerUses(t *testing.T) {
	t.Parallel()
	strace, analyze := needs(t, "strace", "strace"), needs(t, "systemd-analyze", "systemd")
	if harness.Race() {
		t.Skip("the race detector has system calls of its own")
	}
	allowed := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(@\S+)$`).FindAllStringSubmatch(shipped(t, "systemd/fourways.service"), -1) {
		for _, call := range callsOf(t, analyze, m[2]) {
			allowed[call] = m[1] == ""
		}
	}
	require.True(t, allowed["epoll_wait"])
	require.False(t, allowed["chown"])
	summary, root := filepath.Join(t.TempDir(), "calls"), t.TempDir()
	written(t, root, "index.html", strings.Repeat("x", 100_000))
	s := harness.StartCommand(t, exec.Command(strace, "-f", "-qq", "-c", "-o", summary, harness.Binary(),
		"-listen", "127.0.0.1:0", "-workers", "1", "-root", root, "-uploads", root, "-tls-listen", "127.0.0.1:0", "-tls-self-signed"))
	status, _ := s.Get(t, "/")
	require.Equal(t, 200, status)
	c := s.Dial(t)
	fmt.Fprintf(c, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
	answer := make([]byte, 12)
	_, err := c.Read(answer)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 201", string(answer))
	pid := child(t, s.PID)
	require.NoError(t, exec.Command("kill", "-HUP", pid).Run())
	s.Log.Await(t, regexp.MustCompile("Reloaded: all"))
	require.NoError(t, exec.Command("kill", pid).Run())
	require.Zero(t, s.Wait(t))
	text, err := os.ReadFile(summary)
	require.NoError(t, err)
	calls := regexp.MustCompile(`(?m)^ +[\d.]+ .* ([a-z]\w+)$`).FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(calls), 20, "%s", text)
	for _, m := range calls {
		if m[1] != "total" {
			require.True(t, allowed[m[1]], "%s is not in SystemCallFilter", m[1])
		}
	}
}

// callsOf is the system calls of a set, and of the sets in it.
func callsOf(t *testing.T, analyze, set string) (calls []string) {
	for line := range strings.Lines(says(t, analyze, "syscall-filter", set)) {
		switch name := strings.TrimSpace(line); {
		case !strings.HasPrefix(line, "    ") || strings.HasPrefix(name, "#"):
		case name[0] == '@':
			calls = append(calls, callsOf(t, analyze, name)...)
		default:
			calls = append(calls, name)
		}
	}
	return calls
}

// child is the first process that another has started.
func child(t *testing.T, pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	require.NoError(t, err)
	require.NotEmpty(t, strings.Fields(string(text)))
	return strings.Fields(string(text))[0]
}

// TestTheSocketUnitsWay: systemd's own tool opens the socket, and starts the server when somebody
// comes.
func TestTheSocketUnitsWay(t *testing.T) {
	t.Parallel()
	activate := needs(t, "systemd-socket-activate", "systemd")
	path := filepath.Join(short(t), "http")
	runs(t, exec.Command(activate, "-l", path, harness.Binary(), "-workers", "1"))
	var c net.Conn
	harness.Eventually(t, "the socket is open", func() (open bool) {
		var err error
		c, err = net.Dial("unix", path)
		return err == nil
	})
	defer c.Close()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	answer := make([]byte, 15)
	_, err := c.Read(answer)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 200 OK", string(answer))
}

// TestLogsAreRotated: logrotate moves the file away and tells the server, whose next line is in a
// new one.
func TestLogsAreRotated(t *testing.T) {
	t.Parallel()
	logrotate := needs(t, "logrotate", "logrotate")
	dir := t.TempDir()
	logs, access := filepath.Join(dir, "logs"), filepath.Join(dir, "logs/access.log")
	require.NoError(t, os.Mkdir(logs, 0o755))
	s := harness.Start(t, "-access-log", access)
	has := func(name, what string) bool {
		text, _ := os.ReadFile(name)
		return strings.Contains(string(text), what)
	}
	s.Get(t, "/about.html")
	harness.Eventually(t, "the first line is written", func() bool { return has(access, "GET /about.html") })
	// In the place of systemd, which knows the main process.
	stub := written(t, dir, "bin/systemctl", fmt.Sprintf("#!/bin/sh\necho \"$@\" >>%s/told\nkill -USR1 %d\n", dir, s.PID))
	require.NoError(t, os.Chmod(stub, 0o755))
	conf := written(t, dir, "fourways", adapted(t, "logrotate/fourways", "/var/log/fourways", logs, "su fourways fourways", ""))
	rotate := exec.Command(logrotate, "--force", "--state", filepath.Join(dir, "state"), conf)
	rotate.Env = append(os.Environ(), "PATH="+filepath.Dir(stub)+":"+os.Getenv("PATH"))
	out, err := rotate.CombinedOutput()
	require.NoError(t, err, "%s", out)
	told, err := os.ReadFile(filepath.Join(dir, "told"))
	require.NoError(t, err)
	require.Equal(t, "kill --kill-whom=main --signal=USR1 fourways.service\n", string(told))
	harness.Eventually(t, "new lines are in a new file", func() bool {
		s.Get(t, "/contact.html") // the first of them may still come into the old one
		return has(access, "GET /contact.html")
	})
	require.True(t, has(access+".1", "GET /about.html"))
	require.False(t, has(access, "GET /about.html"))
}

// TestFail2BanReadsTheLog: the real one finds each refusal in both forms of the log, except that of
// what browsers ask for by themselves, and takes the jail.
func TestFail2BanReadsTheLog(t *testing.T) {
	t.Parallel()
	regex, client := needs(t, "fail2ban-regex", "fail2ban"), needs(t, "fail2ban-client", "fail2ban")
	for _, format := range []string{"text", "json"} {
		s := harness.Start(t, "-log-format", format)
		for _, path := range []string{"/../etc/passwd", "/.env", "/x.php", "/%zz", "/favicon.ico"} {
			c := s.Dial(t)
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path)
			c.Read(make([]byte, 4096))
		}
		harness.Eventually(t, "five refusals are in the log", func() bool { return s.Log.Count("reason") == 5 })
		log := written(t, t.TempDir(), "server.log", s.Log.String())
		out := says(t, regex, "--no-check-all", log, filepath.Join(folder, "fail2ban/filter.d/fourways.conf"))
		require.Regexp(t, `Lines: \d+ lines, 1 ignored, 4 matched`, out)
	}
	dir := t.TempDir()
	says(t, "cp", "-r", "/etc/fail2ban/.", dir)
	for _, name := range []string{"filter.d/fourways.conf", "jail.d/fourways.conf"} {
		written(t, dir, name, shipped(t, "fail2ban/"+name))
	}
	written(t, dir, "jail.d/defaults-debian.conf", "[sshd]\nenabled = false\n") // which wants its own log
	dump := says(t, client, "-c", dir, "-d")
	require.Regexp(t, `'fourways', '(add|multi-set)[^\n]*failregex`, dump)
}
