package shm

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestARegionOfASetStaysAsItWasMade(t *testing.T) {
	var s Set
	first, err := s.Get("one", 8)
	require.NoError(t, err)
	first[0] = 7
	again, err := s.Get("one", 4096)
	require.NoError(t, err)
	require.Len(t, again, len(first), "others have it mapped")

	var heir Set
	fd, err := unix.Dup(s.FD("one"))
	require.NoError(t, err)
	require.NoError(t, heir.Inherit("one", fd))
	theirs, err := heir.Get("one", 1)
	require.NoError(t, err)
	require.EqualValues(t, 7, theirs[0])
	s.Close()
	require.EqualValues(t, 7, theirs[0], "the heir has it still")
	heir.Close()

	fresh, err := s.Get("one", 8)
	require.NoError(t, err)
	require.Zero(t, fresh[0], "a set that was closed begins again")
	s.Close()
	require.ErrorContains(t, heir.Inherit("one", -1), "inherited memory for one")
}

func TestATextThatIsKeptCanBeOpenedAgain(t *testing.T) {
	for _, text := range []string{"", "workers 2\n"} {
		f, err := Keep("config", []byte(text))
		require.NoError(t, err)
		for range 2 {
			again, err := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
			if os.IsNotExist(err) {
				t.Skip("no /proc here")
			}
			require.NoError(t, err)
			require.Equal(t, text, string(again))
		}
		require.NoError(t, f.Close())
	}
}
