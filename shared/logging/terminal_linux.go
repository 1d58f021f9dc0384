package logging

import (
	"os"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// handled says that the process uses SIGTTOU for something else.
var handled atomic.Bool

// HandlesTTOU says that this process handles SIGTTOU, which a terminal sends who writes to it in
// the background where that is not wanted (stty tostop). A process that does not handle it is
// stopped. One that does would have its write begun again for ever, with a signal each time.
func HandlesTTOU() { handled.Store(true) }

// write is Write. In a process that handles SIGTTOU it holds the signal back, and the terminal lets
// the text through (termios(3)).
func write(f *os.File, p []byte) (int, error) {
	if f != os.Stderr || !handled.Load() {
		return f.Write(p)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var held, before unix.Sigset_t
	held.Val[0] = 1 << (unix.SIGTTOU - 1)
	if unix.PthreadSigmask(unix.SIG_BLOCK, &held, &before) == nil {
		defer unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	}
	return f.Write(p)
}
