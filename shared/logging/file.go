package logging

// The file that a log's lines go to, and how it is opened again.
//
// Three locks: mu is held for a word, opening for one Reopen, writing for one Write. Only Write
// waits without a bound. What must not be done: Reopen and Close must not take writing, since they
// are what ends a Write that hangs, and mu must not be held over a system call.

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"fourways/shared/timeout"
)

const (
	fileMode = 0o640 // the group may read: that is how log shippers get at it
	// openTime is how long a log's folder may take to open or close a file. A healthy one
	// takes microseconds, a network folder whose server is gone has no end.
	openTime = 2 * time.Second
)

// File is where lines go: a file that can be opened again under the same name (logrotate(8) renames
// it, then sends HUP), or standard error. It is safe for concurrent use.
//
// It is opened with O_APPEND, so several processes may write to one file: each write(2) lands whole
// after the last one (open(2)), as long as a line, or a batch of lines, is one Write.
//
// Only Write waits: for a full pipe, or a disk. Opening, reopening and closing fail if they take
// too long, and Reopen and Close break off a write that hangs where the system can do that.
type File struct {
	mu   sync.Mutex // for a word, never over a system call
	path string     // under mu; empty for standard error
	file *opened    // under mu
	made bool       // it was not there when it was opened

	opening sync.Mutex // held while a Reopen is under way, however long its folder takes
	writing sync.Mutex // held over each Write
	torn    *opened    // under writing: the file that ends in half a line; nil for none
}

// opened is a file, and what it was when it was opened: later it may be closed at any time.
type opened struct {
	*os.File
	info os.FileInfo // nil where that is not known
}

// same reports whether two are one file, opened again perhaps. Where that is not known they may be:
// an empty line does no harm.
func (o *opened) same(as *opened) bool {
	return o == as || o.info == nil || as.info == nil || os.SameFile(o.info, as.info)
}

// Open opens path for appending and makes it where it is missing. An empty path is standard error.
// It fails where a FIFO has no reader, and with timeout.ErrSlow where the folder does not answer.
func Open(path string) (*File, error) {
	f := &File{path: path, file: &opened{File: os.Stderr}}
	if path == "" {
		return f, nil
	}
	err := timeout.Within(openTime, func() error { return f.open(path) })
	if err != nil {
		return nil, named(path, err)
	}
	return f, nil
}

// OpenLater is Open for a file that cannot be opened now: standard error takes its place until a
// Reopen.
func OpenLater(path string) *File { return &File{path: path, file: &opened{File: os.Stderr}} }

// open opens a path, and makes that the file in use. To open a FIFO for writing waits for a
// reader unless O_NONBLOCK is given (fifo(7)); then it fails with ENXIO. Later writes to it wait in
// Go's own poller, where a close ends them.
func (f *File) open(path string) error {
	const flags = os.O_WRONLY | os.O_APPEND | os.O_CREATE | syscall.O_NONBLOCK
	next, err := os.OpenFile(path, flags|os.O_EXCL, fileMode)
	made := err == nil
	if errors.Is(err, fs.ErrExist) {
		next, err = os.OpenFile(path, flags, fileMode)
	}
	if err != nil {
		return Explained(path, err)
	}
	info, _ := next.Stat()
	f.mu.Lock()
	f.path, f.file, f.made = path, &opened{next, info}, made
	f.mu.Unlock()
	return nil
}

// Explained says more of an error of opening a log for writing: ENXIO stands for several (open(2)).
func Explained(path string, err error) error {
	if !errors.Is(err, syscall.ENXIO) {
		return err
	}
	switch info, _ := os.Stat(path); {
	case info == nil:
	case info.Mode()&fs.ModeNamedPipe != 0:
		return fmt.Errorf("%w: a FIFO that nobody reads", err)
	case info.Mode()&fs.ModeSocket != 0:
		return fmt.Errorf("%w: a Unix socket, and no file", err)
	}
	return err
}

// GiveTo makes the file that of a user, if it is one that we have made: he is to open it again. Any
// other may be somebody's, by a link, and stays his.
func (f *File) GiveTo(uid, gid int) error {
	f.mu.Lock()
	file, made := f.file, f.made
	f.mu.Unlock()
	if !made {
		return nil
	}
	return file.Chown(uid, gid)
}

// named says which file an error is about, where it does not say so itself.
func named(path string, err error) error {
	if errors.Is(err, timeout.ErrSlow) {
		return fmt.Errorf("open %s: %w", path, err)
	}
	return err
}

func (f *File) current() *opened {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file
}

// Write appends p, which is whole lines. A disk that is full may take half a line; the next Write
// that succeeds ends it first, so that it spoils no other. Where Reopen breaks a write off, the
// lines that the old file did not get whole go to the new one.
func (f *File) Write(p []byte) (n int, err error) {
	f.writing.Lock()
	defer f.writing.Unlock()
	for {
		file := f.current()
		some, err := f.writeTo(file, p[n:])
		if !errors.Is(err, os.ErrClosed) || file == f.current() {
			return n + some, err
		}
		n += bytes.LastIndexByte(p[n:n+some], '\n') + 1
	}
}

func (f *File) writeTo(file *opened, p []byte) (int, error) {
	if f.torn != nil && f.torn.same(file) {
		if _, err := file.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
	}
	f.torn = nil
	n, err := write(file.File, p)
	if err != nil && n > 0 && p[n-1] != '\n' {
		f.torn = file
	}
	return n, err
}

// Reopen opens the path again and lets go of the old file. Where that fails, the old file stays in
// use: a log in the wrong place is better than none. A folder that answers too late fails too, with
// timeout.ErrSlow; its file comes into use when it is there. Standard error stays what it is.
func (f *File) Reopen() error { return f.move(f.where) }

// where is the path, empty for standard error.
func (f *File) where() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.path
}

// Move is Reopen at another path, or at the same; an empty one is standard error.
func (f *File) Move(path string) error { return f.move(func() string { return path }) }

// move asks for the path once no other move is under way, which may change it.
func (f *File) move(to func() string) error {
	if !f.opening.TryLock() {
		return named(to(), timeout.ErrSlow) // the last one still waits
	}
	path := to()
	if path == "" && f.where() == "" {
		f.opening.Unlock()
		return nil
	}
	return named(path, timeout.Within(openTime, func() error {
		defer f.opening.Unlock()
		old := f.current()
		if path == "" {
			f.mu.Lock()
			f.path, f.file, f.made = "", &opened{File: os.Stderr}, false
			f.mu.Unlock()
		} else if err := f.open(path); err != nil {
			return err
		}
		if old.File == os.Stderr {
			return nil
		}
		return old.Close()
	}))
}

// CatchStacks has the stacks that Go's runtime writes when the process ends by a fault (SIGQUIT, a
// panic that nobody catches) go to the file that is in use now, as well as to standard error.
func (f *File) CatchStacks() error {
	if f.current().File == os.Stderr {
		return debug.SetCrashOutput(nil, debug.CrashOptions{})
	}
	return debug.SetCrashOutput(f.current().File, debug.CrashOptions{})
}

// Close closes the file; standard error stays open. A write that waits for a pipe's reader ends.
func (f *File) Close() error {
	path, file := f.where(), f.current()
	if file.File == os.Stderr {
		return nil
	}
	return named(path, timeout.Within(openTime, file.Close))
}

// SurviveClosedPipe keeps the process alive when the reader of its standard output or standard
// error is gone, as after `server 2>&1 | head`. Go ends a process on EPIPE from descriptors 1 and 2
// unless somebody asked to be notified of SIGPIPE (os/signal, "SIGPIPE"); then the write just
// fails, and the line is lost. Sockets are not concerned. The handler is not inherited over exec,
// so each process calls this once, at its start.
func SurviveClosedPipe() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
}
