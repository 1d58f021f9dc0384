// Package behaviour is what every stage must do as a process, beyond what one exchange
// of bytes can show: start and stop in order, obey signals, survive slow and rude
// clients and the lack of descriptors, and leak nothing.
//
// The tests are for the program that Main built. They stand in a file for each topic; a
// stage's own tests call them by All, beside those for what only that stage does.
//
// To add a test, write its function into the file of its topic and register it there,
// above the function:
//
//	var _ = test("StopUnderLoad", stopUnderLoad)
//
// It runs in every stage. Where no fault of some stage's own code could fail it, a reach says so,
// and in one word what it looks at:
//
//	var _ = test("SSLScan", sslScan, once("secure"))
//
// A test starts servers of its own (package harness), waits for events and not for times,
// and asserts nothing that depends on how fast the machine is: many tests run at once.
package behaviour

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/conformance"
	"fourways/tests/harness"
)

// registered is one test of the stages.
type registered struct {
	name  string
	run   func(*testing.T)
	alone bool // no other test of the stage may run meanwhile
	reach
}

// reach is in which stages a test runs. [everywhere] is for what the own code of each has a part
// in.
type reach struct {
	stages string // their digits
	sees   string // what is looked at there
}

// once is for a test of what all stages have from one package of shared, which it names, and only
// pass bytes to: stage 3 runs it.
func once(pkg string) reach { return reach{"3", pkg} }

// perProcess is once for a test of what the processes of a server have to agree on: stage 3, which
// is one, and stage 4, which is several, run it.
func perProcess(pkg string) reach { return reach{"34", pkg} }

// perDriver is for a test of how a thread serves connections, and of what it does so by. Stage 4
// does not run it: a worker's threads are those of stage 3.
func perDriver(what string) reach { return reach{"123", what} }

// everywhere is for all stages.
var everywhere reach

// here reports whether the stage is one of them.
func (r reach) here() bool {
	return r == everywhere || strings.Contains(r.stages, strings.TrimPrefix(stage(), "stage")[:1])
}

// skipElsewhere skips a test that the stage need not run, unless -run has its whole name.
func (r reach) skipElsewhere(t *testing.T, test string) {
	t.Helper()
	if !r.here() && !strings.Contains(flag.Lookup("test.run").Value.String(), test) {
		t.Skipf("stage 3 runs it, for the same %s", r.sees)
	}
}

// tests is all of them. The initialization of the package fills it.
var tests []registered

// test registers a test, of every stage or of those that its reach names. What it returns is there
// to be assigned to _.
func test(name string, run func(*testing.T), in ...reach) struct{} {
	return register(registered{name: name, run: run}, in)
}

// alone is test for one that measures memory: a collector that has to wait for a processor lets it
// grow.
func alone(name string, run func(*testing.T), in ...reach) struct{} {
	return register(registered{name: name, run: run, alone: true}, in)
}

func register(r registered, in []reach) struct{} {
	if len(in) > 0 {
		r.reach = in[0]
	}
	tests = append(tests, r)
	return struct{}{}
}

// All runs every test that is registered for the stage. One that -run names is run in any stage.
// First come those that need to be alone, and then the others, beside what else runs in parallel.
func All(t *testing.T) {
	run := func(test registered) {
		t.Run(test.name, func(t *testing.T) {
			test.skipElsewhere(t, test.name)
			if !test.alone {
				t.Parallel()
			}
			test.run(t)
		})
	}
	for _, test := range tests {
		if test.alone {
			run(test)
		}
	}
	t.Parallel()
	for _, test := range tests {
		if !test.alone {
			run(test)
		}
	}
}

// What tells the stages apart is their programs' names, which are in their order.

// oneThreadEach reports whether the stage needs a thread for each connection.
func oneThreadEach() bool { return stage() < "stage2" }

// zeroCopy reports whether the stage sends files by sendfile(2).
func zeroCopy() bool { return stage() >= "stage3" }

// hasMaster reports whether the stage is several processes, which a master looks after.
func hasMaster() bool { return stage() >= "stage4" }

func stage() string { return filepath.Base(harness.Binary()) }

// Conformance plays the suite against the stage. Stage 4 reads as stage 3 does, so there no case's
// bytes are cut.
func Conformance(t *testing.T) {
	t.Parallel()
	conformance.BePatient()
	conformance.Run(t, conformance.Target{
		Name:      stage(),
		Cmd:       []string{harness.Binary(), "--port", "{port}", "--root", "{root}"},
		Args:      conformance.FourWays,
		ZeroCopy:  zeroCopy(),
		Streams:   true,
		WholeOnly: hasMaster(),
	})
}

// ConformanceOverTLS plays the suite on a listener of TLS, with a plain one beside it. Stages 1 and
// 3, a thread that blocks and a loop, play it, and through a proxy as well: no stage has code of
// its own for either. From stage 3 on files leave by sendfile(2), but not over TLS. How the bytes
// are cut is the business of the plain pass: here they come in records, each whole.
func ConformanceOverTLS(t *testing.T) {
	t.Parallel()
	conformance.BePatient()
	conformance.Run(t, conformance.Target{
		Name: stage() + " over TLS",
		Cmd: []string{"env", "XDG_CACHE_HOME=" + t.TempDir(), // where the certificate is kept
			harness.Binary(), "-listen", "127.0.0.1:0", "-tls-listen", "127.0.0.1:{port}", "-tls-self-signed", "-root", "{root}"},
		Args:      conformance.FourWays,
		TLS:       true,
		Streams:   true,
		WholeOnly: true,
		LeftOut:   slowOverTLS,
	})
}

// slowOverTLS is the cases that the pass over TLS leaves out, since they take seconds in which
// nothing happens. The tests of package secure play the same by a clock of their own.
var slowOverTLS = map[string]string{
	"timeout/slow-reader":          "waits for eight seconds; TestASlowReaderIsCut",
	"timeout/body-stalls":          "waits for the grace of the minimum rate; TestASlowUploadIsJudgedByWhatHasCome",
	"timeout/chunks-stall":         "waits for the grace of the minimum rate; TestASlowUploadIsJudgedByWhatHasCome",
	"timeout/expected-body-stalls": "waits for the grace of the minimum rate; TestASlowUploadIsJudgedByWhatHasCome",
}

// Exchange asks for a path on a connection that stays open, and reads the whole answer.
func Exchange(c net.Conn, path string) (status int, err error) {
	if err := sendGet(c, path); err != nil {
		return 0, err
	}
	return readAll(c)
}

// sendGet sends the request of an Exchange.
func sendGet(c net.Conn, path string) error {
	_, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
	return err
}

// readAll reads the whole answer of an Exchange.
func readAll(c net.Conn) (status int, err error) {
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// nobodyElse reports whether the server has no connection but that of whoever asks here.
func nobodyElse(t testing.TB, s *harness.Server) bool {
	_, body := s.Get(t, "/health")
	return bytes.Contains(body, []byte(`"active":1,`))
}

// rootWith makes a folder with one file of so many bytes, all zero.
func rootWith(t *testing.T, name string, size int64) string {
	root := rootWithUploads(t)
	path := filepath.Join(root, name)
	require.NoError(t, os.WriteFile(path, nil, 0o644))
	require.NoError(t, os.Truncate(path, size)) // sparse
	return root
}
