package sysnet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

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
