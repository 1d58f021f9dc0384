package harness

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A stage may be several processes: a master and its workers. What the stage as a whole
// uses is asked for here.

// Family is the stage's process and all that descend from it, by proc(5).
func (s *Server) Family(t testing.TB) []int {
	t.Helper()
	parents := parentsOfAll(t)
	family := []int{s.PID}
	for i := 0; i < len(family); i++ {
		for pid, parent := range parents {
			if parent == family[i] && !slices.Contains(family, pid) {
				family = append(family, pid)
			}
		}
	}
	return family
}

// parentsOfAll maps every process there is to its parent. One that ends meanwhile is left out.
func parentsOfAll(t testing.TB) map[int]int {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	parents := map[int]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// Behind the name, which may hold spaces: the state, and then the parent.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		require.NoError(t, err)
		parents[pid], err = strconv.Atoi(fields[1])
		require.NoError(t, err)
	}
	return parents
}

// FamilyDescriptors is the number of open descriptors of all its processes.
func (s *Server) FamilyDescriptors(t testing.TB) int {
	t.Helper()
	return s.ofFamily(t, (*Server).Descriptors)
}

// FamilyMemory is the resident memory of all its processes, in KiB. What they share counts
// once for each.
func (s *Server) FamilyMemory(t testing.TB) int {
	t.Helper()
	return s.ofFamily(t, (*Server).Memory)
}

func (s *Server) ofFamily(t testing.TB, of func(*Server, testing.TB) int) (sum int) {
	for _, pid := range s.Family(t) {
		sum += of(&Server{PID: pid}, t)
	}
	return sum
}
