package deploy

// What all tests of docs/deploy have in common: finding programs, and adapting a file to this
// machine.
//
// A file is tried as it is, except for addresses, paths and times, which [adapted] replaces. What
// must not be done: nothing outside of the test's own folders may change, and nobody may listen but
// on 127.0.0.1 or a Unix socket.

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

const (
	// served is the stage that the files are for.
	served = "stage4-prefork"
	// folder is where the files are.
	folder = "../../docs/deploy"
)

func TestMain(m *testing.M) {
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	harness.Main(m, served)
}

// needs is the path of a program. The test is skipped where there is none.
func needs(t *testing.T, program, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("no %s: install Debian's package %s", program, pkg)
	}
	return path
}

// shipped is a file of docs/deploy.
func shipped(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	return string(text)
}

// adapted is a file of docs/deploy with some of its text replaced. All that is to be replaced has
// to be there.
func adapted(t *testing.T, name string, pairs ...string) string {
	t.Helper()
	text := shipped(t, name)
	for i := 0; i < len(pairs); i += 2 {
		require.Contains(t, text, pairs[i], name)
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

// written writes a file of its own folder, and returns its path.
func written(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// short is a folder for Unix sockets: t.TempDir's names may be too long for theirs.
func short(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "deploy-*")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// free is an address on which nobody listens now.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// says runs a program to its end and returns all that it has printed. It has to end with 0.
func says(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	require.NoError(t, err, "%s %s\n%s", program, strings.Join(args, " "), out)
	return string(out)
}

// runs runs a program until the end of the test, whose failure shows what it has printed.
func runs(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s says:\n%s", cmd.Path, &out)
		}
	})
	return cmd
}
