package logging

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

const fileMode = 0o640 // the group may read: that is how log shippers get at it

// File is where lines go: a file that can be opened anew under the same name (logrotate(8) renames it, then sends HUP),
// or standard error. It is safe for concurrent use.
//
// It is opened with O_APPEND, so several processes may write to one file: each write(2) lands whole behind the last one
// (open(2)), as long as a line, or a batch of lines, is one Write.
type File struct {
	path string // empty for standard error

	mu   sync.Mutex // held over each Write, so that Reopen never comes between the parts of one
	file *os.File   // under mu
	torn bool       // under mu: the file ends in half a line
}

// Open opens path for appending and makes it where it is missing. An empty path is standard error.
func Open(path string) (*File, error) {
	if path == "" {
		return &File{file: os.Stderr}, nil
	}
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	return &File{path: path, file: f}, nil
}

func open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, fileMode)
}

// Write appends p, which is whole lines. A disk that is full may take half a line; the next Write that succeeds ends it
// first, so that it spoils no other.
func (f *File) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.torn {
		if _, err := f.file.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		f.torn = false
	}
	n, err := f.file.Write(p)
	f.torn = err != nil && n > 0 && p[n-1] != '\n'
	return n, err
}

// Reopen opens the path anew and lets go of the old file. Where that fails, the old file stays in use: a log in the wrong
// place is better than none. Standard error stays what it is.
func (f *File) Reopen() error {
	if f.path == "" {
		return nil
	}
	next, err := open(f.path)
	if err != nil {
		return err
	}
	f.mu.Lock()
	old := f.file
	f.file, f.torn = next, false
	f.mu.Unlock()
	return old.Close()
}

// Close closes the file; standard error stays open.
func (f *File) Close() error {
	if f.path == "" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Close()
}

// SurviveClosedPipe keeps the process alive when the reader of its standard output or standard error is gone, as after
// `server 2>&1 | head`. Go ends a process on EPIPE from descriptors 1 and 2 unless somebody asked to be notified of
// SIGPIPE (os/signal, "SIGPIPE"); then the write just fails, and the line is lost. Sockets are not concerned. The handler
// is not inherited over exec, so each process calls this once, at its start.
func SurviveClosedPipe() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
}
