package loop

// The buffers that the kernel receives into: a ring of them, provided for all sockets of a loop
// (IORING_REGISTER_PBUF_RING, io_uring_register(2)). So a socket that waits holds none.
//
// Who owns what: the memory is a mapping of the loop's. A buffer is the kernel's from giveBack
// until a completion names it, and then the loop's until giveBack. The loop gives it back before it
// takes the next completion, so what came is copied.
//
// What must not be done: a buffer must not be given back twice, since two sockets would be received
// into it, nor be read after it was given back.

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// bufferCount is a power of two. The kernel takes the buffers in turn, so with more of them, or
	// larger ones, what it writes is less likely to be still in the processor's cache.
	bufferCount = 64
	bufferSize  = 2 << 10 // bytes: any usual head
	bufferGroup = 1
)

// buffer is struct io_uring_buf. The last field of the first one is the ring's tail.
type buffer struct {
	addr     uint64
	len      uint32
	id, tail uint16
}

// buffers is the ring of buffers.
type buffers struct {
	mapping []byte // the ring, and after it the buffers
	ring    []buffer
	tail    uint16
}

// open maps the buffers, tells the kernel of them, and gives it n.
func (b *buffers) open(r *ring, n uint16) (err error) {
	const head = bufferCount * int(unsafe.Sizeof(buffer{}))
	b.mapping, err = unix.Mmap(-1, 0, head+bufferCount*bufferSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	b.ring = unsafe.Slice((*buffer)(unsafe.Pointer(&b.mapping[0])), bufferCount)
	register := struct { // struct io_uring_buf_reg
		addr         uint64
		entries      uint32
		group, flags uint16
		_            [3]uint64
	}{addr: uint64(uintptr(unsafe.Pointer(&b.mapping[0]))), entries: bufferCount, group: bufferGroup}
	if err = r.register(registerBuffers, unsafe.Pointer(&register), 1); err != nil {
		b.close()
		return err
	}
	for id := range n {
		b.give(id)
	}
	return nil
}

func (b *buffers) close() { unix.Munmap(b.mapping) }

// of is what has come with a completion.
func (b *buffers) of(c *completion) []byte {
	if c.flags&flagBuffer == 0 {
		return nil
	}
	return b.memory(uint16(c.flags >> bufferShift))[:max(c.res, 0)]
}

// giveBack gives the kernel the buffer that a completion names, if it does.
func (b *buffers) giveBack(c *completion) {
	if c.flags&flagBuffer != 0 {
		b.give(uint16(c.flags >> bufferShift))
	}
}

func (b *buffers) memory(id uint16) []byte {
	at := len(b.ring)*int(unsafe.Sizeof(buffer{})) + int(id)*bufferSize
	return b.mapping[at : at+bufferSize]
}

// give gives a buffer to the kernel. The kernel reads the tail as 16 bits, which Go cannot
// store for another thread to see; so the 32 bits are stored in which they lie, with the first
// buffer's number beside them.
func (b *buffers) give(id uint16) {
	at := &b.ring[b.tail%bufferCount]
	at.addr, at.len, at.id = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b.memory(id))))), bufferSize, id
	b.tail++
	both := [2]uint16{b.ring[0].id, b.tail}
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&b.ring[0].id)), *(*uint32)(unsafe.Pointer(&both)))
}
