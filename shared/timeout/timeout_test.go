package timeout

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWithinHasTheErrorOfWhatEndsInTime(t *testing.T) {
	failed := errors.New("failed")
	require.NoError(t, Within(time.Hour, func() error { return nil }))
	require.Equal(t, failed, Within(time.Hour, func() error { return failed }))
}

func TestWithinDoesNotWaitForWhatHangs(t *testing.T) {
	hung := make(chan struct{})
	ended := make(chan struct{})
	err := Within(time.Millisecond, func() error {
		<-hung
		close(ended)
		return nil
	})
	require.ErrorIs(t, err, ErrSlow)
	close(hung)
	<-ended // it goes on alone
}
