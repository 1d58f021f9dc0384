package loop

// The ring: io_uring(7), by system calls of our own.
//
// Who owns what: both queues are the kernel's memory, mapped here until close. An entry is ours
// until it is submitted. The kernel has its own copy of it when io_uring_enter(2) returns, and one
// of the message beside it (IORING_FEAT_SUBMIT_STABLE). What an entry or a message points to, the
// kernel may read or write until the completion has come: who makes the entry keeps that memory
// reachable and in its place, since the kernel's pointer is none for the garbage collector. All of
// it lies in mappings or in Go's heap, where nothing moves, and never on a stack.
//
// A ring belongs to the thread that enables it (IORING_SETUP_SINGLE_ISSUER). What must not be done:
// an entry must not be kept after the next one is asked for, and a completion is taken once.

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	entryCount      = 256     // entries that can wait to be submitted
	completionCount = 4096    // completions that can wait to be taken; the kernel keeps more itself
	maxSegs         = 16      // segments of one message
	entriesAt       = 1 << 28 // IORING_OFF_SQES: where the entries are mapped
)

// From linux/io_uring.h, which golang.org/x/sys does not have.
const (
	setupCQSize       = 1 << 3
	setupDisabled     = 1 << 6
	setupSubmitAll    = 1 << 7
	setupSingleIssuer = 1 << 12
	setupDeferTaskrun = 1 << 13

	enterGetEvents = 1 << 0
	enterExtArg    = 1 << 3

	registerProbe   = 8
	registerEnable  = 12
	registerBuffers = 22 // IORING_REGISTER_PBUF_RING

	opPoll    = 6
	opMessage = 9 // IORING_OP_SENDMSG
	opAccept  = 13
	opCancel  = 14
	opClose   = 19
	opSend    = 26
	opRecv    = 27

	entryBufferSelect = 1 << 5
	entryQuiet        = 1 << 6 // IOSQE_CQE_SKIP_SUCCESS: only a failure has a completion

	pollFirst   = 1 << 0 // IORING_RECVSEND_POLL_FIRST
	acceptMulti = 1 << 0 // IORING_ACCEPT_MULTISHOT
	pollMulti   = 1 << 0 // IORING_POLL_ADD_MULTI

	flagBuffer  = 1 << 0
	flagMore    = 1 << 1
	bufferShift = 16
)

// needed are the features without which the loop would not be right (io_uring_setup(2)).
const needed = 1<<0 | // SINGLE_MMAP
	1<<1 | // NODROP: no completion is lost
	1<<2 | // SUBMIT_STABLE
	1<<5 | // FAST_POLL: what has to wait takes no thread
	1<<8 | // EXT_ARG: a wait has a timeout
	1<<11 // CQE_SKIP

// neededOps are the operations that the loop uses.
var neededOps = []uint8{opPoll, opMessage, opAccept, opCancel, opClose, opSend, opRecv}

// entry is struct io_uring_sqe: what is wanted.
type entry struct {
	opcode, flags uint8
	ioprio        uint16
	fd            int32
	off, addr     uint64
	len, opFlags  uint32
	key           key
	buffers       uint16 // the group to take one from
	_             [22]byte
}

// completion is struct io_uring_cqe: what has become of it.
type completion struct {
	key   key
	res   int32 // a result, or an error below zero
	flags uint32
}

// events says what a poll is for. Once the field had 16 bits, which are still its first ones.
func (e *entry) events(mask uint32) {
	halves := (*[2]uint16)(unsafe.Pointer(&e.opFlags))
	halves[0], halves[1] = uint16(mask), uint16(mask>>16)
}

// address is one as the kernel wants it. Who makes the entry keeps what is there.
func address[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

// more reports whether the request goes on: other completions of it will follow.
func (c *completion) more() bool { return c.flags&flagMore != 0 }

// err is the error that it ended with, 0 for none.
func (c *completion) err() unix.Errno { return unix.Errno(max(-c.res, 0)) }

// params is struct io_uring_params.
type params struct {
	sqEntries, cqEntries, flags, _, _, features, _ uint32
	_                                              [3]uint32
	sq                                             struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32
		_                                                   uint64
	}
}

// message is what one entry needs to send several segments.
type message struct {
	head unix.Msghdr
	iov  [maxSegs]unix.Iovec
}

// ring is one io_uring.
type ring struct {
	fd              int
	queues, list    []byte // the mappings
	entries         []entry
	messages        []message // of the entry with the same index
	tail            uint32    // entries made; sqTail once they are the kernel's to see
	sqHead, sqTail  *uint32
	cqHead, cqTail  *uint32
	completions     []completion
	messagesMapping []byte
	timeout         [2]int64 // seconds and nanoseconds, struct __kernel_timespec
	wait            struct{ mask, size, at uint64 }
	enters          uint64 // calls of io_uring_enter(2)
}

// open makes a ring that is not enabled yet. hidden are features that a test has it not see.
func (r *ring) open(hidden uint32) (err error) {
	p := params{cqEntries: completionCount}
	best := uint32(setupCQSize | setupDisabled | setupSubmitAll)
	for _, flags := range []uint32{best | setupSingleIssuer | setupDeferTaskrun, best} { // the first since Linux 6.1
		p.flags = flags
		if r.fd, err = setup(&p); err != unix.EINVAL {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("io_uring_setup: %w", err)
	}
	if missing := needed &^ (p.features &^ hidden); missing != 0 {
		unix.Close(r.fd)
		return fmt.Errorf("this kernel's io_uring lacks features (%#x): %w", missing, unix.EINVAL)
	}
	if err = errors.Join(r.probe(), r.mapAll(&p)); err != nil {
		r.close()
	}
	return err
}

func setup(p *params) (int, error) {
	fd, _, errno := unix.RawSyscall(unix.SYS_IO_URING_SETUP, entryCount, uintptr(unsafe.Pointer(p)), 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

func (r *ring) register(op uintptr, arg unsafe.Pointer, n uintptr) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), op, uintptr(arg), n, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// probe asks the kernel for the operations that are needed (struct io_uring_probe).
func (r *ring) probe() error {
	const supported = 1 << 0
	var p struct {
		last, n uint8
		_       [14]byte
		ops     [64]struct {
			op, _ uint8
			flags uint16
			_     uint32
		}
	}
	if err := r.register(registerProbe, unsafe.Pointer(&p), uintptr(len(p.ops))); err != nil {
		return fmt.Errorf("io_uring_register: %w", err)
	}
	for _, op := range neededOps {
		if op > p.last || p.ops[op].flags&supported == 0 {
			return fmt.Errorf("this kernel's io_uring lacks operation %d: %w", op, unix.EINVAL)
		}
	}
	return nil
}

// mapAll maps what is shared with the kernel.
func (r *ring) mapAll(p *params) (err error) {
	const access, shared = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	size := max(p.sq.array+4*p.sqEntries, p.cq.cqes+uint32(unsafe.Sizeof(completion{}))*p.cqEntries)
	if r.queues, err = unix.Mmap(r.fd, 0, int(size), access, shared); err != nil {
		return err
	}
	if r.list, err = unix.Mmap(r.fd, entriesAt, int(p.sqEntries)*int(unsafe.Sizeof(entry{})), access, shared); err != nil {
		return err
	}
	r.messagesMapping, err = unix.Mmap(-1, 0, int(p.sqEntries)*int(unsafe.Sizeof(message{})), access, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	word := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.queues[offset])) }
	r.sqHead, r.sqTail, r.cqHead, r.cqTail = word(p.sq.head), word(p.sq.tail), word(p.cq.head), word(p.cq.tail)
	r.entries = unsafe.Slice((*entry)(unsafe.Pointer(&r.list[0])), p.sqEntries)
	r.messages = unsafe.Slice((*message)(unsafe.Pointer(&r.messagesMapping[0])), p.sqEntries)
	r.completions = unsafe.Slice((*completion)(unsafe.Pointer(&r.queues[p.cq.cqes])), p.cqEntries)
	for i, array := uint32(0), unsafe.Slice(word(p.sq.array), p.sqEntries); i < p.sqEntries; i++ {
		array[i] = i // the kernel goes through the entries in their order
	}
	r.wait.at = uint64(uintptr(unsafe.Pointer(&r.timeout)))
	return nil
}

// enable makes the ring the calling thread's.
func (r *ring) enable() error { return r.register(registerEnable, nil, 0) }

func (r *ring) close() {
	unix.Close(r.fd)
	for _, mapping := range [][]byte{r.queues, r.list, r.messagesMapping} {
		if mapping != nil {
			unix.Munmap(mapping)
		}
	}
}

// next is an entry to be filled in. Where there is no room, what is there is submitted first.
func (r *ring) next() (*entry, *message) {
	for r.tail-atomic.LoadUint32(r.sqHead) == uint32(len(r.entries)) {
		r.enter(0, 0, 0)
	}
	i := r.tail % uint32(len(r.entries))
	r.tail++
	r.entries[i] = entry{}
	return &r.entries[i], &r.messages[i]
}

// look submits all entries, and takes over what has been done. It is a raw system call, of which
// Go's scheduler does not know: it returns at once.
func (r *ring) look() { r.enter(0, enterGetEvents, 0) }

// sleep submits all entries, and waits until something has been done, for at most so many
// nanoseconds. Go's scheduler is told. A signal ends it early.
func (r *ring) sleep(most int64) {
	const second = 1e9
	r.timeout = [2]int64{most / second, most % second}
	args := uintptr(0)
	if most < math.MaxInt64 {
		args = unsafe.Sizeof(r.wait)
	}
	r.enter(1, enterGetEvents|enterExtArg, args)
}

// enter is io_uring_enter(2). What keeps it from doing all passes: a signal, a time that is over,
// or that memory is short. Entries that were not taken are still there the next time. Any other
// error is a fault of ours that would not go away, and the loop would spin.
func (r *ring) enter(least, flags, size uintptr) {
	r.enters++
	atomic.StoreUint32(r.sqTail, r.tail)
	n, fd := uintptr(r.tail-atomic.LoadUint32(r.sqHead)), uintptr(r.fd)
	var errno unix.Errno
	switch {
	case least == 0:
		_, _, errno = unix.RawSyscall6(unix.SYS_IO_URING_ENTER, fd, n, 0, flags, 0, 0)
	case size == 0:
		_, _, errno = unix.Syscall6(unix.SYS_IO_URING_ENTER, fd, n, least, flags&^enterExtArg, 0, 0)
	default:
		_, _, errno = unix.Syscall6(unix.SYS_IO_URING_ENTER, fd, n, least, flags, uintptr(unsafe.Pointer(&r.wait)), size)
	}
	switch errno {
	case 0, unix.EINTR, unix.ETIME, unix.EAGAIN, unix.EBUSY, unix.ENOMEM:
		return
	}
	panic(errno)
}

// waiting is how many completions wait to be taken.
func (r *ring) waiting() int { return int(atomic.LoadUint32(r.cqTail) - *r.cqHead) }

// take copies completions, as many as fit, and gives their places back to the kernel.
func (r *ring) take(into []completion) int {
	n := min(r.waiting(), len(into))
	for i := range n {
		into[i] = r.completions[(*r.cqHead+uint32(i))%uint32(len(r.completions))]
	}
	atomic.StoreUint32(r.cqHead, *r.cqHead+uint32(n))
	return n
}
