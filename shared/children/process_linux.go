package children

// What a process asks of others, and of itself, beside starting them.

import (
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Alive reports whether there is such a process.
func Alive(pid int64) bool { return unix.Kill(int(pid), 0) != unix.ESRCH }

// AwaitEnd waits for the end of a pipe whose other end is open in one process alone, which is the
// end of that process, however that comes about.
func AwaitEnd(fd int) {
	var b [1]byte
	for {
		if _, err := unix.Read(fd, b[:]); err != unix.EINTR {
			return
		}
	}
}

// Report writes a text to the parent, which reads it once the pipe is closed. There is one report:
// a second one is written to nothing. Nil is for a process whose parent waits for none.
func Report(to *os.File, text string) error {
	if to == nil {
		return nil
	}
	defer to.Close()
	_, err := io.WriteString(to, text)
	return err
}

// Suspend stops this process as a terminal's Ctrl+Z asks (SIGTSTP), and returns once the process is
// continued. It is called on the main thread.
//
// Go's runtime cannot restore the kernel's default action, which is right here: it does not stop a
// process that no shell would continue (setpgid(2), orphaned groups).
func Suspend() {
	var standard, handler [8]uint64 // struct sigaction: all zero is SIG_DFL
	sigaction(unix.SIGTSTP, &standard, &handler)
	unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGTSTP) // the process stops here
	sigaction(unix.SIGTSTP, &handler, nil)
}

// sigaction is sigaction(2).
func sigaction(sig unix.Signal, set, before *[8]uint64) {
	const sizeOfSet = 8
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(before)), sizeOfSet, 0, 0)
}
