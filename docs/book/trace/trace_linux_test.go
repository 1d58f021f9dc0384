package trace

// The traces are recorded again, and compared with those that the book plays. What each of them is
// to show stands here once more, so that a recording of something else is found.

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/docs/book/update"
)

const folder = "../../steppers"

// Each committed trace is what the system does now.
func TestTheTracesAreWhatTheSystemDoes(t *testing.T) {
	for name, record := range All {
		t.Run(name, func(t *testing.T) {
			if os.Getpagesize() != 4096 {
				t.Skip("a pipe of one page has another room here")
			}
			got, err := record()
			require.NoError(t, err)
			file := filepath.Join(folder, name+".json")
			if *update.Wanted {
				require.NoError(t, os.WriteFile(file, got.JSON(), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got.JSON()), "go test ./docs/book/trace -update records it again")
		})
	}
}

func TestEachStepperIsATrace(t *testing.T) {
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, f := range files {
		require.Contains(t, All, strings.TrimSuffix(f.Name(), ".json"))
	}
}

// What a stepper claims, in the order of its frames: a recording that shows something else would
// still be compared with itself.
func TestTheTracesShowWhatTheyAreAbout(t *testing.T) {
	for name, calls := range map[string][]string{
		"level-and-edge": {"level: 0, edge: 0", "level: 1, edge: 1", "level: 1, edge: 0", "level: 1, edge: 0", "level: 1, edge: 1", "level: 0, edge: 0"},
		"lost-wake-up":   {"= 0", "1)", "= 1", "", "", "= 0", "", "", "1)", "= 1", "", "= 0"},
		"ghost":          {"(ADD)", "dup", "close", "= 1", "EBADF", "= 0"},
		"split":          {"", "= NeedData", "= NeedData", "= NeedData", "= NeedData", "= HasRequest"},
		"two-readers":    {"chunked", "by Content-Length", "by chunks", "", "= Error"},
		"gcra":           {"", "allowed", "allowed", "allowed", "limited, again in 1 s", "allowed", "allowed"},
		"whose-socket":   {"listen", "= 0", "ECONNRESET", "dup", "close", "finds the client"},
		"heartbeat": {"all is well", "SIGSTOP)", "= 0", "all is well", "silent for too long", "nobody has ended", "killed", "all is well", "SIGSTOP)",
			"nobody is blamed", "SIGCONT)", "all is well"},
		"poll-loop": {"= 0, and sleeps", "= 1", `"GET /small"`, "= 5", "= 1", `"GET /large"`, "= 4096", "= 0, and sleeps", "= 1", `"m"`, "= 1", "= 1904",
			"= 0, and sleeps"},
	} {
		got, err := All[name]()
		require.NoError(t, err)
		require.Len(t, got.Frames, len(calls), name)
		for i, end := range calls {
			require.True(t, strings.HasSuffix(got.Frames[i].Call, end), "%s %d: %s", name, i+1, got.Frames[i].Call)
		}
	}
}
