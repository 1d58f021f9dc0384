package sysnet

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// UnseenWait is for how long, in milliseconds, a thread may wait in a raw system call, of which
// Go's scheduler does not know. To a thread that it knows to wait it does much: it takes the
// thread's processor away, looks what there is to do with it, and gives one back at the end. Where
// requests come one at a time that costs more than the request. A thread that waits unseen seems to
// run. After 10 ms Go sends it a signal, so that others may run as well; then it would be woken for
// nothing.
//
// Only calls that any signal ends may wait so: epoll_wait(2), poll(2) and io_uring_enter(2), but
// not read(2) (signal(7)). The garbage collector, which wants all threads to stop, signals too, and
// would have to wait for a call that goes on.
const UnseenWait = 10

// PollUnseen is ppoll(2) as a raw system call, for at most UnseenWait milliseconds. A signal ends
// it early (EINTR).
func PollUnseen(fds []unix.PollFd, milliseconds int) (ready int, err error) {
	most := unix.NsecToTimespec(int64(milliseconds) * 1e6)
	n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(unsafe.SliceData(fds))), uintptr(len(fds)),
		uintptr(unsafe.Pointer(&most)), 0, 0, 0)
	switch {
	case errno == 0:
		return int(n), nil
	case Short(errno):
		errno = unix.EINTR
	}
	return 0, errno
}
