package children

// Starting a process with descriptors of fixed numbers, its report, and the news of its end.
//
// The caller keeps all descriptors that it passes; the child gets copies. The pipe for the report
// is ours, and its reading end is closed once the report is there. What must not be done: Start
// with Death must not be called on a thread that may end before the process, since the child ends
// with it.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"fourways/shared/shm"
)

// First is the number of the first descriptor that a child is given, after standard input, output
// and error.
const First = 3

// none stands for a descriptor that a child does not get.
const none = -1

// maxReport is what is read of a child's report, in bytes.
const maxReport = 4 << 10

// Command is what a child is to be.
type Command struct {
	Path   string
	Argv   []string
	Env    []string
	Report int            // the child's number for the end of a pipe that it reports to
	Hold   []os.Signal    // what waits, from its first moment on, until it asks for it or ignores it
	Death  syscall.Signal // what it gets when the thread that called Start ends (PR_SET_PDEATHSIG, prctl(2)); 0 for nothing

	files []int      // the child's descriptors from First on, by their numbers here, or none
	texts []*os.File // of those, the ones that were made for the child alone
}

// Pass gives the child a descriptor of ours, under a number of its own from First on.
func (c *Command) Pass(number, fd int) {
	for len(c.files) <= number-First {
		c.files = append(c.files, none)
	}
	c.files[number-First] = fd
}

// PassText gives the child a descriptor of memory that holds a text, with a name for whoever looks
// at its descriptors. Start closes it here.
func (c *Command) PassText(number int, name string, text []byte) error {
	f, err := shm.Keep(name, text)
	if err != nil {
		return err
	}
	c.texts = append(c.texts, f)
	c.Pass(number, int(f.Fd()))
	return nil
}

// Start executes a program. Its report comes to then, once, on a goroutine of its own: what the
// child has written when the last process closes the pipe, and nothing where it just died. With
// Death set it must be called on a thread that lives as long as the process.
func Start(c Command, then func(report string)) (pid int, err error) {
	defer func() {
		for _, f := range c.texts {
			f.Close()
		}
	}()
	report, writer, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer writer.Close()
	c.Pass(c.Report, int(writer.Fd())) // its blocking is what the child wants
	files := []uintptr{0, 1, 2}
	for _, fd := range c.files {
		files = append(files, uintptr(fd))
	}
	err = holding(c.Hold, func() (err error) {
		pid, err = syscall.ForkExec(c.Path, c.Argv, &syscall.ProcAttr{
			Env:   c.Env,
			Files: files,
			Sys:   &syscall.SysProcAttr{Pdeathsig: c.Death},
		})
		return err
	})
	if errors.Is(err, unix.EBADF) {
		// All that are passed on are open, so it is the number of one in the child that is beyond
		// the limit (dup2(2)).
		err = unix.EMFILE
	}
	if err != nil {
		report.Close()
		if errors.Is(err, unix.ENOENT) && strings.HasPrefix(c.Path, "/proc/") {
			err = fmt.Errorf("%w; mount proc(5)", err)
		}
		return 0, fmt.Errorf("cannot start %s: %w", c.Path, err)
	}
	go func() {
		text, _ := io.ReadAll(io.LimitReader(report, maxReport))
		report.Close()
		then(string(text))
	}()
	return pid, nil
}

// Unheld are the signals that end a Go program in its first moment although they were to be held:
// whoever starts one has to start it again then.
var Unheld = []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGTERM}

// holding does something while this thread takes none of some signals. A child that is begun
// meanwhile takes none either, over exec (signal(7)), until it changes that: a Go program does by
// Notify. So a signal that would end it before it can handle any waits. Go's runtime lets Unheld
// through all the same, and they end a Go program until it has asked for them.
func holding(signals []os.Signal, do func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var held, before unix.Sigset_t
	for _, sig := range signals {
		n, word := uint(sig.(syscall.Signal))-1, uint(unsafe.Sizeof(held.Val[0]))*8
		held.Val[n/word] |= 1 << (n % word)
	}
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &held, &before); err != nil {
		return err
	}
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	return do()
}

// Reap takes all children that have ended. One SIGCHLD may stand for several of them (signal(7)),
// so it asks until no more has ended. The first process of a container gets orphans as well, which
// it did not start.
func Reap(ended func(pid int, how End)) {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil || pid <= 0:
			return
		}
		ended(pid, End(status))
	}
}

// End is how a process has ended (wait(2)).
type End unix.WaitStatus

// String says it in words.
func (e End) String() string {
	if status := unix.WaitStatus(e); !status.Signaled() {
		return fmt.Sprintf("exit status %d", status.ExitStatus())
	}
	return unix.WaitStatus(e).Signal().String()
}

// By reports whether one of some signals has ended the process.
func (e End) By(signals ...os.Signal) bool {
	status := unix.WaitStatus(e)
	return status.Signaled() && slices.Contains(signals, os.Signal(status.Signal()))
}

// MostAgain is how often in a row a child is started again that a signal of Unheld has ended before
// it could handle any.
const MostAgain = 16

// OwnPath is where a new program would lie: under the name that this one was called by.
func OwnPath() string {
	if strings.ContainsRune(os.Args[0], '/') {
		return os.Args[0]
	}
	if path, err := os.Executable(); err == nil {
		return path
	}
	return os.Args[0]
}
