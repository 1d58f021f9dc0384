package conformance

// The suite and the processes that it starts. A process here may be one that does not start, or
// ends too soon.

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/tests/gobuild"
)

func TestSuiteLooksAtTheProcess(t *testing.T) {
	t.Parallel()
	bin := build(t, "./internal/nethttp")
	for _, row := range []struct{ name, fault, id, complaint string }{
		{"a sound server is not complained of", "", "files/text", ""},
		{"a server that leaks connections is told", "leak", "files/text", "descriptors leak"},
		{"a server that dies is told", "exit", "files/page", "the server ended"},
		{"a server that ends with a status of its own is told", "status", "files/text", "exit status 3"},
		{"a server that dies of SIGTERM is as good as one that ends", "dies", "files/text", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			suite, err := New(Target{Cmd: []string{bin, "-listen", "127.0.0.1:{port}", "-root", "{root}", "-fault", row.fault}, RFCOnly: true})
			require.NoError(t, err)
			defer suite.Close()
			suite.Play(caseByID(t, row.id))
			errs := suite.Finish()
			if row.complaint == "" {
				assert.Empty(t, errs)
				return
			}
			require.NotEmpty(t, errs)
			assert.ErrorContains(t, errs[0], row.complaint)
		})
	}
}

func TestSuiteSaysWhyAServerDoesNotStart(t *testing.T) {
	suite, err := New(Target{Cmd: []string{"sh", "-c", "echo no such port; exit 1"}})
	require.NoError(t, err)
	defer suite.Close()
	r := suite.Play(caseByID(t, "files/text"))
	assert.Equal(t, MUST, r.Level())
	assert.Contains(t, r.Explain(), "no such port")
}

func TestCasesThatDoNotApplyAreSkippedWithAReason(t *testing.T) {
	suite, err := New(Target{Addr: "127.0.0.1:1", RFCOnly: true})
	require.NoError(t, err)
	defer suite.Close()
	for _, row := range []struct{ id, reason string }{
		{"host/foreign", "our policy"},
		{"files/large", "needs the suite's own files"},
		{"path/fifo-not-held", "our policy"},
		{"files/chunked-range", `started for "chunked"`},
	} {
		assert.Contains(t, suite.Play(caseByID(t, row.id)).Skipped, row.reason, row.id)
	}
}

func TestEachCaseIsComplete(t *testing.T) {
	cases := Cases()
	assert.GreaterOrEqual(t, len(cases), 300)
	for _, c := range cases {
		assert.NotEmpty(t, c.Says, c.ID)
		assert.NotEmpty(t, c.Name(), c.ID)
		assert.True(t, c.RFC != "" || c.Level == HOUSE, "%s has no RFC and is not of our policy", c.ID)
		assert.True(t, c.script != nil || c.bytes != "" && len(c.wants) > 0, "%s sends or wants nothing", c.ID)
		for i, w := range c.wants {
			assert.NotEmpty(t, w.status, "%s demands no status of answer %d", c.ID, i+1)
		}
		assert.Contains(t, FourWays, c.variant, c.ID)
	}
}

func TestACaseIsBlamedForTheEndOfTheProcess(t *testing.T) {
	suite := nethttp(t, "exit")
	page := suite.Play(caseByID(t, "files/page")) // GET /contact.html
	require.Equal(t, MUST, page.Level())
	assert.Equal(t, Died, page.Failed[0].Faults[0].Kind)
	assert.Contains(t, page.Explain(), "the server's process ended: exit status 1")
	next := suite.Play(caseByID(t, "files/text"))
	assert.Equal(t, None, next.Level(), "the next case has another process")
}

func TestWhereTheServerHasGoneTheRestIsNotPlayed(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	suite, err := New(Target{Addr: server.Listener.Addr().String(), RFCOnly: true})
	require.NoError(t, err)
	defer suite.Close()
	server.Close()
	first := suite.Play(caseByID(t, "files/text"))
	assert.Contains(t, first.Explain(), "no connection to the server")
	assert.Equal(t, "the server had gone", suite.Play(caseByID(t, "files/image")).Skipped)
}

// Our own servers are to end in order.
func TestDyingOfSIGTERMIsNoOrderlyEndByOurPolicy(t *testing.T) {
	suite, err := New(Target{Cmd: []string{build(t, "./internal/nethttp"), "-listen", "127.0.0.1:{port}", "-root", "{root}", "-fault", "dies"}})
	require.NoError(t, err)
	defer suite.Close()
	suite.Play(caseByID(t, "files/text"))
	errs := suite.Finish()
	require.NotEmpty(t, errs)
	assert.ErrorContains(t, errs[0], "after SIGTERM: signal: terminated")
}

func TestTheLargestFileIsForServersThatStream(t *testing.T) {
	large := caseByID(t, "range/past-4-gib")
	streams := nethttp(t, "").Play(large)
	assert.Equal(t, None, streams.Level(), streams.Explain())
	assert.Empty(t, streams.Skipped)
	assert.Contains(t, nethttp(t, "whole").Play(large).Skipped, "takes files into memory whole")
}

func TestAServerOfOneConnectionAtATimeIsPlayedWithOne(t *testing.T) {
	t.Parallel()
	for fault, serial := range map[string]bool{"": false, "single": true} {
		suite := nethttp(t, fault)
		require.NoError(t, suite.Reach(true))
		assert.Equal(t, serial, suite.Serial())
		for _, id := range []string{"files/text", "pipeline/two", "closing/gone-at-once"} {
			r := suite.Play(caseByID(t, id))
			assert.Equal(t, None, r.Level(), r.Explain())
		}
	}
}

func TestReachSaysInOneLineWhyThereIsNothingToJudge(t *testing.T) {
	root := t.TempDir()
	bin := build(t, "./internal/nethttp")
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := closed.Addr().String()
	require.NoError(t, closed.Close())
	greeter := serveBytes(t, "SSH-2.0-OpenSSH_9.2\r\n")
	for _, row := range []struct {
		name   string
		target Target
		says   string
	}{
		{"nobody there", Target{Addr: nobody}, "nobody listens at " + nobody},
		{"another protocol", Target{Addr: greeter}, greeter + ` does not speak HTTP: it answers GET /sample.txt with "SSH-2.0-Open"`},
		{"no such command", Target{Cmd: []string{"./not-there"}}, "the server cannot be started: fork/exec ./not-there: no such file or directory"},
		{"a command that ends", Target{Cmd: []string{"sh", "-c", "echo usage: mine PORT; exit 3"}}, `exit status 3; it last said "usage: mine PORT"`},
		{"another root", Target{Cmd: []string{bin, "-listen", "127.0.0.1:{port}", "-root", root}}, "does not serve the folder {root}: GET /sample.txt is answered with 404"},
	} {
		t.Run(row.name, func(t *testing.T) {
			suite, err := New(row.target)
			require.NoError(t, err)
			defer suite.Close()
			err = suite.Reach(true)
			require.ErrorContains(t, err, row.says)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestTheRootIsForEverybodyToRead(t *testing.T) {
	suite := nethttp(t, "")
	suite.Play(caseByID(t, "files/text"))
	for path := suite.servers[Default].server.root; path != filepath.Dir(suite.temp); path = filepath.Dir(path) {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o755), info.Mode().Perm(), path)
	}
}

// nethttp is a suite for a server of net/http with a fault.
func nethttp(t *testing.T, fault string) *Suite {
	t.Helper()
	suite, err := New(Target{Cmd: []string{build(t, "./internal/nethttp"), "-listen", "127.0.0.1:{port}", "-root", "{root}", "-fault", fault}, RFCOnly: true})
	require.NoError(t, err)
	t.Cleanup(suite.Close)
	return suite
}

// build makes the program of a main package. Its link is in Go's cache after the first time.
func build(t *testing.T, pkg string) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "server")
	out, err := gobuild.Command(t.Context(), pkg, program).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// serveBytes says the same to whoever connects, and returns the address.
func serveBytes(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, text)
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}
