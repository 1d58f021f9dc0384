package sysnet

// New files in a folder: whole or not there, on every file system.
//
// A file is written without a name of its own, and gets it when it is complete. Where the system
// can, it has no name at all until then (O_TMPFILE, open(2)): whatever ends the process, the file
// ends with it. Elsewhere it has a temporary one, which is left after a crash.
//
// Naming a file must never replace another one. link(2) fails where the name is taken, as rename(2)
// does not. Where there are no hard links (FAT, some network and user space file systems) the file
// is renamed without replacing (RENAME_NOREPLACE, rename(2)), and where that is missing too, an
// empty file takes the name first, which only one process can make, and is then replaced.
//
// A Folder is safe for concurrent use; a NewFile belongs to its creator. All of this may wait for
// the disk.

import (
	"errors"
	"io"
	"os"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	newFileMode = 0o644 // less the umask
	namesAtOnce = 256   // names read from a folder at a time
)

// Folder is an open folder. If it is not closed, the garbage collector closes it.
type Folder struct {
	fd    int
	file  *os.File    // the same, which closes itself
	names atomic.Bool // files need a name from the beginning
}

// OpenFolder opens a folder by its name.
func OpenFolder(dir string) (*Folder, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return newFolder(fd, dir), nil
}

// OpenFolder opens a folder below the root: ErrNotFound where there is none, ErrOutside where
// a symbolic link leads out.
func (r *Root) OpenFolder(name string) (*Folder, error) {
	var st Stat
	fd, err := r.Open([]byte(name), &st)
	if err != nil {
		return nil, err
	}
	if !st.Folder {
		CloseFile(fd)
		return nil, ErrNotFound
	}
	return newFolder(fd, name), nil
}

func newFolder(fd int, name string) *Folder {
	return &Folder{fd: fd, file: os.NewFile(uintptr(fd), name)}
}

// UseNames gives files a temporary name from the beginning, as on systems without nameless files.
// It is for tests.
func (d *Folder) UseNames() { d.names.Store(true) }

// Close closes the folder. Files that are under way in it can still be given up.
func (d *Folder) Close() { d.file.Close() }

// Sync makes the folder's names survive a crash (fsync(2)). A file system that has no fsync for
// folders needs none.
func (d *Folder) Sync() error {
	defer runtime.KeepAlive(d)
	err := retry(func() error { return unix.Fsync(d.fd) })
	if err == unix.EINVAL || err == unix.ENOTSUP || err == unix.ENOSYS {
		return nil
	}
	return wrap("fsync", ".", err)
}

// Remove removes a file.
func (d *Folder) Remove(name string) error {
	defer runtime.KeepAlive(d)
	return wrap("unlinkat", name, retry(func() error { return unix.Unlinkat(d.fd, name, 0) }))
}

// Each calls do for every regular file, with what lstat(2) says of it. Files that come or go
// meanwhile may be among them or not.
func (d *Folder) Each(do func(name string, st *Stat) error) error {
	defer runtime.KeepAlive(d)
	fd, err := unix.Openat(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return wrap("openat", ".", err)
	}
	dir := os.NewFile(uintptr(fd), ".")
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(namesAtOnce)
		for _, name := range names {
			var sys unix.Stat_t
			var st Stat
			if unix.Fstatat(d.fd, name, &sys, unix.AT_SYMLINK_NOFOLLOW) != nil || fill(&sys, &st) != nil || st.Folder {
				continue
			}
			if err := do(name, &st); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// NewFile is a file that is being written.
type NewFile struct {
	*os.File
	folder *Folder
	temp   string // its name until it is published; empty for none
}

// Create makes an empty file. temp is its name where it needs one from the beginning.
func (d *Folder) Create(temp string) (*NewFile, error) {
	defer runtime.KeepAlive(d)
	if !d.names.Load() {
		fd, err := openNameless(d.fd, newFileMode)
		if err == nil {
			return &NewFile{File: os.NewFile(uintptr(fd), temp), folder: d}, nil
		}
		if !cannot(err) {
			return nil, wrap("openat", ".", err)
		}
		d.names.Store(true)
	}
	return d.createNamed(temp)
}

func (d *Folder) createNamed(temp string) (*NewFile, error) {
	var fd int
	err := retry(func() (err error) {
		fd, err = unix.Openat(d.fd, temp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, newFileMode)
		return err
	})
	if err != nil {
		return nil, wrap("openat", temp, err)
	}
	return &NewFile{File: os.NewFile(uintptr(fd), temp), folder: d, temp: temp}, nil
}

// Publish gives the file its name. Where the name is taken it fails with fs.ErrExist, and another
// name may be tried.
func (f *NewFile) Publish(name string) error {
	d := f.folder
	defer runtime.KeepAlive(d)
	if f.temp == "" {
		err := linkNameless(int(f.Fd()), d.fd, name)
		if !cannot(err) {
			return wrap("linkat", name, err)
		}
		d.names.Store(true)
		if err := f.copyNamed(); err != nil {
			return err
		}
	}
	err := retry(func() error { return unix.Linkat(d.fd, f.temp, d.fd, name, 0) })
	if !cannot(err) {
		return wrap("linkat", name, err)
	}
	if err = renameNew(d.fd, f.temp, name); cannot(err) {
		err = d.claim(f.temp, name)
	}
	if err == nil {
		f.temp = ""
	}
	return wrap("rename", name, err)
}

// claim takes the name with an empty file, and then replaces that file. A crash between the two
// leaves the empty one.
func (d *Folder) claim(temp, name string) error {
	empty, err := d.createNamed(name)
	if err != nil {
		return err
	}
	empty.Close()
	err = retry(func() error { return unix.Renameat(d.fd, temp, d.fd, name) })
	if err != nil {
		d.Remove(name)
	}
	return err
}

// copyNamed copies a nameless file to one with a temporary name. It is for systems that make
// nameless files but cannot name them (in a sandbox without /proc).
func (f *NewFile) copyNamed() error {
	named, err := f.folder.createNamed(f.Name())
	if err != nil {
		return err
	}
	if _, err = f.Seek(0, io.SeekStart); err == nil {
		_, err = io.Copy(named.File, f.File)
	}
	if err == nil {
		err = named.Sync()
	}
	if err != nil {
		named.Discard()
		return err
	}
	f.Close()
	*f = *named
	return nil
}

// Discard closes the file, and removes its temporary name if it has one. A published file stays.
func (f *NewFile) Discard() {
	f.Close()
	if f.temp != "" {
		f.folder.Remove(f.temp)
	}
}

// cannot reports whether an error means that the file system has no such operation.
func cannot(err error) bool {
	for _, e := range [...]error{unix.EPERM, unix.EINVAL, unix.ENOTSUP, unix.EOPNOTSUPP, unix.ENOSYS, unix.EMLINK, unix.ENOTTY,
		unix.EISDIR, unix.EXDEV, errNoProc} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// errNoProc: the system could do it, but only with /proc.
var errNoProc = errors.New("there is no /proc")

func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: name, Err: err}
}

// Named is what a folder has under a name.
type Named struct {
	Name string
	Stat
}

// List reads the files and folders of a folder below the root, at most so many, in no order; more
// reports whether there are others. Links, and what is neither file nor folder, are not among them:
// where a link leads only opening it tells. It waits for the disk.
func (r *Root) List(name string, most int) (list []Named, more bool, err error) {
	var st Stat
	fd, err := r.Open([]byte(name), &st)
	if err != nil {
		return nil, false, err
	}
	dir := os.NewFile(uintptr(fd), name)
	defer dir.Close()
	if !st.Folder {
		return nil, false, ErrNotFound
	}
	for {
		names, err := dir.Readdirnames(namesAtOnce)
		for _, name := range names {
			var sys unix.Stat_t
			n := Named{Name: name}
			if unix.Fstatat(fd, name, &sys, unix.AT_SYMLINK_NOFOLLOW) != nil || fill(&sys, &n.Stat) != nil {
				continue
			}
			if len(list) == most {
				return list, true, nil
			}
			list = append(list, n)
		}
		if err == io.EOF {
			return list, false, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
}
