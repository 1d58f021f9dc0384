package http1

import "fourways/shared/bufpool"

// ChunkSize is the size of the chunks of memory a Chain copies into, in bytes.
// It holds a head and a small body, or the answers to a batch of small
// pipelined requests, so that either leaves in one write.
const ChunkSize = 16 << 10

// Ref is something counted by reference that must outlive its sending: a cached
// body, an open file.
type Ref interface {
	// Release gives one reference back. Whoever gives back the last one ends
	// the thing's life.
	Release()
}

// File is an open file, as little as the Chain needs to know of one. The writer
// that sends it knows the rest.
type File interface{ Ref }

// Chain is a queue of what is to be sent, in order: segments, each some bytes or
// a range of a file. Its users see bytes go in at one end and lengths come out at
// the other; that some of it can be handed to sendfile(2) is the writer's
// knowledge alone.
//
// Small things are copied into chunks from the pool and gathered there; large ones
// are kept by reference until [Chain.Ack] has passed them.
type Chain struct {
	segs []segment // segs[head:] are not sent yet; what lies behind the slice's end is zero
	head int
	left int64 // bytes not acknowledged
	sent int64 // bytes acknowledged
	pool *bufpool.Pool
	tail []byte // the chunk being filled: its length is what is filled

	tailSeg int // the segment that holds tail, or one below head if none does
}

// segment is one piece: bytes when file is nil, else a range of the file.
type segment struct {
	p     []byte
	chunk []byte // the pool's chunk that p lies in, if this is the last segment in it
	ref   Ref    // released when the segment has left
	file  File
	off   int64 // bytes from the file's beginning
	n     int64 // bytes of the file
}

func (s *segment) len() int64 {
	if s.file != nil {
		return s.n
	}
	return int64(len(s.p))
}

// NewChain makes an empty chain that takes its chunks, of ChunkSize bytes, from
// the pool.
func NewChain(pool *bufpool.Pool) Chain {
	return Chain{pool: pool, segs: make([]segment, 0, 4), tailSeg: -1}
}

// Len is the number of bytes not yet acknowledged.
func (q *Chain) Len() int64 { return q.left }

// Sent is the number of bytes acknowledged since the chain was made.
func (q *Chain) Sent() int64 { return q.sent }

// Empty reports whether everything has been acknowledged.
func (q *Chain) Empty() bool { return q.left == 0 }

// HasFile reports whether a file range or a large body is among what is left:
// something whose sending takes more than one write.
func (q *Chain) HasFile() bool {
	for i := q.head; i < len(q.segs); i++ {
		if q.segs[i].file != nil || q.segs[i].ref != nil {
			return true
		}
	}
	return false
}

// Reserve returns an empty slice with room for n bytes behind what is there. What
// is appended to it becomes part of the chain with [Chain.Commit]; nothing else may
// be put into the chain in between. Appending more than n is allowed, and slower.
func (q *Chain) Reserve(n int) []byte {
	if cap(q.tail)-len(q.tail) < n {
		q.newChunk()
	}
	return q.tail[len(q.tail):len(q.tail):cap(q.tail)]
}

// Commit appends the bytes that were appended to Reserve's slice.
func (q *Chain) Commit(b []byte) {
	if len(b) == 0 {
		return
	}
	q.left += int64(len(b))
	if len(b) > cap(q.tail)-len(q.tail) { // it outgrew the chunk and was moved to memory of its own
		q.add().p = b
		return
	}
	at := len(q.tail)
	q.tail = q.tail[:at+len(b)]
	if q.tailSeg >= q.head && q.tailSeg == len(q.segs)-1 {
		// The last segment ends where this one begins: they are one.
		s := &q.segs[q.tailSeg]
		s.p = s.p[:len(s.p)+len(b)]
		return
	}
	if q.tailSeg >= q.head {
		q.segs[q.tailSeg].chunk = nil
	}
	q.tailSeg = len(q.segs)
	s := q.add()
	s.p, s.chunk = q.tail[at:], q.tail[:0]
}

// add appends an empty segment, to be filled in where it is: made elsewhere and copied, it
// costs more than all else that an answer does here.
func (q *Chain) add() *segment {
	n := len(q.segs)
	if n == cap(q.segs) {
		q.segs = append(make([]segment, 0, max(2*n, 4)), q.segs...)
	}
	q.segs = q.segs[:n+1]
	return &q.segs[n]
}

// newChunk turns to a fresh chunk. The old one goes back to the pool with its last
// segment, or now if that has left already.
func (q *Chain) newChunk() {
	if q.tail != nil && q.tailSeg < q.head {
		q.pool.Put(q.tail)
	}
	q.tail, q.tailSeg = q.pool.Get()[:0], -1
}

// Copy appends a copy of p.
func (q *Chain) Copy(p []byte) {
	for len(p) > 0 {
		b := q.Reserve(1)
		n := min(len(p), cap(b))
		q.Commit(append(b, p[:n]...))
		p = p[n:]
	}
}

// AppendBytes appends p itself, which must not change until it has left. One
// reference of ref, which may be nil for memory that lives for ever, passes to
// the chain.
func (q *Chain) AppendBytes(p []byte, ref Ref) {
	if len(p) == 0 {
		release(ref)
		return
	}
	q.left += int64(len(p))
	s := q.add()
	s.p, s.ref = p, ref
}

// AppendFile appends n bytes of the file from off on. One reference of the file
// passes to the chain.
func (q *Chain) AppendFile(f File, off, n int64) {
	if n <= 0 {
		f.Release()
		return
	}
	q.left += n
	s := q.add()
	s.file, s.ref, s.off, s.n = f, f, off, n
}

// Bytes appends to iov the byte segments at the front of the chain, up to iov's
// capacity, for writev(2) or sendmsg(2). more reports whether a file range comes
// straight behind them, so that the kernel can be told to wait for it (MSG_MORE).
func (q *Chain) Bytes(iov [][]byte) (_ [][]byte, more bool) {
	for i := q.head; i < len(q.segs); i++ {
		if q.segs[i].file != nil {
			return iov, true
		}
		if len(iov) == cap(iov) {
			return iov, false
		}
		iov = append(iov, q.segs[i].p)
	}
	return iov, false
}

// FileRange is the first file range in the chain, if there is one. It is at the
// front when Bytes finds no bytes.
func (q *Chain) FileRange() (f File, off, n int64, ok bool) {
	for i := q.head; i < len(q.segs); i++ {
		if s := &q.segs[i]; s.file != nil {
			return s.file, s.off, s.n, true
		}
	}
	return nil, 0, 0, false
}

// Ack notes that the first n bytes have left, and lets go of the segments passed.
func (q *Chain) Ack(n int64) {
	if n < 0 || n > q.left {
		panic("http1: more acknowledged than was to be sent")
	}
	q.left -= n
	q.sent += n
	for ; q.head < len(q.segs); q.head++ {
		s := &q.segs[q.head]
		have := s.len()
		if n < have {
			s.advance(n)
			q.closeUp()
			return
		}
		n -= have
		q.drop(q.head)
	}
	q.segs, q.head, q.tail, q.tailSeg = q.segs[:0], 0, q.tail[:0], -1
}

// closeUp moves the segments down when most of the slice is behind them, so that a chain
// which never runs empty does not grow for ever.
func (q *Chain) closeUp() {
	if q.head < 32 || q.head < len(q.segs)/2 {
		return
	}
	n := copy(q.segs, q.segs[q.head:])
	clear(q.segs[n:])
	q.segs, q.tailSeg, q.head = q.segs[:n], max(q.tailSeg-q.head, -1), 0
}

func (s *segment) advance(n int64) {
	if s.file != nil {
		s.off, s.n = s.off+n, s.n-n
	} else {
		s.p = s.p[n:]
	}
}

// drop lets go of what a segment holds. The chunk being filled stays.
func (q *Chain) drop(i int) {
	s := &q.segs[i]
	if s.chunk != nil && i != q.tailSeg {
		q.pool.Put(s.chunk)
	}
	release(s.ref)
	*s = segment{}
}

// Reset drops everything unsent and gives all memory back to the pool.
func (q *Chain) Reset() {
	for i := q.head; i < len(q.segs); i++ {
		q.drop(i)
	}
	if q.tail != nil {
		q.pool.Put(q.tail)
	}
	q.segs, q.head, q.left, q.tail, q.tailSeg = q.segs[:0], 0, 0, nil, -1
}

func release(r Ref) {
	if r != nil {
		r.Release()
	}
}
