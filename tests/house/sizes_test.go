package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A stage is what one can read in an evening: its way of waiting, and nothing else. What is no
// lesson of the stage is in a shared package.
//
// The rule of counting: all lines of all Go files that are built into the stage or could be on
// another system, comments and empty lines included, tests not (as wc -l counts). What stages 2
// and 3 have in the same words (twins_test.go) is read once, and counts for stage 2 alone.
const (
	longestFile = 350
	twin        = "stage3-epoll/loop/socket.go"
	longestRing = 814 // of a loop over io_uring, which is read after the stage
)

// ofRing are the files of stage 3 that are about io_uring alone.
var ofRing = regexp.MustCompile(`^stage3-epoll/loop/(uring|ring)\w*\.go$`)

var longestStage = map[string]int{
	"stage1-threadpool": 1100,
	"stage2-poll":       1050,
	"stage3-epoll":      880,
	"stage4-prefork":    1786,
}

// sizes is how many lines each file of a stage has, by its path.
func sizes(t *testing.T, stage string) map[string]int {
	here, err := os.Getwd()
	require.NoError(t, err)
	top := here + "/../../" // see lines
	all := map[string]int{}
	require.NoError(t, filepath.WalkDir(top+stage, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(top + strings.TrimPrefix(path, filepath.Clean(top)+"/"))
		all[strings.TrimPrefix(path, filepath.Clean(top)+"/")] = strings.Count(string(text), "\n")
		return err
	}))
	require.NotEmpty(t, all)
	return all
}

func TestAStageIsShort(t *testing.T) {
	for stage, longest := range longestStage {
		t.Run(stage, func(t *testing.T) {
			total, ring := 0, 0
			for file, n := range sizes(t, stage) {
				require.LessOrEqual(t, n, longestFile, file)
				switch {
				case ofRing.MatchString(file):
					ring += n
				case file != twin:
					total += n
				}
			}
			require.LessOrEqual(t, total, longest)
			require.LessOrEqual(t, ring, longestRing)
			t.Logf("%d lines of %d", total, longest)
		})
	}
}
