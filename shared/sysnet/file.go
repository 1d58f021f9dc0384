package sysnet

// Files below a served folder. Whatever a path says, and wherever symbolic links
// lead, nothing outside the folder is opened: the kernel sees to it (openat2(2)
// with RESOLVE_BENEATH), or os.Root where it cannot. Opening never waits for
// somebody else either, as a FIFO's reader would for its writer, and gives regular
// files and folders only.

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// What opening a file can fail with. Anything else is the system's error as it came.
var (
	// ErrNotFound: there is no such file, or it is none: a socket, a FIFO, a device.
	ErrNotFound = errors.New("no such file")
	// ErrOutside: a symbolic link leads out of the folder.
	ErrOutside = errors.New("the path leads out of the folder")
	// ErrForbidden: the system does not let this process read the file.
	ErrForbidden = errors.New("reading the file is not permitted")
	// ErrNameTooLong: no file can have this name.
	ErrNameTooLong = errors.New("the name is too long for a file")
	// ErrBusy: the system is out of descriptors or memory; later it may work.
	ErrBusy = errors.New("out of descriptors or memory")
)

// Stat is what tells one state of a file from another, and its size. The system
// advances the times by its clock's tick, some milliseconds: a change within one
// tick of another, to the same length, does not show.
type Stat struct {
	Size       int64 // bytes
	ModTime    int64 // last change of the contents, nanoseconds since 1970
	ChangeTime int64 // last change of the contents or the metadata, nanoseconds since 1970
	Dev, Ino   uint64
	Folder     bool // else a regular file
}

// Root is a served folder. It is safe for concurrent use.
type Root struct {
	folder *os.Root
	fd     int // of the folder, for openat2(2); -1 where there is none
}

// OpenRoot opens a folder to serve. If its name later comes to mean another folder,
// this one is served on.
func OpenRoot(dir string) (*Root, error) {
	folder, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Root{folder: folder, fd: openBeneath(dir)}, nil
}

// Folder is the same folder for everything but fast reading: making, renaming and
// removing files.
func (r *Root) Folder() *os.Root { return r.folder }

// Close closes the folder. Files opened in it stay open.
func (r *Root) Close() error {
	if r.fd >= 0 {
		unix.Close(r.fd)
	}
	return r.folder.Close()
}

// Open opens a file or folder for reading and says in st which. path is relative to
// the root and has no slash in front; empty, it is the root itself. It may block as
// long as the disk takes. The caller closes the descriptor.
func (r *Root) Open(path []byte, st *Stat) (fd int, err error) {
	if bytes.IndexByte(path, 0) >= 0 {
		return -1, ErrNotFound
	}
	fd, err = r.open(path)
	if err != nil {
		return -1, classify(err)
	}
	if err = Fstat(fd, st); err != nil {
		CloseFile(fd)
		return -1, err
	}
	return fd, nil
}

// Look says what a path names now, if it can without opening it. Unlike Open it may
// follow a symbolic link out of the root: it serves to compare with what Open found,
// and nothing else.
func (r *Root) Look(path []byte, st *Stat) error {
	if bytes.IndexByte(path, 0) >= 0 {
		return ErrNotFound
	}
	return classify(r.look(path, st))
}

// lookPortably opens the file to look at it.
func (r *Root) lookPortably(path []byte, st *Stat) error {
	fd, err := r.Open(path, st)
	if err == nil {
		CloseFile(fd)
	}
	return err
}

// openPortably opens by os.Root, which walks the path a segment at a time.
func (r *Root) openPortably(path []byte) (int, error) {
	name := "."
	if len(path) > 0 {
		name = string(path)
	}
	f, err := r.folder.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return -1, err
	}
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd, dupErr := -1, error(nil)
	// A descriptor of our own: the File's is closed when the collector finds it.
	err = raw.Control(func(owned uintptr) { fd, dupErr = unix.FcntlInt(owned, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(err, dupErr)
}

// Fstat says what an open descriptor is: ErrNotFound for what is neither a regular
// file nor a folder.
func Fstat(fd int, st *Stat) error {
	var sys unix.Stat_t
	for {
		switch err := unix.Fstat(fd, &sys); err {
		case nil:
			return fill(&sys, st)
		case unix.EINTR:
			continue
		default:
			return err
		}
	}
}

func fill(sys *unix.Stat_t, st *Stat) error {
	*st = Stat{
		Size: sys.Size, ModTime: sys.Mtim.Nano(), ChangeTime: sys.Ctim.Nano(),
		Dev: uint64(sys.Dev), Ino: uint64(sys.Ino),
	}
	return st.setKind(uint32(sys.Mode))
}

func (st *Stat) setKind(mode uint32) error {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return nil
	case unix.S_IFDIR:
		st.Folder = true
		return nil
	}
	return ErrNotFound
}

// Pread reads from a file at an offset until p is full or the file ends (pread(2)).
// At the end it returns io.EOF, or io.ErrUnexpectedEOF where it had begun.
func Pread(fd int, p []byte, off int64) (n int, err error) {
	for n < len(p) {
		got, err := pread(fd, p[n:], off+int64(n))
		switch {
		case err != nil:
			return n, err
		case got == 0 && n > 0:
			return n, io.ErrUnexpectedEOF
		case got == 0:
			return 0, io.EOF
		}
		n += got
	}
	return n, nil
}

// CloseFile closes a descriptor that Open returned. Nothing was written to it, so
// there is nothing that closing could fail to save.
func CloseFile(fd int) { unix.Close(fd) }

// IsFull reports whether an error of writing means that there is no room for more: on
// the disk, in somebody's share of it, or in a file.
func IsFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}

// IsBusy reports whether an error means that the system is out of descriptors or
// memory.
func IsBusy(err error) bool {
	return errors.Is(err, ErrBusy) || errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}

// classify makes one of this package's errors of the system's where there is one.
func classify(err error) error {
	if err == nil {
		return nil
	}
	errno, plain := err.(unix.Errno) // nearly always, and without the allocation of errors.As
	if !plain && !errors.As(err, &errno) {
		// os.Root's own verdict has no value to compare with. Its other errors are system
		// calls', and that it was closed.
		if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) && !errors.Is(err, fs.ErrClosed) {
			return ErrOutside
		}
		return err
	}
	switch errno {
	case unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.ENXIO, unix.ENODEV:
		return ErrNotFound
	case unix.EXDEV:
		return ErrOutside
	case unix.EACCES, unix.EPERM:
		return ErrForbidden
	case unix.ENAMETOOLONG:
		return ErrNameTooLong
	case unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EAGAIN:
		return ErrBusy
	}
	return err
}
