package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/session"
	"fourways/shared/timerwheel"
)

func TestPollWaitsUntilTheNextDeadlineAndNotABitLess(t *testing.T) {
	r := &runner{local: &session.Local{}}
	require.Equal(t, -1, r.timeout(), "nothing to wait for is waited for without end")
	var n timerwheel.Node
	r.wheel.Schedule(&n, 1)
	require.Equal(t, 1, r.timeout(), "a part of a millisecond is rounded up: 0 would spin")
}
