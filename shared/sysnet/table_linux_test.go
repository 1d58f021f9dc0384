package sysnet

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// slots is how many descriptors this process's table can hold (FDSize, proc_pid_status(5)).
func slots(t *testing.T) int {
	text, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(text), "FDSize:")
	require.True(t, ok)
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(t, err)
	return n
}

func TestGrowDescriptorTable(t *testing.T) {
	want := slots(t) + 1
	require.NoError(t, GrowDescriptorTable(want))
	require.GreaterOrEqual(t, slots(t), want)

	grown := slots(t)
	require.NoError(t, GrowDescriptorTable(want), "it is as large already")
	require.Equal(t, grown, slots(t))

	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	require.ErrorIs(t, GrowDescriptorTable(int(limit.Cur)+1), unix.EINVAL)
}
