package spill

// Blocks of memory, and lists of them.
//
// A block is counted by reference: its list has one, the work that writes it to the disk has one,
// and the chain has one for each piece that was handed on. The last one gives the memory back. All
// of this happens on the thread; work only reads the bytes. What must not be done: a block that was
// given to work must not be appended to.

// block is some bytes that were put into a queue.
type block struct {
	thread *Thread
	queue  *Queue // whose memory it counts as, while that has this life
	life   uint32
	p      []byte // the pool's; what is filled of it
	at     int    // p[:at] was handed on or written
	refs   int32
	sealed bool // nothing more may be appended
	next   *block
}

// newBlock takes a block for a queue, with a reference for the list that it goes into.
func (t *Thread) newBlock(q *Queue) *block {
	b := t.free
	if b == nil {
		b = &block{thread: t}
	} else {
		t.free, t.kept = b.next, t.kept-1
	}
	*b = block{thread: t, queue: q, life: q.life, p: t.pool.Get()[:0], refs: 1}
	q.memory += BlockSize
	t.spill.cfg.InMemory.Add(BlockSize)
	return b
}

// Release gives one reference back ([chain.Ref]).
func (b *block) Release() {
	if b.refs--; b.refs > 0 {
		return
	}
	t, q := b.thread, b.queue
	t.pool.Put(b.p)
	t.spill.cfg.InMemory.Add(-BlockSize)
	living := q.life == b.life
	*b = block{thread: t}
	if t.kept < keepBlocks {
		b.next, t.free, t.kept = t.free, b, t.kept+1
	}
	if living {
		q.memory -= BlockSize
		q.moved()
	}
}

// left is what was neither handed on nor written.
func (b *block) left() []byte { return b.p[b.at:] }

// list is blocks in the order in which they came.
type list struct {
	first, last *block
	bytes       int64 // that are left in them
}

// push appends a block. Its reference passes to the list.
func (l *list) push(b *block) {
	if l.last == nil {
		l.first = b
	} else {
		l.last.next = b
	}
	l.last = b
	l.bytes += int64(len(b.left()))
}

// pass notes that the first n bytes of the first block were handed on or written, and drops the
// block if that was all of it.
func (l *list) pass(n int) {
	b := l.first
	b.at += n
	l.bytes -= int64(n)
	if len(b.left()) > 0 {
		return
	}
	if l.first = b.next; l.first == nil {
		l.last = nil
	}
	b.next = nil
	b.Release()
}

// clear drops all blocks.
func (l *list) clear() {
	for l.first != nil {
		l.pass(len(l.first.left()))
	}
}

// fill appends as much of p as the last block has room for.
func (l *list) fill(p []byte) int {
	b := l.last
	if b == nil || b.sealed {
		return 0
	}
	n := copy(b.p[len(b.p):cap(b.p)], p)
	b.p = b.p[:len(b.p)+n]
	l.bytes += int64(n)
	return n
}
