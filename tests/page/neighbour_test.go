package page

// A page of pictures in a real browser, while a neighbour keeps the machine busy. It is skipped
// where there is no browser, or where the kernel does not measure pressure.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// album is a folder with a page of so many pictures, each a file of its own.
func album(t *testing.T, pictures int) (root string) {
	t.Helper()
	root = t.TempDir()
	var picture bytes.Buffer
	require.NoError(t, png.Encode(&picture, image.NewGray(image.Rect(0, 0, 16, 16))))
	var text strings.Builder
	text.WriteString("<!doctype html><title>Pictures</title>\n")
	for i := range pictures {
		name := fmt.Sprintf("%d.png", i)
		require.NoError(t, os.WriteFile(filepath.Join(root, name), picture.Bytes(), 0o644))
		fmt.Fprintf(&text, "<img src=%s alt=%d>\n", name, i)
	}
	require.NoError(t, os.WriteFile(filepath.Join(root, "index.html"), []byte(text.String()), 0o644))
	return root
}

// neighbour takes all processors twice over until the test ends.
func neighbour(t *testing.T) {
	t.Helper()
	for range 2 * runtime.NumCPU() {
		cmd := exec.Command("sh", "-c", "while :; do :; done")
		require.NoError(t, cmd.Start())
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
	}
}

// limits is what /stats says of the defence.
type limits struct {
	Factor   float64        `json:"rate_factor"`
	Cause    string         `json:"rate_cause"`
	Refusals map[string]int `json:"refusals"`
}

func limitsOf(t *testing.T, s *harness.Server) (l limits) {
	t.Helper()
	_, body := s.Get(t, "/stats")
	require.NoError(t, json.Unmarshal(body, &l))
	return l
}

// A visitor's browser loads a page of 300 pictures, while a neighbour keeps the machine so
// busy that a server which follows the machine's pressure has long lowered its rate. The
// server has little to do itself, so nobody is refused.
func TestAPageOfPicturesBesideABusyNeighbour(t *testing.T) {
	const pictures = 300
	if _, err := os.Stat("/proc/pressure/cpu"); err != nil {
		t.Skip("the kernel does not tell the pressure")
	}
	tab := browserAlone(t)
	root := album(t, pictures)
	for _, stage := range stages {
		build(t, stage)
	}
	neighbour(t)
	for _, stage := range stages {
		t.Run(stage, func(t *testing.T) {
			t.Parallel() // it takes a while until the machine's pressure is felt
			program := build(t, stage)
			machine := start(t, program, "-listen", "127.0.0.1:0", "-rate-exempt", "none", "-adaptive", "pressure")
			s := start(t, program, "-listen", "127.0.0.1:0", "-rate-exempt", "none", "-root", root)
			harness.Eventually(t, "the machine's pressure would quarter the rate", func() bool { return limitsOf(t, machine).Factor == 0.25 })

			v := open(t, tab, s.URL("/"), 1200)
			v.await("all pictures are done", `document.images.length > 0 && [...document.images].every((i) => i.complete)`)
			require.Equal(t, pictures, eval[int](v, `[...document.images].filter((i) => i.naturalWidth === 16).length`), "pictures that can be seen")
			l := limitsOf(t, s)
			require.Zero(t, l.Refusals["rate-limited"])
			require.Equal(t, 1.0, l.Factor)
			require.Equal(t, "none", l.Cause)
		})
	}
}
