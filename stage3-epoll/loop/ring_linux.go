package loop

// The ring: io_uring(7), by system calls of our own.
//
// Who owns what: both queues are the kernel's memory, mapped here until close. An entry is ours
// until it is submitted; the kernel has a copy of it when io_uring_enter(2) returns. What an entry
// points to, the kernel may read or write until the completion has come. Who makes the entry keeps
// that memory reachable and in its place: the kernel's pointer is none for the garbage collector.
// So it lies in a mapping or in Go's heap, where nothing moves, and never on a stack.
//
// What is received goes into buffers that are provided for all sockets together
// (IORING_REGISTER_PBUF_RING), so a socket that waits holds none. A buffer is the kernel's from
// give until a completion names it, and then the loop's until give.
//
// A ring belongs to the thread that enables it (IORING_SETUP_SINGLE_ISSUER). What must not be done:
// an entry must not be kept after the next one is asked for; a completion is taken once; a buffer
// must not be given twice, since two sockets would be received into it, nor read after that.

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	entryCount      = 256     // entries that can wait to be submitted
	completionCount = 4096    // completions that can wait to be taken; the kernel keeps more itself
	entriesAt       = 1 << 28 // IORING_OFF_SQES: where the entries are mapped

	// bufferCount is a power of two. The kernel takes the buffers in turn, so with more of them, or
	// larger ones, what it writes is less likely to be still in the processor's cache.
	bufferCount = 64
	bufferSize  = 2 << 10 // bytes: any usual head
	bufferGroup = 1
)

// From linux/io_uring.h, which golang.org/x/sys does not have.
const (
	setupCQSize       = 1 << 3
	setupDisabled     = 1 << 6 // until a thread enables it
	setupSubmitAll    = 1 << 7
	setupSingleIssuer = 1 << 12
	setupDeferTaskrun = 1 << 13 // completions come about in io_uring_enter(2) alone; since Linux 6.1

	enterGetEvents = 1 << 0
	enterExtArg    = 1 << 3

	registerEnable  = 12
	registerBuffers = 22 // IORING_REGISTER_PBUF_RING

	opPoll   = 6
	opCancel = 14
	opClose  = 19
	opSend   = 26
	opRecv   = 27

	entryBufferSelect = 1 << 5
	entryQuiet        = 1 << 6 // IOSQE_CQE_SKIP_SUCCESS: only a failure has a completion

	pollFirst = 1 << 0 // IORING_RECVSEND_POLL_FIRST
	pollMulti = 1 << 0 // IORING_POLL_ADD_MULTI

	flagBuffer  = 1 << 0
	flagMore    = 1 << 1
	bufferShift = 16
)

// needed are the features without which the loop would not be right: SINGLE_MMAP, NODROP,
// SUBMIT_STABLE, FAST_POLL, EXT_ARG and CQE_SKIP (io_uring_setup(2)).
const needed = 1<<0 | 1<<1 | 1<<2 | 1<<5 | 1<<8 | 1<<11

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

// buffer is struct io_uring_buf. The last field of the first one is the tail of all.
type buffer struct {
	addr     uint64
	len      uint32
	id, tail uint16
}

// poll says what a poll is for. Once the field had 16 bits, which are still its first ones.
func (e *entry) poll(events uint32) *entry {
	halves := (*[2]uint16)(unsafe.Pointer(&e.opFlags))
	halves[0], halves[1] = uint16(events), uint16(events>>16)
	return e
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

// ring is one io_uring.
type ring struct {
	fd             int
	queues, list   []byte // mappings, as is memory
	entries        []entry
	tail           uint32 // entries made; sqTail once they are the kernel's to see
	sqHead, sqTail *uint32
	cqHead, cqTail *uint32
	completions    []completion
	memory         []byte                          // of all buffers
	buffers        []buffer                        // that the kernel has
	given          uint16                          // their tail
	timeout        [2]int64                        // seconds and nanoseconds, struct __kernel_timespec
	wait           struct{ mask, size, at uint64 } // struct io_uring_getevents_arg
	enters         uint64                          // calls of io_uring_enter(2)
}

// open makes a ring that is not enabled yet, and gives it so many buffers. hidden are features that
// a test has it not see.
func (r *ring) open(buffers uint16, hidden uint32) (err error) {
	p := params{cqEntries: completionCount, flags: setupCQSize | setupDisabled | setupSubmitAll | setupSingleIssuer | setupDeferTaskrun}
	fd, _, errno := unix.RawSyscall(unix.SYS_IO_URING_SETUP, entryCount, uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return fmt.Errorf("io_uring_setup: %w", errno)
	}
	r.fd = int(fd)
	if missing := needed &^ (p.features &^ hidden); missing != 0 {
		err = fmt.Errorf("this kernel's io_uring lacks features (%#x): %w", missing, unix.EINVAL)
	} else if err = r.mapAll(&p); err == nil {
		err = r.provide()
	}
	if err != nil {
		r.close()
		return err
	}
	for id := range buffers {
		r.give(id)
	}
	return nil
}

func (r *ring) register(op uintptr, arg unsafe.Pointer, n uintptr) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), op, uintptr(arg), n, 0, 0)
	if errno != 0 {
		return errno
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
	word := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.queues[offset])) }
	r.sqHead, r.sqTail, r.cqHead, r.cqTail = word(p.sq.head), word(p.sq.tail), word(p.cq.head), word(p.cq.tail)
	r.entries = unsafe.Slice((*entry)(unsafe.Pointer(&r.list[0])), p.sqEntries)
	r.completions = unsafe.Slice((*completion)(unsafe.Pointer(&r.queues[p.cq.cqes])), p.cqEntries)
	for i, array := uint32(0), unsafe.Slice(word(p.sq.array), p.sqEntries); i < p.sqEntries; i++ {
		array[i] = i // the kernel goes through the entries in their order
	}
	r.wait.at = address(&r.timeout)
	const both = bufferCount * (bufferSize + int(unsafe.Sizeof(buffer{})))
	r.memory, err = unix.Mmap(-1, 0, both, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	return err
}

// provide tells the kernel of the buffers. What describes them stands before them in their memory.
func (r *ring) provide() error {
	at := &r.memory[0]
	r.buffers = unsafe.Slice((*buffer)(unsafe.Pointer(at)), bufferCount)
	return r.register(registerBuffers, unsafe.Pointer(&struct { // struct io_uring_buf_reg
		addr         uint64
		entries      uint32
		group, flags uint16
		_            [3]uint64
	}{addr: address(at), entries: bufferCount, group: bufferGroup}), 1)
}

func (r *ring) close() {
	unix.Close(r.fd)
	for _, mapping := range [][]byte{r.queues, r.list, r.memory} {
		unix.Munmap(mapping) // EINVAL, and nothing else, where there is none
	}
}

// next is an entry to be filled in. Where there is no room, what is there is submitted first.
func (r *ring) next() *entry {
	for r.tail-atomic.LoadUint32(r.sqHead) == uint32(len(r.entries)) {
		r.look()
	}
	e := &r.entries[r.tail%uint32(len(r.entries))]
	r.tail++
	*e = entry{}
	return e
}

// look submits all entries, and takes over what has been done. It is a raw system call, of which
// Go's scheduler does not know: it returns at once.
func (r *ring) look() {
	_, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), r.submitted(), 0, enterGetEvents, 0, 0)
	entered(errno)
}

// sleep submits all entries, and waits until something has been done, or the timeout is over: the
// first so many milliseconds unseen by Go's scheduler, which is told of the rest.
func (r *ring) sleep(timeout, unseen int) {
	if unseen > 0 || timeout == 0 {
		r.enter(unix.RawSyscall6, unseen)
	}
	if unseen != timeout && r.waiting() == 0 {
		r.enter(unix.Syscall6, max(timeout-unseen, -1))
	}
}

// enter submits all entries, and waits until something has been done, for at most so many
// milliseconds, or an hour. A signal ends it early.
func (r *ring) enter(call func(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, errno syscall.Errno), most int) {
	const second, hour = 1000, 3600 * 1000
	most = int(min(uint(most), hour)) // -1 is for ever
	r.timeout = [2]int64{int64(most / second), int64(most%second) * 1e6}
	_, _, errno := call(unix.SYS_IO_URING_ENTER, uintptr(r.fd), r.submitted(), 1,
		enterGetEvents|enterExtArg, uintptr(unsafe.Pointer(&r.wait)), unsafe.Sizeof(r.wait))
	entered(errno)
}

// submitted lets the kernel see all entries, and is how many it has not taken yet.
func (r *ring) submitted() uintptr {
	r.enters++
	atomic.StoreUint32(r.sqTail, r.tail)
	return uintptr(r.tail - atomic.LoadUint32(r.sqHead))
}

// entered passes over what keeps io_uring_enter(2) from doing all: a signal, a time that is over,
// or that memory is short. Entries that were not taken are still there the next time. Any other
// error is a fault of ours that would not go away, and the loop would spin.
func entered(errno unix.Errno) {
	switch errno {
	case 0, unix.EINTR, unix.ETIME, unix.EAGAIN, unix.EBUSY, unix.ENOMEM:
	default:
		panic(fmt.Errorf("io_uring_enter: %w", errno))
	}
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

// bytes is what has come with a completion: none if that names no buffer.
func (r *ring) bytes(c *completion) []byte {
	if c.flags&flagBuffer == 0 {
		return nil
	}
	return r.buffer(uint16(c.flags >> bufferShift))[:max(c.res, 0)]
}

func (r *ring) buffer(id uint16) []byte {
	at := bufferCount*int(unsafe.Sizeof(buffer{})) + int(id)*bufferSize
	return r.memory[at : at+bufferSize]
}

// giveBack gives the kernel the buffer that a completion names, if it does.
func (r *ring) giveBack(c *completion) {
	if c.flags&flagBuffer != 0 {
		r.give(uint16(c.flags >> bufferShift))
	}
}

// give gives a buffer to the kernel. The kernel reads the tail as 16 bits, which Go cannot
// store for another thread to see; so the 32 bits are stored in which they lie, with the first
// buffer's number beside them.
func (r *ring) give(id uint16) {
	at := &r.buffers[r.given%bufferCount]
	at.addr, at.len, at.id = address(unsafe.SliceData(r.buffer(id))), bufferSize, id
	r.given++
	both := [2]uint16{r.buffers[0].id, r.given}
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&r.buffers[0].id)), *(*uint32)(unsafe.Pointer(&both)))
}
