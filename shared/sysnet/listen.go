package sysnet

// Listening sockets: making them, taking over those that another program made, and sharing them.
//
// A descriptor belongs to the caller, who closes it; where Listen fails nothing stays open. What
// must not be done: SO_REUSEPORT must not be set before bind(2) on the first socket of an address,
// or it joins a socket that listens there already. A Unix socket's name must not be removed while
// another process listens at it.

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// backlog is the length of the queue that listen(2) is asked for. The kernel lowers it to its
	// own limit (net.core.somaxconn, kern.ipc.somaxconn), which is the one to change.
	backlog = 65535
	// fastOpenQueue is how many connections may be opened by TCP Fast Open (RFC 7413)
	// without having proved their address yet.
	fastOpenQueue = 5
	// lockPatience is how long the folder of a Unix socket may be locked by others, and lockPause
	// the time between two looks.
	lockPatience = 2 * time.Second
	lockPause    = 5 * time.Millisecond
	// staleLooks is how often in a row nobody must listen at a Unix socket for it to be removed.
	staleLooks = 3
)

// Addr is where to listen: an IP address and port, or the path of a Unix socket.
type Addr struct {
	IP   netip.AddrPort
	Path string // of a Unix socket; the IP is then not used
}

func (a Addr) String() string {
	if a.Path != "" {
		return "unix:" + a.Path
	}
	return a.IP.String()
}

// ListenOptions are the options of a listener.
type ListenOptions struct {
	SockBuf     int  // bytes of each socket's buffers, 0 for the kernel's own tuning
	DeferAccept bool // a connection is accepted when its first bytes are here (TCP_DEFER_ACCEPT, tcp(7)); Linux only
	ReusePort   bool // several sockets may listen on the address (SO_REUSEPORT, socket(7))
	// Access is who may connect to a Unix socket; nil leaves it to the process's umask(2) and
	// group.
	Access *Access
}

// Access is the mode and the group of a Unix socket's file. To connect one has to be allowed to
// write to it (unix(7)).
type Access struct {
	Mode  uint32 // permissions; 0 leaves them as they are
	Group int    // id; -1 leaves it as it is
}

// set is called between bind(2) and listen(2), when nobody can connect yet.
func (a *Access) set(path string) error {
	if a == nil {
		return nil
	}
	if a.Group >= 0 {
		if err := os.Lchown(path, -1, a.Group); err != nil {
			return err
		}
	}
	if a.Mode == 0 {
		return nil
	}
	return chmodSocket(path, a.Mode)
}

// Renew is set for the file of a socket that listens already, unless it is so that it needs no
// change: who may not change it need not know that.
func (a *Access) Renew(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	group := info.Sys().(*syscall.Stat_t).Gid
	if (a.Mode == 0 || info.Mode().Perm() == os.FileMode(a.Mode)) && (a.Group < 0 || int64(group) == int64(a.Group)) {
		return nil
	}
	return a.set(path)
}

// chmodSocket changes the mode of a socket's file, and not of what a link leads to that somebody
// has put in its place: whoever may write to the folder could have root change any file. Where the
// system cannot do that at once (fchmodat2(2), since Linux 6.6) there is still a moment for it.
func chmodSocket(path string, mode uint32) error {
	err := unix.Fchmodat(unix.AT_FDCWD, path, mode, unix.AT_SYMLINK_NOFOLLOW)
	if err != unix.EOPNOTSUPP {
		return err
	}
	if info, err := os.Lstat(path); err != nil {
		return err
	} else if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%s is no socket any more", path)
	}
	return os.Chmod(path, os.FileMode(mode))
}

// ErrInUse: something else listens on the address.
var ErrInUse = errors.New("address already in use")

// Listen makes a non-blocking listening socket. It returns the address it has,
// which tells the port where port 0 was asked for. The errors are those of
// socket(2), bind(2) and listen(2), and ErrInUse.
func Listen(a Addr, opt ListenOptions) (fd int, actual Addr, err error) {
	family, sa := a.sockaddr()
	fd, err = streamSocket(family)
	if err != nil {
		return -1, a, fmt.Errorf("socket: %w", err)
	}
	if actual, err = bindAndListen(fd, a, sa, opt); err != nil {
		unix.Close(fd)
		return -1, a, err
	}
	return fd, actual, nil
}

func bindAndListen(fd int, a Addr, sa unix.Sockaddr, opt ListenOptions) (Addr, error) {
	if a.Path != "" {
		unlock, err := lockFolder(filepath.Dir(a.Path))
		if err != nil {
			return a, err
		}
		defer unlock()
		if err := removeStale(a.Path); err != nil {
			return a, err
		}
	} else if err := tcpOptions(fd, a, opt); err != nil {
		return a, err
	}
	if err := unix.Bind(fd, sa); err != nil {
		if err == unix.EADDRINUSE {
			return a, ErrInUse
		}
		return a, fmt.Errorf("bind: %w", err)
	}
	if a.Path != "" {
		if err := opt.Access.set(a.Path); err != nil {
			os.Remove(a.Path)
			return a, err
		}
	}
	if err := unix.Listen(fd, backlog); err != nil {
		if err == unix.EADDRINUSE {
			return a, ErrInUse
		}
		return a, fmt.Errorf("listen: %w", err)
	}
	if a.Path != "" {
		return a, nil
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return a, fmt.Errorf("getsockname: %w", err)
	}
	return Addr{IP: addrPort(bound)}, nil
}

// tcpOptions sets what connections inherit from their listener.
func tcpOptions(fd int, a Addr, opt ListenOptions) error {
	set := func(level, name, value int) error { return unix.SetsockoptInt(fd, level, name, value) }
	if err := set(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return fmt.Errorf("SO_REUSEADDR: %w", err)
	}
	if err := set(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return fmt.Errorf("TCP_NODELAY: %w", err)
	}
	if a.IP.Addr().Is6() {
		// One socket serves both families at [::], whatever the system's default is.
		only := 1
		if a.IP.Addr().IsUnspecified() {
			only = 0
		}
		if err := set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return fmt.Errorf("IPV6_V6ONLY: %w", err)
		}
	}
	if opt.ReusePort {
		if err := set(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return fmt.Errorf("SO_REUSEPORT: %w", err)
		}
	}
	return Tune(fd, opt) // before listen(2): the window scale is settled in the handshake (tcp(7))
}

// Tune sets those options of a TCP socket that may change while it listens. Buffers that were asked
// for once are never the kernel's to tune again.
func Tune(fd int, opt ListenOptions) error {
	if opt.SockBuf > 0 {
		for _, name := range []int{unix.SO_RCVBUF, unix.SO_SNDBUF} {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, name, opt.SockBuf); err != nil {
				return fmt.Errorf("socket buffers: %w", err)
			}
		}
	}
	tuneListener(fd, opt)
	return nil
}

// Adopt readies a listening socket that another program has made, and returns where it
// listens. Its errors are those of getsockopt(2), ErrNoListener, ErrNoStream, and that
// of an address that is neither of the Internet nor a path.
func Adopt(fd int) (Addr, error) {
	listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return Addr{}, fmt.Errorf("SO_ACCEPTCONN: %w", err)
	}
	if listens == 0 {
		return Addr{}, ErrNoListener
	}
	if kind, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); kind != unix.SOCK_STREAM {
		return Addr{}, ErrNoStream
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return Addr{}, fmt.Errorf("getsockname: %w", err)
	}
	addr := Addr{IP: addrPort(bound)}
	if u, ok := bound.(*unix.SockaddrUnix); ok {
		addr.Path = u.Name
	} else if !addr.IP.IsValid() {
		return Addr{}, ErrNoListener
	}
	return addr, unix.SetNonblock(fd, true)
}

// ErrNoListener: the descriptor is not that of a socket that listens at an address.
var ErrNoListener = errors.New("not a socket that listens")

// ErrNoStream: the socket has messages, whose bounds HTTP does not know (SOCK_SEQPACKET, unix(7)).
var ErrNoStream = errors.New("not a socket of streams; use ListenStream= in the socket unit")

// ShareAddress lets further sockets listen on the address of one that listens already
// (SO_REUSEPORT, socket(7)).
func ShareAddress(fd int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
}

// Duplicate is another descriptor of the same socket (F_DUPFD_CLOEXEC, fcntl(2)).
func Duplicate(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) }

// lockFolder keeps other servers that would lock it from the folder of a Unix socket, until unlock:
// between bind(2) and listen(2) a socket looks like one that was left behind, and of two servers
// that find such a one, the slower would remove the other's. A folder that cannot be opened or
// locked (flock(2)) is nobody's.
func lockFolder(dir string) (unlock func(), err error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return func() {}, nil
	}
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(lockPause) {
		switch err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); {
		case err != unix.EWOULDBLOCK && err != unix.EINTR:
			return func() { unix.Close(fd) }, nil
		case time.Now().After(deadline):
			unix.Close(fd)
			return nil, fmt.Errorf("%s: %w", dir, errLocked)
		}
	}
}

var errLocked = errors.New("another program has locked the folder (flock(2))")

// removeStale removes a Unix socket at which no process listens any more. A file that is not a
// socket, or a socket in use, stays. So does one of a program that does not lock the folder, unless
// that takes longer from bind(2) to listen(2) than we wait.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%s exists and is not a socket", path)
	}
	for range staleLooks {
		if refuses, err := refusesConnections(path); err != nil {
			return err
		} else if !refuses {
			return ErrInUse
		}
		time.Sleep(lockPause)
	}
	return os.Remove(path)
}

// refusesConnections reports whether nobody listens at a Unix socket.
func refusesConnections(path string) (bool, error) {
	fd, err := streamSocket(unix.AF_UNIX)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path}) == unix.ECONNREFUSED, nil
}

func (a Addr) sockaddr() (family int, sa unix.Sockaddr) {
	switch ip := a.IP.Addr(); {
	case a.Path != "":
		return unix.AF_UNIX, &unix.SockaddrUnix{Name: a.Path}
	case ip.Is4():
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(a.IP.Port()), Addr: ip.As4()}
	default:
		return unix.AF_INET6, &unix.SockaddrInet6{Port: int(a.IP.Port()), Addr: ip.As16()}
	}
}

// addrPort is the address of an Internet socket, invalid for another one.
func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
