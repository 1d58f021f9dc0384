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
// A test starts servers of its own (package harness), waits for events and not for times,
// and asserts nothing that depends on how fast the machine is: many tests run at once.
package behaviour

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/conformance"
	"fourways/tests/harness"
)

// registered is one test of every stage.
type registered struct {
	name  string
	run   func(*testing.T)
	alone bool // no other test of the stage may run meanwhile
}

// tests is all of them. The initialization of the package fills it.
var tests []registered

// test registers a test of every stage. What it returns is there to be assigned to _.
func test(name string, run func(*testing.T)) struct{} {
	tests = append(tests, registered{name: name, run: run})
	return struct{}{}
}

// alone is test for one that measures memory: a collector that has to wait for a processor lets it
// grow.
func alone(name string, run func(*testing.T)) struct{} {
	tests = append(tests, registered{name: name, run: run, alone: true})
	return struct{}{}
}

// All runs every test that is registered.
func All(t *testing.T) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if !test.alone {
				t.Parallel()
			}
			test.run(t)
		})
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

// Conformance plays the suite against the stage, once more over TLS, and once more through a proxy.
// From stage 3 on files leave by sendfile(2), but not over TLS.
func Conformance(t *testing.T) {
	name := stage()
	conformance.BePatient()
	t.Run("tls", func(t *testing.T) {
		t.Parallel()
		overTLS(t, name)
	})
	if oneThreadEach() || zeroCopy() && !hasMaster() {
		t.Run("proxied", func(t *testing.T) {
			t.Parallel()
			throughAProxy(t, name)
		})
	}
	conformance.Run(t, conformance.Target{
		Name:     name,
		Cmd:      []string{harness.Binary(), "--port", "{port}", "--root", "{root}"},
		Args:     conformance.FourWays,
		ZeroCopy: zeroCopy(),
		Streams:  true,
	})
}

// overTLS plays the suite on a listener of TLS, with a plain one beside it. How the bytes are cut
// is the business of the plain pass: here they come in records, each whole.
func overTLS(t *testing.T, name string) {
	conformance.Run(t, conformance.Target{
		Name: name + " over TLS",
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
