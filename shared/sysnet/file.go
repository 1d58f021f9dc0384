package sysnet

// Files below a served folder. Whatever a path says, and wherever symbolic links lead, nothing
// outside the folder is opened: the kernel sees to it (openat2(2) with RESOLVE_BENEATH), or os.Root
// where it cannot. Opening waits no longer than a moment for another process, and for the writer of
// a FIFO not at all, and gives regular files and folders only.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// leasePause is the longest of the pauses, each twice as long as the one before, in which a program
// is waited for that has a lease on a file.
const leasePause = 64 * time.Millisecond

// What opening a file can fail with. Anything else is the system's error as it came.
var (
	// ErrNotFound: there is no such file, or it is not a regular one: a socket, a FIFO, a device.
	ErrNotFound = errors.New("no such file")
	// ErrOutside: a symbolic link leads out of the folder.
	ErrOutside = errors.New("the path leads out of the folder")
	// ErrForbidden: the system does not let this process read the file.
	ErrForbidden = errors.New("reading the file is not permitted")
	// ErrNameTooLong: no file can have this name.
	ErrNameTooLong = errors.New("the name is too long for a file")
	// ErrBusy: the system is out of descriptors or memory, or another program does not give its
	// lease on the file back; later it may work.
	ErrBusy = errors.New("out of descriptors or memory, or another program has a lease on the file (fcntl(2))")
)

// Stat is what tells one state of a file from another, and its size. The system
// advances the times by its clock's tick, some milliseconds: a change within one
// tick of another, to the same length, does not show.
type Stat struct {
	Size       int64 // bytes
	ModTime    int64 // last change of the contents, nanoseconds since 1970
	ChangeTime int64 // last change of the contents or the metadata, nanoseconds since 1970
	Dev, Ino   uint64
	Links      uint64 // names that lead to it
	Folder     bool   // else a regular file
}

// SameAs says why a file that was in state st and is now in another cannot be sent on as if it were
// the same; nil where it can. A change of the contents moves the time of modification. That can be
// set back, but then the time of change moves, as it also does where only the metadata change; so a
// moved time of change counts as a change. The exception is that a name was added or removed, for
// example when another file is renamed over it: the contents stay.
func (st Stat) SameAs(now Stat) error {
	switch {
	case now.Size < st.Size:
		return ErrTruncated
	case now.Size != st.Size, now.ModTime != st.ModTime, now.ChangeTime != st.ChangeTime && now.Links == st.Links:
		return ErrChanged
	}
	return nil
}

// Root is a served folder. It is safe for concurrent use.
type Root struct {
	now    atomic.Pointer[folder]
	closed atomic.Bool
}

// folder is what the root's name led to when it was opened. Calls under way may still use a folder
// that has been replaced: the last of them closes it.
type folder struct {
	*os.Root
	dir     string // its name
	fd      int    // the same folder
	beneath bool   // openat2(2) is available
	users   Users
}

// Users counts who uses something that its owner may give up meanwhile. It is safe for concurrent
// use. The owner is the first.
type Users struct{ n atomic.Int32 }

// Begin makes the owner a user.
func (u *Users) Begin() { u.n.Store(1) }

// Enter makes the caller a user, and reports false where there is none any more.
func (u *Users) Enter() bool {
	for {
		n := u.n.Load()
		if n <= 0 {
			return false
		}
		if u.n.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Leave ends one use, and reports whether it was the last.
func (u *Users) Leave() bool { return u.n.Add(-1) == 0 }

// OpenRoot opens a folder to serve. If its name later leads to another folder, this one is still
// served until Reopen.
func OpenRoot(dir string) (*Root, error) { return OpenRootAt(dir, dir) }

// OpenRootAt is OpenRoot of a folder that another name leads to, as that of a descriptor does
// (proc_pid_fd(5)): dir is only what it is called, until Reopen.
func OpenRootAt(dir, name string) (*Root, error) {
	f, err := openFolder(dir, name)
	if err != nil {
		return nil, err
	}
	r := &Root{}
	r.now.Store(f)
	return r, nil
}

// openFolder opens the folder that a name leads to, and calls it dir.
func openFolder(dir, name string) (*folder, error) {
	if name != "" {
		name += "/" // nothing but a folder is opened then, and no FIFO waited for (path_resolution(7))
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		if e := (*os.PathError)(nil); errors.As(err, &e) {
			e.Path = dir
		}
		return nil, err
	}
	f := &folder{Root: root, dir: dir}
	if f.fd, err = f.openPortably(nil); err != nil {
		root.Close()
		return nil, err
	}
	f.beneath = beneath(f.fd)
	f.users.Begin()
	return f, nil
}

// use is the folder that is served now, nil once the root is closed. Its user leaves it at last.
func (r *Root) use() *folder {
	for !r.closed.Load() {
		if f := r.now.Load(); f.users.Enter() {
			return f
		}
	}
	return nil
}

// leave ends a use of the folder.
func (f *folder) leave() (err error) {
	if f.users.Leave() {
		err = f.Root.Close()
		CloseFile(f.fd)
	}
	return err
}

// What Check finds of a root.
var (
	// ErrGone: the folder was removed, or there is none under its name, or the program has ended
	// that its file system is.
	ErrGone = errors.New("the folder is gone")
	// ErrUnseen: the look at it has failed, by a disk, for want of memory, or because its name
	// leads where we may not look. It may be served all the same.
	ErrUnseen = errors.New("the folder cannot be looked at")
	// ErrBarred: it is there, and we may not search it any more: no file in it can be opened.
	ErrBarred = errors.New("the folder may not be searched by this user")
	// ErrMoved: its name leads to another folder now.
	ErrMoved = errors.New("the name leads to another folder")
)

// Check says whether the folder that is served is the one that its name leads to. It may block as
// long as the disk takes.
func (r *Root) Check() error {
	f := r.use()
	if f == nil {
		return fs.ErrClosed
	}
	defer f.leave()
	var served unix.Stat_t
	var named unix.Stat_t
	if err := unix.Fstat(f.fd, &served); err != nil {
		return notSeen(err)
	}
	err := unix.Stat(f.dir, &named)
	switch {
	case served.Nlink == 0:
		return ErrGone
	case err != nil:
		return notSeen(err)
	case named.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fmt.Errorf("%w: %w", ErrGone, unix.ENOTDIR)
	case named.Dev != served.Dev || named.Ino != served.Ino:
		return ErrMoved
	case unix.Faccessat(f.fd, ".", unix.X_OK, 0) == unix.EACCES:
		return ErrBarred
	}
	return nil
}

// notSeen says what an error of stat(2) means for a folder.
func notSeen(err error) error {
	switch err {
	case unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.ESTALE, unix.ENOTCONN:
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return fmt.Errorf("%w: %w", ErrUnseen, err)
}

// Reopen opens the folder that the root's name leads to now, and serves that from now on. It
// reports whether it is another one. Where it fails, the old one is still served.
func (r *Root) Reopen() (other bool, err error) {
	if err := r.Check(); err == nil || err == fs.ErrClosed {
		return false, err
	}
	if err := r.Move(r.Name()); err != nil {
		return false, err
	}
	return true, nil
}

// Name is the root's name.
func (r *Root) Name() string { return r.now.Load().dir }

// FD is the descriptor of the folder that is served, for another process. It is the root's, and
// open until Close or the next Reopen or Move.
func (r *Root) FD() int { return r.now.Load().fd }

// Move gives the root another name, and serves the folder that this leads to. Where it fails, the
// old one is still served. It may not be called after Close.
func (r *Root) Move(dir string) error {
	f, err := openFolder(dir, dir)
	if err == nil {
		r.now.Swap(f).leave()
	}
	return err
}

// Close closes the folder, once the calls under way are done. Files opened in it stay open.
func (r *Root) Close() error {
	if r.closed.Swap(true) {
		return fs.ErrClosed
	}
	return r.now.Load().leave()
}

// Open opens a file or folder for reading and says in st which. path is relative to
// the root and has no slash in front; empty, it is the root itself. It may block as
// long as the disk takes. The caller closes the descriptor.
func (r *Root) Open(path []byte, st *Stat) (fd int, err error) {
	if bytes.IndexByte(path, 0) >= 0 {
		return -1, ErrNotFound
	}
	fd, err = r.open(path)
	// The program that has a lease on the file has just been asked for it, and gives it back.
	for pause := time.Millisecond; errors.Is(err, unix.EAGAIN) && pause <= leasePause; pause *= 2 {
		time.Sleep(pause)
		fd, err = r.open(path)
	}
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
func (f *folder) openPortably(path []byte) (int, error) {
	name := "."
	if len(path) > 0 {
		name = string(path)
	}
	file, err := f.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return -1, err
	}
	defer file.Close()
	raw, err := file.SyscallConn()
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
		Size: sys.Size, ModTime: instant(sys.Mtim.Unix()), ChangeTime: instant(sys.Ctim.Unix()),
		Dev: uint64(sys.Dev), Ino: uint64(sys.Ino), Links: uint64(sys.Nlink),
	}
	return st.setKind(uint32(sys.Mode))
}

// instant is a time in nanoseconds since 1970. One that does not fit, before 1678 or after 2261, is
// the first or the last that does: a file system may have times that are wider, and anybody may set
// them (utimensat(2)).
func instant(sec, nano int64) int64 {
	const most = math.MaxInt64/1_000_000_000 - 1
	switch {
	case sec > most:
		return math.MaxInt64
	case sec < -most:
		return math.MinInt64
	}
	return sec*1e9 + nano
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

// CloseFile closes a descriptor that Open returned. Nothing was written to it, so an error of
// close(2) means nothing.
func CloseFile(fd int) { unix.Close(fd) }

// IsFull reports whether an error of writing means that there is no room for more: on the disk, in
// a quota, or in a file.
func IsFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}

// IsUnwritable reports whether an error of making a file means that none can be made in that folder
// as it is: it is read-only, we may not write to it, or it is gone.
func IsUnwritable(err error) bool {
	for _, e := range [...]error{unix.EROFS, unix.EACCES, unix.EPERM, unix.ENOENT, unix.ENOTDIR, unix.ESTALE, unix.ENOTCONN, ErrForbidden, ErrNotFound} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// IsBusy reports whether an error means that the system is out of descriptors or
// memory.
func IsBusy(err error) bool {
	return errors.Is(err, ErrBusy) || errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.ENOBUFS)
}

// classify turns an error of the system into one of this package's, where there is one for it.
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
