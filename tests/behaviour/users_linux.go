package behaviour

// The server as another user than root, and who may connect to its Unix socket.
//
// The cases need root and the user nobody, and are skipped without them. What must not be done: no
// case may leave a process behind that is root's where it should not be.

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/certs/certstest"
	"fourways/tests/harness"
)

// asRoot gives the user nobody's numbers, and a folder that he may read.
func asRoot(t *testing.T) (uid, gid, dir string) {
	nobody, err := user.Lookup("nobody")
	if os.Getuid() != 0 || err != nil {
		t.Skip("only root can become another user, and nobody has to be there")
	}
	dir = t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	return nobody.Uid, nobody.Gid, dir
}

var _ = test("BecomesAnotherUser", becomesAnotherUser)

// becomesAnotherUser: no thread of any process is root's, nothing leads back, what the user may not
// read is not served, and his other processes cannot look inside. A reload changes nothing of that.
func becomesAnotherUser(t *testing.T) {
	uid, gid, root := asRoot(t)
	require.NoError(t, os.WriteFile(filepath.Join(root, "page.html"), []byte("<p>"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(root, "secret.html"), []byte("<p>"), 0o600))
	s := harness.Start(t, "-root", root, "-user", "nobody")
	look := func() {
		for path, want := range map[string]int{"/page.html": 200, "/secret.html": 404} {
			status, _ := s.Get(t, path)
			require.Equal(t, want, status, path)
		}
		for _, pid := range s.Processes(t) {
			tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
			require.NoError(t, err)
			require.NotEmpty(t, tasks)
			for _, task := range tasks {
				require.Equal(t, []string{uid, uid, uid, uid}, statusLine(t, task, "Uid:"))
				require.Equal(t, []string{gid, gid, gid, gid}, statusLine(t, task, "Gid:"))
				require.NotContains(t, statusLine(t, task, "Groups:"), "0")
				require.Equal(t, []string{"0000000000000000"}, statusLine(t, task, "CapEff:"))
				require.Equal(t, []string{"0000000000000000"}, statusLine(t, task, "CapPrm:"))
			}
			other := exec.Command("cat", fmt.Sprintf("/proc/%d/environ", pid)) // as that is, so are its memory and its files
			other.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: number(t, uid), Gid: number(t, gid)}}
			require.Error(t, other.Run(), "another process of the user's reads what process %d has, as keys of root's", pid)
		}
	}
	look()
	s.Signal(t, syscall.SIGHUP)
	s.Log.Await(t, regexp.MustCompile(`Log files reopened`))
	look()
	s.Signal(t, syscall.SIGTERM)
	require.Zero(t, s.Wait(t))
}

func number(t *testing.T, text string) uint32 {
	n, err := strconv.ParseUint(text, 10, 32)
	require.NoError(t, err)
	return uint32(n)
}

var _ = test("LockedMemory", lockedMemory, perProcess("limits"))

// lockedMemory: with -mlock the limit of what may be locked ends no server, also of a user who is
// not privileged as the one was who started it. Where it cannot be raised, nothing is locked.
func lockedMemory(t *testing.T) {
	_, _, root := asRoot(t)
	require.NoError(t, os.WriteFile(filepath.Join(root, "page.html"), []byte("<p>"), 0o644))
	by := func(tools []string, program ...string) *exec.Cmd {
		tools = slices.Concat([]string{"prlimit", "--memlock=8388608:8388608"}, tools, program)
		return exec.Command(tools[0], tools[1:]...)
	}
	for name, c := range map[string]struct {
		tools, try []string
		locked     bool
	}{
		"the limit can be raised":   {nil, []string{"prlimit", "--memlock=unlimited", "true"}, true},
		"the limit stays as it was": {[]string{"setpriv", "--bounding-set=-sys_resource"}, []string{"true"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if out, err := by(c.tools, c.try...).CombinedOutput(); err != nil {
				t.Skipf("%v: %s", err, out)
			}
			s := harness.StartCommand(t, by(c.tools, harness.Binary(), "-listen", "127.0.0.1:0", "-root", root, "-user", "nobody", "-mlock"))
			for _, pid := range s.Processes(t) {
				size := statusLine(t, fmt.Sprintf("/proc/%d/status", pid), "VmLck:")[0]
				require.Equal(t, c.locked, size != "0", "process %d has locked %s kB", pid, size)
			}
			require.Equal(t, c.locked, s.Log.Count("Memory not locked") == 0, s.Log)
			status, _ := s.Get(t, "/page.html")
			require.Equal(t, 200, status)
		})
	}
}

var _ = test("RootThatTheUserMayNotSearch", rootThatTheUserMayNotSearch, once("site"))

// rootThatTheUserMayNotSearch: a root whose mode is changed so that its user can open nothing in it
// makes the server degraded, and is told; and so is that it is over.
func rootThatTheUserMayNotSearch(t *testing.T) {
	_, _, root := asRoot(t)
	require.NoError(t, os.WriteFile(filepath.Join(root, "page.html"), []byte("<p>"), 0o644))
	s := harness.Start(t, "-root", root, "-user", "nobody")
	health := func() int { status, _ := s.Get(t, "/health"); return status }
	require.Equal(t, 200, health())
	require.NoError(t, os.Chmod(root, 0o700))
	s.Log.Await(t, regexp.MustCompile(`Nothing of the served folder can be opened`))
	require.Equal(t, 503, health())
	require.NoError(t, os.Chmod(root, 0o755))
	s.Log.Await(t, regexp.MustCompile(`The served folder is there under its name`))
	require.Equal(t, 200, health())
}

var _ = test("LogsOfAnotherUser", logsOfAnotherUser, perProcess("app"))

// logsOfAnotherUser: a log that root makes in root's folder is the user's, so each process can open
// it, and again after a signal. One that was there stays whose it was.
func logsOfAnotherUser(t *testing.T) {
	uid, _, dir := asRoot(t)
	log, old := filepath.Join(dir, "access.log"), filepath.Join(dir, "old.log")
	s := harness.Start(t, "-root", dir, "-user", "nobody", "-access-log", log)
	require.Equal(t, uid, owner(t, log))
	s.Signal(t, syscall.SIGHUP)
	s.Log.Await(t, regexp.MustCompile(`Log files reopened`))
	require.NotContains(t, s.Log.String(), "not reopened")

	require.NoError(t, os.WriteFile(old, nil, 0o666))
	require.NoError(t, os.Chmod(old, 0o666))
	harness.Start(t, "-root", dir, "-user", "nobody", "-access-log", old)
	require.Equal(t, "0", owner(t, old))
}

func owner(t *testing.T, file string) string {
	info, err := os.Stat(file)
	require.NoError(t, err)
	return strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Uid))
}

// statusLine is the words of one line of a thread's status (proc_pid_status(5)).
func statusLine(t *testing.T, file, name string) []string {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.Fields(rest)
		}
	}
	t.Fatalf("%s has no %s", file, name)
	return nil
}

var _ = test("UsersThatCannotBe", usersThatCannotBe, perProcess("app"))

// usersThatCannotBe: who cannot be found ends the start, and so does a folder that he cannot read.
func usersThatCannotBe(t *testing.T) {
	_, _, root := asRoot(t)
	require.NoError(t, os.Mkdir(filepath.Join(root, "closed"), 0o700))
	for _, tt := range []struct {
		name string
		args []string
		says string
	}{
		{"no such user", []string{"-user", "no-such-user"}, `-user: there is no user "no-such-user"`},
		{"no such group", []string{"-user", "nobody", "-group", "no-such-group"}, `-group: there is no group "no-such-group"`},
		{"a number without a group", []string{"-user", "54321"}, "give it with -group"},
		{"a folder that he cannot read", []string{"-user", "nobody", "-root", filepath.Join(root, "closed")}, "permission denied; give a readable folder with -root"},
		{"a socket for no such group", []string{"-listen", "unix:" + filepath.Join(root, "x.sock") + ",group=no-such-group"}, `there is no group "no-such-group"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, _, stderr := harness.Run(t, append([]string{"-listen", "127.0.0.1:0"}, tt.args...)...)
			require.Equal(t, 1, code, stderr)
			require.Contains(t, stderr, tt.says)
		})
	}
}

var _ = test("CheckAsAnotherUser", checkAsAnotherUser)

// checkAsAnotherUser: root's check tries what is served as the user, as a start would, and warns of
// what he could not open anew after HUP.
func checkAsAnotherUser(t *testing.T) {
	_, _, dir := asRoot(t)
	root, closed := filepath.Join(dir, "root"), filepath.Join(dir, "closed")
	require.NoError(t, os.Mkdir(root, 0o755))
	require.NoError(t, os.Mkdir(closed, 0o700))
	for name, mode := range map[string]os.FileMode{"passwords": 0o600, "settings": 0o600, "log": 0o640} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, mode))
	}
	for _, tt := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"what he may read", []string{"-log-file", filepath.Join(dir, "new.log")}, 0, ""},
		{"a root that he may not", []string{"-root", closed}, 2, `as the user "nobody": cannot serve`},
		{"passwords that he may not", []string{"-auth", filepath.Join(dir, "passwords")}, 2, `as the user "nobody": -auth`},
		{"a folder for uploads that is not his", []string{"-uploads", root}, 2, `as the user "nobody": cannot take uploads`},
		{"settings that he may not read again", []string{"-config", filepath.Join(dir, "settings")}, 0, `warning: -config: the user "nobody" cannot`},
		{"a log that he may not write", []string{"-log-file", filepath.Join(dir, "log")}, 0, `warning: -log-file: the user "nobody" cannot`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := harness.Run(t, append([]string{"-root", root, "-user", "nobody", "-check"}, tt.args...)...)
			require.Equal(t, tt.code, code, stdout+stderr)
			require.Contains(t, stdout+stderr, tt.says)
			require.Equal(t, tt.says != "", strings.Contains(stdout+stderr, "nobody"), stdout+stderr)
		})
	}
}

var _ = test("UnixSocketForAGroup", unixSocketForAGroup)

// unixSocketForAGroup: the file has the mode and the group that its address says.
func unixSocketForAGroup(t *testing.T) {
	uid, gid, dir := asRoot(t)
	path := filepath.Join(dir, "x.sock")
	s := harness.Start(t, "-listen", "127.0.0.1:0", "-listen", "unix:"+path+",mode=0620,group="+gid)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o620), info.Mode().Perm())
	owner := info.Sys().(*syscall.Stat_t)
	require.NotEqual(t, uid, strconv.Itoa(int(owner.Uid)))
	require.Equal(t, gid, strconv.Itoa(int(owner.Gid)))
	s.Signal(t, syscall.SIGTERM)
	require.Zero(t, s.Wait(t))
	require.NoFileExists(t, path)
}

var _ = test("KeysThatTheUserMayNotRead", keysThatTheUserMayNotRead, perProcess("certs"))

// keysThatTheUserMayNotRead: what root has read before the server became another user's stays in
// use on HUP. That is no failure as long as the files are as they were, and keeps nobody from a
// renewed certificate of the same key; of a new key it is said.
func keysThatTheUserMayNotRead(t *testing.T) {
	_, _, dir := asRoot(t)
	root, key, tickets := certstest.Root(t), certstest.P256(t), filepath.Join(dir, "tickets")
	require.NoError(t, os.WriteFile(tickets, []byte(strings.Repeat("ab", 32)), 0o600))
	pair := Pair(dir, "pair", root.LeafOf(key, certstest.Names("localhost")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.html"), nil, 0o644))
	s, addr := StartTLS(t, append(pair, "-user", "nobody", "-root", dir, "-tls-ticket-keys", tickets)...)
	reloads := func(result string) float64 {
		var r struct{ Reloads map[string]float64 }
		_, body := s.Get(t, "/stats")
		require.NoError(t, json.Unmarshal(body, &r))
		return r.Reloads[result]
	}
	serial := func() string { return served(t, addr, Client(root, "localhost")).SerialNumber.String() }
	first := serial()

	certstest.Replace(t, pair[1], root.LeafOf(key, certstest.Names("localhost")).CertPEM(), 0o644)
	s.Signal(t, syscall.SIGHUP)
	harness.Eventually(t, "the reload is done", func() bool { return reloads("done") == 1 })
	second := first
	harness.Eventually(t, "the renewed one is shown", func() bool { // workers that leave still accept for a moment
		second = serial()
		return second != first
	})
	require.NotContains(t, s.Log.String(), "permission denied")

	root.Leaf("localhost").Write(dir, "pair")
	require.NoError(t, os.WriteFile(tickets, []byte(strings.Repeat("cde", 32)), 0o600))
	s.Signal(t, syscall.SIGHUP)
	harness.Eventually(t, "the reload has not done all", func() bool { return reloads("failed") == 1 })
	for _, file := range []string{pair[3], tickets} {
		s.Log.Await(t, regexp.MustCompile("Not reloaded, the old one stays in use: .*"+regexp.QuoteMeta(file)+": permission denied; let the server's user read it"))
	}
	require.Equal(t, second, serial())
	require.Equal(t, float64(1), reloads("done"))
}
