package behaviour

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

var _ = test("SlowReadersOfAnAnswerDoNotHoldTheUpstream", slowReadersOfAnswers)

// slowReadersOfAnswers: the upstream has said all while its clients do not read; then they
// get all of it.
func slowReadersOfAnswers(t *testing.T) {
	content := numbered(8 << 20)
	said := make(chan error, 64)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sized" {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		}
		_, err := w.Write(content)
		if err == nil {
			err = http.NewResponseController(w).Flush()
		}
		said <- err
	}))
	defer up.Close()
	dir := t.TempDir()
	s := harness.Start(t, "-listen", "127.0.0.1:0", "-proxy", "/="+up.URL,
		"-sock-buf", "65536", "-proxy-buffer", "64", "-proxy-spill-dir", dir)
	for _, path := range []string{"/sized", "/chunked"} {
		resp := openAnswer(t, s, path)
		require.NoError(t, <-said)
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, got))
		resp.Body.Close()
	}
	require.Zero(t, s.Log.Count("takes nothing"))
}

// openAnswer asks for a path and reads the head alone.
func openAnswer(t *testing.T, s *harness.Server, path string) *http.Response {
	resp, err := (&http.Client{Transport: &http.Transport{ReadBufferSize: 4 << 10}}).Get(s.URL(path))
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	return resp
}
