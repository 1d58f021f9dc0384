package sysnet

// Small files of the administrator's, read whole: settings, passwords, certificates, keys.
//
// The text belongs to the caller. What must not be done: reading must not wait for another process,
// as for a FIFO's writer, nor take memory without a bound, since a name may lead to anything.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

var (
	// ErrNotRegular: it is a folder, a FIFO, a socket or a device.
	ErrNotRegular = errors.New("not a regular file")
	// ErrTooLarge: the file is larger than what was asked for can be.
	ErrTooLarge = errors.New("too large")
)

// byteOrderMark is what some editors put in front of UTF-8. It means nothing.
const byteOrderMark = "\ufeff"

// Mark is by what a file is known to be as it was when it was read: its size in bytes, its time of
// modification, in nanoseconds since 1970, and its number on its disk. All keys of a kind are of
// one size, and what was unpacked from an archive may be of one time. The zero value is that of no
// file.
type Mark struct {
	Size, ModTime int64
	Inode         uint64
}

// MarkOf is the mark of a file.
func MarkOf(info fs.FileInfo) Mark {
	m := Mark{Size: info.Size(), ModTime: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		m.Inode = st.Ino
	}
	return m
}

// Unchanged reports whether the file at a path has this mark. It need not be readable. Where the
// system does not say, it has changed.
func (m Mark) Unchanged(path string) bool {
	info, err := os.Stat(path)
	return err == nil && m == MarkOf(info)
}

// ReadSmall reads a file of at most so many bytes, and what there is to tell of it. It does not
// wait for a FIFO's writer, and takes nothing but regular files. A byte order mark at the beginning
// is left out.
func ReadSmall(path string, most int64) ([]byte, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s: %w", path, ErrNotRegular)
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s: %w: more than %d bytes", path, ErrTooLarge, most)
	}
	if err != nil {
		return nil, nil, err
	}
	return bytes.TrimPrefix(data, []byte(byteOrderMark)), info, nil
}
