package sysnet

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Where each accept fails as if by the fault of one connection, the caller is told: it would wait
// for ever, and its processor would do nothing else.
func TestAnAcceptThatFailsForEverIsToldOf(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0) // it has no connections (accept(2), EOPNOTSUPP)
	require.NoError(t, err)
	a := NewAcceptor(fd, false)
	defer a.Close()
	_, _, err = a.Accept()
	require.Equal(t, unix.EOPNOTSUPP, err)
}
