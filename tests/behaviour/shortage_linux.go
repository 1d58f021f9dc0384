package behaviour

// A kernel that has no memory for a call now and then.

import (
	"crypto/sha256"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

var _ = test("AShortageInTheKernelCutsNobody", aShortageInTheKernelCutsNobody)

// aShortageInTheKernelCutsNobody: calls that fail for want of memory are made again, or others are
// made. Nobody's answer is cut, be it a file or another server's.
func aShortageInTheKernelCutsNobody(t *testing.T) {
	const rounds = 5
	body, err := io.ReadAll(mixedBody(1))
	require.NoError(t, err)
	up := httptest.NewServer(http.HandlerFunc(mixedBackend))
	t.Cleanup(up.Close)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file.txt"), body, 0o644))
	s := harness.Start(t, "-root", dir, "-proxy", "/1="+up.URL, "-workers", "1")
	trace, stop := s.Inject(t, "sendto,sendmsg,sendfile,splice,writev,pread64,preadv2,poll,ppoll:error=ENOMEM:when=2+3")
	for range rounds {
		for _, path := range []string{"/file.txt", "/1"} {
			resp, err := http.Get(s.URL(path))
			require.NoError(t, err, path)
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			require.NoError(t, err, path)
			require.Equal(t, 200, resp.StatusCode, path)
			require.Equal(t, sha256.Sum256(body), sha256.Sum256(got), path)
		}
	}
	stop()
	require.Positive(t, trace.Count("(INJECTED)"))
}
