package sysnet

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAWaitIsUnseenForAMomentAndNotWhileThePoolWorks(t *testing.T) {
	require.Equal(t, UnseenWait, Unseen(-1, 0), "-1 is for ever")
	require.Equal(t, UnseenWait, Unseen(UnseenWait+1, 0))
	require.Equal(t, UnseenWait/2, Unseen(UnseenWait/2, 0))
	require.Zero(t, Unseen(-1, 1), "the pool wants the processor")
}
