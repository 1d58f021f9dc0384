package chain

// Memory for large reads, whose bytes go into a chain as they lie.
//
// A machine that passes on what its peer says could read into its own memory and copy that into the
// other side's chain. For large amounts the copy costs as much as one of the two that the kernel
// makes. So such machines read into a block of an Intake, and what has come goes into the chain by
// reference: the block comes back once the chain has released it, and the next read gets another.
// While the other side keeps up there are two or three, which stay in the processor's cache.
//
// An Intake belongs to one thread, and a block to whoever has its reference. What must not be done:
// little must not be kept by reference, or a slow reader of small pieces would hold a large block
// for each of them.

import "fourways/shared/bufpool"

const (
	// IntakeSize is how many bytes are read into an Intake at once.
	IntakeSize = 64 << 10
	// leastRef is how many bytes are worth a reference. A third of this is copied as fast as the
	// chain and the pool are looked after.
	leastRef = IntakeSize / 4
	// MostCopied is how much may be read without being kept by reference.
	MostCopied = leastRef - 1
	// keptBlocks is how many blocks an Intake keeps for the next reads, and keptPipefuls how many
	// of those into which a pipe was drained.
	keptBlocks   = 16
	keptPipefuls = 4
)

// Intake lends memory for reads.
type Intake struct {
	pool     *bufpool.Pool // of IntakeSize
	pipefuls *bufpool.Pool // of PipeSize
	cur      *block        // what the next read goes into; nil before it
	free     []*block      // without memory
}

// block is the memory of one read. The read has a reference, until Took passes it on.
type block struct {
	in   *Intake
	pool *bufpool.Pool
	p    []byte
}

// NewIntake makes an Intake, without any memory yet.
func NewIntake() *Intake {
	return &Intake{pool: bufpool.New(IntakeSize, keptBlocks), pipefuls: bufpool.New(PipeSize, keptPipefuls)}
}

// Lent is how many bytes of memory are lent, all blocks together.
func (in *Intake) Lent() int64 {
	return int64(in.pool.Out())*IntakeSize + int64(in.pipefuls.Out())*PipeSize
}

// Room is memory for the next read. It stays the same until Took.
func (in *Intake) Room() []byte {
	if in.cur == nil {
		in.cur = in.lend(IntakeSize)
	}
	return in.cur.p
}

// lend lends a block of at least n bytes, of which there are at most PipeSize.
func (in *Intake) lend(n int64) *block {
	var b *block
	if last := len(in.free) - 1; last >= 0 {
		b, in.free = in.free[last], in.free[:last]
	} else {
		b = &block{in: in}
	}
	if b.pool = in.pool; n > IntakeSize {
		b.pool = in.pipefuls
	}
	b.p = b.pool.Get()
	return b
}

// Took is the first n bytes of Room, which were read. Where they are many, one reference of them
// passes to the caller, who need not copy them. Where they are few, ref is nil, and they are valid
// until the next read.
func (in *Intake) Took(n int) (p []byte, ref Ref) {
	b := in.cur
	if n < leastRef {
		return b.p[:n], nil
	}
	in.cur = nil
	return b.p[:n], b
}

// Release gives the block back.
func (b *block) Release() {
	b.pool.Put(b.p)
	b.p = nil
	if len(b.in.free) < keptBlocks {
		b.in.free = append(b.in.free, b)
	}
}

// Append appends bytes that may have a reference, which passes on: by reference where they have,
// else as a copy.
func (q *Chain) Append(p []byte, ref Ref) {
	if ref != nil {
		q.AppendBytes(p, ref)
	} else {
		q.Copy(p)
	}
}
