// Package chain is the queue of what is to be sent on one connection: bytes and ranges of files, in
// order. The sender need not know what they mean.
//
// Who owns what: the chain owns what was put into it until [Chain.Ack] has passed it. Its
// chunks of memory are the pool's; what is appended by reference is counted by [Ref].
//
// What must not be done: a chain belongs to one thread at a time. Memory that was appended by
// reference must not change before it is sent.
package chain

import "fourways/shared/bufpool"

// ChunkSize is the size of the chunks of memory a Chain copies into, in bytes. It holds a head and
// a small body, or the answers to several small pipelined requests, so that either is sent in one
// write.
const ChunkSize = 16 << 10

// Ref is something counted by reference that must outlive its sending: a cached
// body, an open file.
type Ref interface {
	// Release gives one reference back. The last one ends the life of what is counted.
	Release()
}

// File is an open file. The chain only counts it; the sender reads from Fd.
type File interface {
	Ref
	Fd() int
}

// Chain is a queue of what is to be sent, in order: segments, each some bytes or a range of a file.
// Its users put bytes in at one end and see lengths at the other; only the sender knows that some
// of it can go by sendfile(2).
//
// Small pieces are copied into chunks from the pool and gathered there; large ones are kept by
// reference until [Chain.Ack] has passed them.
type Chain struct {
	segs []segment // segs[head:] are not sent yet; what lies after the slice's end is zero
	head int
	left int64 // bytes not acknowledged
	sent int64 // bytes acknowledged
	pool *bufpool.Pool
	tail []byte // the chunk being filled, up to its length

	tailSeg int // the segment that holds tail, or one below head if none does

	spare *Spare // where the memory of segments goes to while the chain is empty; nil to keep it

	fresh bool // there was no NoteWait since NoteRead

	corked bool // the socket is, for the first file range
	passed bool // that range is sent or dropped, and the socket still is
}

// segment is one piece: a range of the file where that is not nil, what is in the pipe where that
// is not, else bytes.
type segment struct {
	p     []byte
	chunk []byte // the pool's chunk that p lies in, if this is the last segment in it
	ref   Ref    // released when the segment is sent
	file  File
	off   int64 // bytes from the file's beginning
	n     int64 // bytes of the file, or in the pipe
	pipe  Pipe
	read  int64 // bytes at the range's beginning that NoteRead has noted
}

func (s *segment) len() int64 {
	if s.file != nil || s.pipe != nil {
		return s.n
	}
	return int64(len(s.p))
}

// firstSegs is how many segments a chain has memory for at first.
const firstSegs = 4

// maxSpare is how much memory a Spare keeps, in chains.
const maxSpare = 64

// Spare is the memory of empty chains, for others of the same thread. A chain that lives as long as
// its connection holds nothing so while that is idle.
type Spare struct{ segs [][]segment }

// NewSparing makes an empty chain as New does, which gives back the memory of its segments too.
func NewSparing(pool *bufpool.Pool, spare *Spare) Chain {
	return Chain{pool: pool, spare: spare, tailSeg: -1}
}

func (s *Spare) get() []segment {
	if s == nil || len(s.segs) == 0 {
		return make([]segment, 0, firstSegs)
	}
	last := len(s.segs) - 1
	segs := s.segs[last]
	s.segs = s.segs[:last]
	return segs
}

func (s *Spare) put(segs []segment) {
	if len(s.segs) < maxSpare && cap(segs) == firstSegs {
		s.segs = append(s.segs, segs)
	}
}

// New makes an empty chain that takes its chunks, of ChunkSize bytes, from
// the pool.
func New(pool *bufpool.Pool) Chain {
	return Chain{pool: pool, segs: make([]segment, 0, firstSegs), tailSeg: -1}
}

// Len is the number of bytes not yet acknowledged.
func (q *Chain) Len() int64 { return q.left }

// Sent is the number of bytes acknowledged since the chain was made.
func (q *Chain) Sent() int64 { return q.sent }

// Empty reports whether everything has been acknowledged.
func (q *Chain) Empty() bool { return q.left == 0 }

// Large reports whether a file range or a large body is among what is left, so that sending it
// may take more than one write.
func (q *Chain) Large() bool {
	for i := q.head; i < len(q.segs); i++ {
		if q.segs[i].ref != nil {
			return true
		}
	}
	return false
}

// HasFile reports whether a file range is among what is left.
func (q *Chain) HasFile() bool {
	_, _, _, ok := q.FileRange()
	return ok
}

// Reserve returns an empty slice with room for n bytes after what is there. What is appended to it
// becomes part of the chain with [Chain.Commit]; nothing else may be put into the chain in between.
// Appending more than n is allowed, and slower.
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

// add appends an empty segment, to be filled in where it is: to make it elsewhere and copy it would
// cost more than everything else that the chain does for an answer.
func (q *Chain) add() *segment {
	n := len(q.segs)
	switch {
	case n < cap(q.segs):
	case n == 0:
		q.segs = q.spare.get()
	default:
		q.segs = append(make([]segment, 0, 2*n), q.segs...)
	}
	q.segs = q.segs[:n+1]
	return &q.segs[n]
}

// newChunk begins a fresh chunk. The old one goes back to the pool with its last segment, or now if
// that is sent already.
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

// AppendBytes appends p itself, which must not change until it is sent. One reference of ref passes
// to the chain; ref may be nil for memory that lives for ever.
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

// Bytes appends to iov the byte segments at the front of the chain, up to iov's capacity, for
// writev(2) or sendmsg(2). more reports whether a file range or a pipe comes straight after them,
// so that the kernel can be told to wait for it (MSG_MORE).
func (q *Chain) Bytes(iov [][]byte) (_ [][]byte, more bool) {
	for i := q.head; i < len(q.segs); i++ {
		if q.segs[i].file != nil || q.segs[i].pipe != nil {
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

// NoteRead notes that the first n bytes of the first file range were just read from the
// disk, or are about to be before the chain is looked at again.
func (q *Chain) NoteRead(n int64) {
	for i := q.head; i < len(q.segs); i++ {
		if s := &q.segs[i]; s.file != nil {
			s.read, q.fresh = n, true
			return
		}
	}
}

// NoteWait notes that the sender waits for the socket: what was read before may no longer be in
// memory when it goes on.
func (q *Chain) NoteWait() { q.fresh = false }

// FileRead is how many bytes at the beginning of the first file range NoteRead has noted; fresh
// reports whether there was no NoteWait since.
func (q *Chain) FileRead() (n int64, fresh bool) {
	for i := q.head; i < len(q.segs); i++ {
		if s := &q.segs[i]; s.file != nil {
			return s.read, q.fresh && s.read > 0
		}
	}
	return 0, false
}

// NoteCork notes that the socket is corked for the first file range, or is no longer (tcp(7)).
func (q *Chain) NoteCork(on bool) { q.corked, q.passed = on, false }

// Corked reports whether the socket is corked.
func (q *Chain) Corked() bool { return q.corked }

// CorkPassed reports whether the socket is corked for a range that is sent or dropped already, so
// that the cork must be pulled before anything else is sent.
func (q *Chain) CorkPassed() bool { return q.passed }

// Ack notes that the first n bytes are sent, and releases the segments passed.
func (q *Chain) Ack(n int64) {
	if n < 0 || n > q.left {
		panic("chain: more acknowledged than was to be sent")
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

// closeUp moves the segments to the front of the slice when most of the slice before them is used
// up, so that a chain that never runs empty does not grow for ever.
func (q *Chain) closeUp() {
	if q.head < 32 || q.head < len(q.segs)/2 {
		return
	}
	n := copy(q.segs, q.segs[q.head:])
	clear(q.segs[n:])
	q.segs, q.tailSeg, q.head = q.segs[:n], max(q.tailSeg-q.head, -1), 0
}

func (s *segment) advance(n int64) {
	switch {
	case s.file != nil:
		s.off, s.n, s.read = s.off+n, s.n-n, max(s.read-n, 0)
	case s.pipe != nil:
		s.n -= n
	default:
		s.p = s.p[n:]
	}
}

// drop releases what a segment holds. The chunk being filled stays.
func (q *Chain) drop(i int) {
	s := &q.segs[i]
	if s.chunk != nil && i != q.tailSeg {
		q.pool.Put(s.chunk)
	}
	if s.file != nil && q.corked {
		q.passed = true
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
	if q.spare != nil {
		q.spare.put(q.segs)
		q.segs = nil
	}
}

func release(r Ref) {
	if r != nil {
		r.Release()
	}
}
