package app

// What HUP asks for, where a disk may hang.
//
// A test holds the work itself, and says when it goes on. What must not be done: no case may leave
// work behind that waits for ever.

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/sysnet"
)

func TestWhatHangsIsDoneOnceMoreHoweverOftenItIsAskedFor(t *testing.T) {
	var r repeated
	begun, letGo := make(chan struct{}), make(chan struct{})
	work := func() {
		begun <- struct{}{}
		<-letGo
	}
	r.ask(work)
	<-begun
	for range 100 { // as many signals, while the folder of the logs does not answer
		r.ask(work)
	}
	letGo <- struct{}{}
	<-begun // what was renamed meanwhile is opened again
	letGo <- struct{}{}
	idle := func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return !r.going
	}
	require.Eventually(t, idle, 20*time.Second, time.Millisecond, "and that was all")
	r.wait() // of what is done nobody waits
	r.ask(work)
	<-begun
	done := make(chan struct{})
	go func() {
		r.wait()
		close(done)
	}()
	select {
	case <-done:
		t.Error("it is still at work")
	case <-time.After(time.Millisecond):
	}
	letGo <- struct{}{}
	<-done
}

// The number of a descriptor that was closed may be another's.
func TestAFolderIsNotClosedInTheHandsOfWhoeverLooksAtIt(t *testing.T) {
	root, err := sysnet.OpenRoot(t.TempDir())
	require.NoError(t, err)
	f := sharedFolder{Root: root}
	require.True(t, f.use(func() {
		f.close()
		require.NoError(t, f.Check(), "a look that hangs keeps it open")
	}))
	f.close()
	require.False(t, f.use(func() { t.Error("it was closed") }))
}
