package chain

// Bytes that pass from one socket to another in a pipe: the kernel moves them, and this program
// never sees them (splice(2)).
//
// A pipe belongs to one machine's chain while it holds something, and to its pool otherwise. It is
// for what moves on at once. What the socket does not take is read into memory in the same turn
// ([Chain.Drain]), and waits there as whatever was copied does: so a few pipes do for any number of
// connections, and a slow reader has none.
//
// What must not be done: a pipe must not be filled again before it is empty. A full pipe and a
// socket in which nothing has come are the same error, and a thread that mistakes one for the
// other asks again and again.

// PipeSize is how many bytes are moved by a pipe at once.
const PipeSize = 256 << 10

// Pipe holds bytes in the kernel. [Ref.Release] gives it back to its pool, whatever is in it.
type Pipe interface {
	Ref
	// Fill moves up to n bytes from a socket into the pipe, which is empty. It does not wait: the
	// errors are those of splice(2), EAGAIN among them. No bytes without an error are the end of
	// what the peer sends.
	Fill(fd int, n int64) (int64, error)
	// Pour moves up to n bytes from the pipe into a socket. It does not wait either.
	Pour(fd int, n int64) (int64, error)
	// Read takes bytes out into memory.
	Read(p []byte) (int, error)
}

// Pipes lends the pipes of one thread.
type Pipes interface {
	// Get lends an empty pipe. It is nil where there is none: then bytes are copied.
	Get() Pipe
}

// AppendPipe appends the n bytes that a pipe holds. One reference of it passes to the chain.
func (q *Chain) AppendPipe(p Pipe, n int64) {
	q.left += n
	s := q.add()
	s.pipe, s.ref, s.n = p, p, n
}

// FrontPipe is the pipe at the front of the chain, and what it holds.
func (q *Chain) FrontPipe() (p Pipe, n int64, ok bool) {
	if q.head == len(q.segs) || q.segs[q.head].pipe == nil {
		return nil, 0, false
	}
	s := &q.segs[q.head]
	return s.pipe, s.n, true
}

// Piped reports whether some of what is left is in a pipe.
func (q *Chain) Piped() bool {
	for i := q.head; i < len(q.segs); i++ {
		if q.segs[i].pipe != nil {
			return true
		}
	}
	return false
}

// Drain reads what pipes hold into memory, and gives them back. An error means that it is lost.
func (q *Chain) Drain(in *Intake) error {
	for i := q.head; i < len(q.segs); i++ {
		s := &q.segs[i]
		if s.pipe == nil {
			continue
		}
		b := in.lend(s.n)
		for got := int64(0); got < s.n; {
			n, err := s.pipe.Read(b.p[got:s.n])
			if err != nil {
				b.Release()
				return err
			}
			got += int64(n)
		}
		s.pipe.Release()
		*s = segment{p: b.p[:s.n], ref: b}
	}
	return nil
}
