package deploy

// A machine: Debian's systemd as process 1 of namespaces, over a copy of this one's files.
//
// On it the package is installed and each command of docs/operating.md is run, as an operator would
// on a real one: the service is started by systemd with all its restrictions, and Prometheus,
// fail2ban and HAProxy are Debian's. What must not be done: nothing may be left of it. All that is
// written lies in memory, and its end is that of its first process.

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/certs/certstest"
	"fourways/tests/harness"
)

// page is what an operator reads.
const page = "../../docs/operating.md"

// pageLines is how long it may be.
const pageLines = 60

// boot makes a machine of this one: its files by overlayfs, and nothing of its processes, network
// and services. It knows of no newer packages, for it could not fetch them. The kernel's settings
// and devices are not its own, so it cannot change them.
const boot = `
mount --make-rprivate /
mount -t tmpfs machine "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay machine -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t tmpfs dev dev
for device in null zero full random urandom tty; do touch "dev/$device"; mount --bind "/dev/$device" "dev/$device"; done
mkdir dev/shm dev/pts
mount -t tmpfs shm dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 pts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs run run
mount -t tmpfs tmp tmp
mount -t sysfs -o ro sys sys
mount -t tmpfs lists var/lib/apt/lists
rm -f var/lib/man-db/auto-update # which takes longer than all the rest
mount -t cgroup2 cgroup sys/fs/cgroup
cp -r "$2" root/release
mkdir old
pivot_root . old
umount -l old
ip link set lo up
for address in 10.0.0.1 10.0.0.11; do ip address add "$address/32" dev lo; done
ip route replace local 10.0.0.11 dev lo src 10.0.0.1 table local # as from another machine
echo balancer1 >/etc/hostname
# The jail of sshd, fail2ban's own, looks for a log that a new machine does not have.
rm -f /var/log/auth.log
/usr/bin/python3 -c 'import systemd.journal' 2>/dev/null || touch /var/log/auth.log
echo "127.0.0.1 localhost example.org" >/etc/hosts
printf '[Unit]\nDescription=A machine to try things on\n' >/etc/systemd/system/machine.target
export container=other
exec /lib/systemd/systemd --system --unit=machine.target`

// machine is one that runs.
type machine struct{ pid string }

// spaces are what a machine has of its own.
var spaces = []string{"--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup", "--kill-child"}

// bootTime is how long a machine may take to be there.
const bootTime = 30 * time.Second

// needsAMachine skips the test where none can be made. The kernel or a container may forbid it.
func needsAMachine(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can make a machine of namespaces")
	}
	for _, other := range [][2]string{{"unshare", "util-linux"}, {"nsenter", "util-linux"}, {"ip", "iproute2"}, {"/lib/systemd/systemd", "systemd"},
		{"apt-get", "apt"}, {"dpkg-deb", "dpkg"}, {"curl", "curl"}, {"haproxy", "haproxy"}, {"prometheus", "prometheus"},
		{"fail2ban-client", "fail2ban"}, {"logrotate", "logrotate"}} {
		needs(t, other[0], other[1])
	}
	try := strings.Replace(boot, "exec /lib/systemd/systemd", "exec true", 1)
	out, err := exec.Command("unshare", append(spaces, "sh", "-euc", try, "sh", short(t), t.TempDir())...).CombinedOutput()
	if err != nil {
		t.Skipf("no machine can be made of namespaces here: %s", out)
	}
}

// newMachine boots one, with a folder's files in /root/release.
func newMachine(t *testing.T, files string) *machine {
	t.Helper()
	cmd := runs(t, exec.Command("unshare", append(spaces, "sh", "-euc", boot, "sh", short(t), files)...))
	t.Cleanup(func() { cmd.Process.Kill() }) // first, and its first process dies with it
	m := &machine{}
	for end := time.Now().Add(bootTime); !m.runs(cmd.Process.Pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Skip("systemd does not start in namespaces here")
		}
	}
	return m
}

// runs reports whether a machine has come up below a process of unshare(1).
func (m *machine) runs(below int) bool {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", below))
	m.pid = strings.TrimSpace(string(text))
	if m.pid == "" {
		return false
	}
	name, _ := os.ReadFile("/proc/" + m.pid + "/comm")
	if string(name) != "systemd\n" {
		return false
	}
	out, _ := m.try("systemctl is-system-running")
	return out == "running\n" || out == "degraded\n"
}

// try runs a command line on it.
func (m *machine) try(line string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", "--target", m.pid, "--all", "sh", "-c", "cd /root/release && "+line)
	cmd.Env = append(os.Environ(), "CURL_CA_BUNDLE=/root/release/root.pem", "DEBIAN_FRONTEND=noninteractive", "HOME=/root")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// does runs a command line that has to end with 0.
func (m *machine) does(t *testing.T, line string) string {
	t.Helper()
	out, err := m.try(line)
	if err != nil {
		log, _ := m.try("journalctl --no-pager -n 60; tail -n 20 /var/log/fourways/server.log")
		require.NoError(t, err, "%s\n%s\n%s", line, out, log)
	}
	return out
}

// until waits until a command line ends with 0.
func (m *machine) until(t *testing.T, line string) {
	t.Helper()
	var out string
	defer func() {
		if t.Failed() {
			t.Logf("at last it said: %s", out)
		}
	}()
	harness.Eventually(t, line, func() (done bool) {
		var err error
		out, err = m.try(line)
		return err == nil
	})
}

// commands are the lines of a page's sh blocks.
func commands(text string) (lines []string) {
	inside := false
	for line := range strings.Lines(text) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "```"):
			inside = line == "```sh"
		case inside:
			lines = append(lines, line)
		}
	}
	return lines
}

// released is a folder as an operator has it: the release, a front-end, and a certificate. The
// package has one program only, which is what takes time to build.
func released(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	compiling.Lock()
	defer compiling.Unlock()
	says(t, "go", "run", "fourways/tests/release", "-out", dir, "-version", "v0.0.1", "-arch", runtime.GOARCH, "-stages", served)
	root := certstest.Root(t)
	leaf := root.Leaf("example.org")
	written(t, dir, "root.pem", string(root.CertPEM()))
	written(t, dir, "fullchain.pem", string(leaf.CertPEM()))
	written(t, dir, "key.pem", string(leaf.KeyPEM()))
	written(t, dir, "dist/index.html", "<title>A site</title>\n")
	return dir
}

// TestEachCommandOfOperating: an operator follows the page on a fresh machine, and what it promises
// is so.
func TestEachCommandOfOperating(t *testing.T) {
	t.Parallel()
	if testing.Short() || harness.Race() {
		t.Skip("it takes a machine")
	}
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	require.LessOrEqual(t, strings.Count(string(text), "\n"), pageLines)
	needsAMachine(t)
	m := newMachine(t, released(t))
	const main = "$(systemctl show --value -p MainPID fourways)"
	after := map[string]func(){
		"systemctl enable --now fourways": func() {
			m.does(t, `test "$(ps -o user= -p `+main+`)" = fourways`)
			m.does(t, "! nsenter --target "+main+" --mount touch /usr/x") // its root is read-only
		},
		"systemctl reload fourways": func() {
			m.until(t, "grep 'Reloaded: all' /var/log/fourways/server.log")
			m.does(t, "systemctl show --value -p MainPID fourways >/tmp/before")
		},
		"systemctl kill --kill-whom=main --signal=USR2 fourways": func() {
			m.until(t, `test "`+main+`" != "$(cat /tmp/before)" && test `+main+" != 0")
			m.until(t, "! test -d /proc/$(cat /tmp/before)")
			m.does(t, "systemctl is-active fourways && curl -sSf https://example.org/")
		},
		"logrotate --force /etc/logrotate.d/fourways": func() {
			m.until(t, "curl -sSf https://example.org/?again && grep again /var/log/fourways/access.log")
			m.does(t, "test -s /var/log/fourways/access.log.1")
		},
		"systemctl restart fail2ban": func() {
			m.until(t, "fail2ban-client status fourways")
		},
		"promtool check config /etc/prometheus/prometheus.yml": func() {
			m.does(t, "sed -i s/15s/200ms/ /etc/prometheus/prometheus.yml") // nobody wants to wait
		},
		"systemctl restart prometheus": func() {
			m.until(t, `curl -sSf 'http://localhost:9090/api/v1/query?query=up{job="fourways"}' -g | grep '"1"'`)
		},
		"systemctl restart fourways prometheus": func() {
			m.does(t, `grep '\[main\] Stopped' /var/log/fourways/server.log`) // in order, after USR2 too
			m.until(t, `curl -sSf 'http://localhost:9090/api/v1/query?query=up{instance="localhost:8080"}' -g | grep '"1"'`)
		},
		"cp /usr/share/doc/fourways/deploy/haproxy/haproxy.cfg /etc/haproxy": func() {
			m.does(t, "sed -i 's/maxconn 50000/maxconn 1000/' /etc/haproxy/haproxy.cfg") // as many files may be open here
		},
		"systemctl restart haproxy": func() {
			m.until(t, "curl -sSf https://example.org/")
			m.until(t, `curl -sSf http://127.0.0.1:8405/metrics | grep 'server="web1",state="UP"} 1'`)
		},
	}
	for _, line := range commands(string(text)) {
		m.does(t, line)
		if check := after[line]; check != nil {
			check()
			delete(after, line)
		}
	}
	require.Empty(t, after, "commands that are not on the page")
	m.until(t, "tail -n 1 /var/log/fourways/access.log | grep '^127.0.0.1 '") // by the PROXY header: not 10.0.0.1
	m.does(t, "systemctl stop fourways && tail -n 1 /var/log/fourways/server.log | grep Stopped")
	// With its sockets held by systemd, who comes while it is restarted waits.
	m.does(t, "systemctl stop haproxy && cp /usr/share/doc/fourways/deploy/fourways.conf /etc/fourways && systemctl start fourways.socket")
	m.does(t, "curl -sSf https://example.org/ && curl -sSfL http://example.org/")
	m.does(t, "systemctl kill --signal=KILL fourways && curl -sSf --retry 20 --retry-all-errors https://example.org/")
	m.does(t, "systemctl stop fourways.socket fourways")
	m.does(t, "apt-get purge -y fourways && ! test -e /usr/bin/fourways && ! test -e /etc/fourways && ! ls -d /var/*/fourways")
}
