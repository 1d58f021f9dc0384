// Package shm makes memory that several processes share: counters, the table of clients, the
// heartbeats of workers.
//
// One process creates a region and hands its descriptor to those that it starts
// (exec.Cmd.ExtraFiles); each of them attaches to it. The memory lives as long as any of them has
// it open or mapped, and has no name in any file system, so that nothing is left behind when the
// last one dies, however it dies.
//
// What lies in a region must be integers of eight bytes, read and written with sync/atomic: each
// process maps it at another address, so a pointer in it means nothing, and a lock in it is held
// for ever by a process that was killed.
package shm

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Region is one mapping of shared memory. It is safe for concurrent use; Close ends it.
type Region struct {
	file *os.File
	mem  []byte
}

// ErrSize is the error of a size below one byte, and of a descriptor that is not that of a region.
var ErrSize = errors.New("shm: not a region of at least one byte")

// Create makes a region of size bytes, all zero. The name is for people who read /proc/PID/maps.
func Create(name string, size int) (*Region, error) {
	if size < 1 {
		return nil, ErrSize
	}
	file, err := create(name, int64(size))
	if err != nil {
		return nil, fmt.Errorf("shm: create %s: %w", name, err)
	}
	return attach(file, size)
}

// Attach maps the region whose descriptor was inherited as file. The file is the region's from then
// on, also where Attach fails.
func Attach(file *os.File) (*Region, error) {
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("shm: attach: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() < 1 {
		file.Close()
		return nil, ErrSize
	}
	return attach(file, int(info.Size()))
}

func attach(file *os.File, size int) (*Region, error) {
	mem, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("shm: map %s: %w", file.Name(), err)
	}
	return &Region{file: file, mem: mem}, nil
}

// Bytes is the memory, aligned to a page. It must not be touched after Close.
func (r *Region) Bytes() []byte { return r.mem }

// File is what a child process inherits. It stays the region's.
func (r *Region) File() *os.File { return r.file }

// Close unmaps the memory and closes the descriptor; for other processes nothing changes. It is
// called once.
func (r *Region) Close() error {
	return errors.Join(unix.Munmap(r.mem), r.file.Close())
}
