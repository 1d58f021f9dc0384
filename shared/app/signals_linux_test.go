package app

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/config"
)

// Whoever has just started a server may reload it: a signal that comes before the settings have
// been read ends nothing.
func TestAReloadBeforeTheSettingsAreRead(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var stdout bytes.Buffer
	code := run(func() (Stage, func(*App) (Driver, error)) {
		for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGUSR1} {
			require.NoError(t, unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)) // it is here when the call returns
		}
		return Stage{Stage: config.Stage{Name: "early", DefaultWorkers: 1}}, nil
	}, []string{"-version"}, &stdout, &stdout)
	require.Zero(t, code, stdout.String())
}
