package site

// Which unpacked folders are in use. Each changed build unpacks a folder of its own beside those of
// earlier ones, and removes those that nobody needs any more.
//
// In each folder lies a file with a lock, which says what was unpacked. A process that serves the
// folder holds the lock shared until it ends (flock(2)). Whoever can have the lock alone knows
// that nobody serves the folder. What must not be done: a folder without the file must not be
// touched, because older programs serve such ones and hold nothing, nor one in which anything else
// lies than what was unpacked.

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	lockName       = ".lock" // hidden, and so never served
	unpackedPrefix = "site-"
	doomedPrefix   = "removing-" // nobody serves what is called so: it was renamed under the lock
)

// held are the locks of this process. They end with it: what serves a folder may outlive whoever
// had it unpacked.
var held struct {
	mu    sync.Mutex
	files []*os.File
}

// Hold keeps the folder from being removed while this process lives. Each process that serves it
// calls it, whoever has unpacked it. Where that process has not locked it either, as older programs
// do not, there is nothing to hold. It may wait for the disk.
func (u Unpacked) Hold() error {
	if u.Folder == "" || u.Temporary {
		return nil
	}
	lock, err := lockShared(u.Folder)
	if err == nil {
		keep(lock)
	}
	return err
}

// keep keeps a lock until the process ends; one of a folder is enough.
func keep(lock *os.File) {
	if lock == nil {
		return
	}
	held.mu.Lock()
	defer held.mu.Unlock()
	for _, f := range held.files {
		if sameFile(lock, f.Stat) {
			lock.Close()
			return
		}
	}
	held.files = append(held.files, lock)
}

// lockShared locks a folder against its removal. There is no lock, and no error, where the folder
// has no file for it or the file system has no locks: then nobody removes it. It waits where
// somebody is just about to remove the folder; then fs.ErrNotExist.
func lockShared(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	lock, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(dir)
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	return share(lock, path)
}

// share is the rest of it, once the file is open.
func share(lock *os.File, path string) (*os.File, error) {
	if flock(lock, unix.LOCK_SH) != nil {
		lock.Close()
		return nil, nil
	}
	if !named(lock, path) { // it was removed while we waited
		lock.Close()
		return nil, fs.ErrNotExist
	}
	return lock, nil
}

// named reports whether a path is still that of a file.
func named(f *os.File, path string) bool {
	return sameFile(f, func() (fs.FileInfo, error) { return os.Stat(path) })
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); err != unix.EINTR {
			return err
		}
	}
}

func sameFile(lock *os.File, other func() (fs.FileInfo, error)) bool {
	one, err := lock.Stat()
	two, otherErr := other()
	return err == nil && otherErr == nil && os.SameFile(one, two)
}

// makeLock makes the file for the lock of a folder that is whole, and locks it.
func makeLock(dir string) (*os.File, error) {
	list, err := inventory(dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, lockName)
	if err := os.WriteFile(path, list, 0o644); err != nil {
		return nil, err
	}
	return lockShared(dir)
}

// inventory has a line for each file of a folder, and for each folder in it.
func inventory(dir string) ([]byte, error) {
	var list bytes.Buffer
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir || path == filepath.Join(dir, lockName) {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			fmt.Fprintf(&list, "%q\n", name)
			return nil
		}
		info, err := entry.Info()
		if err == nil {
			list.WriteString(receiptLine(fmt.Sprintf("%q", name), info))
		}
		return err
	})
	return list.Bytes(), err
}

// removeUnused removes what other versions of the program have unpacked beside a folder and nobody
// needs any more. The error says what could not be looked at or removed, and can be ignored.
func removeUnused(dir string) error {
	parent, own := filepath.Split(dir)
	entries, err := os.ReadDir(parent)
	for _, entry := range entries {
		name := entry.Name()
		path := filepath.Join(parent, name)
		switch {
		case !entry.IsDir() || name == own: // not a folder, perhaps a link to one
		case strings.HasPrefix(name, unpackedPrefix):
			err = errors.Join(err, removeIfUnused(path))
		case strings.HasPrefix(name, doomedPrefix):
			err = errors.Join(err, os.RemoveAll(path))
		}
	}
	return err
}

// removeIfUnused removes a folder in which lies nothing but what was unpacked, if nobody serves it.
func removeIfUnused(dir string) error {
	path := filepath.Join(dir, lockName)
	lock, err := os.OpenFile(path, os.O_RDWR, 0) // on NFS, an exclusive lock is for writers
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	// Before the lock as well: whoever begins to serve the folder shall not have to wait.
	if untouched, err := untouched(dir); !untouched {
		return err
	}
	if err := flock(lock, unix.LOCK_EX|unix.LOCK_NB); err == unix.EWOULDBLOCK {
		return nil
	} else if err != nil {
		return err
	}
	if !named(lock, path) {
		return nil // another process was faster, and perhaps there is a new one in its place
	}
	if untouched, err := untouched(dir); !untouched {
		return err
	}
	doomed := filepath.Join(filepath.Dir(dir), doomedPrefix+strings.TrimPrefix(filepath.Base(dir), unpackedPrefix))
	if err := os.Rename(dir, doomed); err != nil {
		return err
	}
	lock.Close() // who waits for it sees that the folder is gone
	return os.RemoveAll(doomed)
}

// untouched reports whether in a folder lies what was unpacked and nothing else: no upload, and
// nothing that somebody has changed.
func untouched(dir string) (bool, error) {
	unpacked, err := os.ReadFile(filepath.Join(dir, lockName))
	if err != nil {
		return false, err
	}
	list, err := inventory(dir)
	return err == nil && len(unpacked) > 0 && bytes.Equal(list, unpacked), err
}
