package spill

import "fourways/shared/chain"

// Writer is where a queue hands on what it has: an answer ([session.Exchange]), a request, or a
// chain ([Into]). A queue has one Writer at a time, which releases what it was given in order.
type Writer interface {
	Write(p []byte)                       // copies p
	WriteRef(p []byte, ref chain.Ref)     // takes p; one reference of ref passes
	WriteFile(f chain.File, off, n int64) // takes a range; one reference of f passes
}

// Into is a chain as a Writer.
type Into struct{ *chain.Chain }

// Write appends a copy of p.
func (w Into) Write(p []byte) { w.Copy(p) }

// WriteRef appends p itself.
func (w Into) WriteRef(p []byte, ref chain.Ref) { w.AppendBytes(p, ref) }

// WriteFile appends a range of a file.
func (w Into) WriteFile(f chain.File, off, n int64) { w.AppendFile(f, off, n) }

// Queue is bytes on their way from a fast side to a slow one. It belongs to one thread. The zero
// Queue is ready for Open; an open one that is empty holds no memory.
type Queue struct {
	thread *Thread
	news   func()
	front  list
	back   list
	store  *store // what is on the disk; nil before anything was
	bytes  int64  // that were not handed on
	memory int64  // bytes of its blocks, also of those that the chain has
	life   uint32 // how often it was closed
	full   bool
}

// Open makes the queue ready. news is called when a full queue has room again, and when Feed had
// nothing because the disk was read, and has something now. It is called on the thread, also within
// Put and Feed, and must only take note and nudge.
func (q *Queue) Open(t *Thread, news func()) {
	*q = Queue{thread: t, news: news, life: q.life}
}

// Len is how many bytes were not handed on.
func (q *Queue) Len() int64 { return q.bytes }

// Full reports whether the fast side has to wait. If so, news will be called.
func (q *Queue) Full() bool { return q.full }

// Put appends a copy of p, also to a full queue.
func (q *Queue) Put(p []byte) {
	q.bytes += int64(len(p))
	for len(p) > 0 {
		to := &q.back
		if q.toFront() {
			to = &q.front
		}
		n := to.fill(p)
		if n == 0 {
			to.push(q.thread.newBlock(q))
		}
		p = p[n:]
	}
	if q.back.bytes >= q.piece() {
		q.save()
	}
	q.full = q.full || q.isFull()
}

// Take appends a copy of p like Put, and releases what it is of.
func (q *Queue) Take(p []byte, ref chain.Ref) {
	q.Put(p)
	if ref != nil {
		ref.Release()
	}
}

// toFront reports whether what comes next has its place in the front: there is room in memory, and
// nothing stands between.
func (q *Queue) toFront() bool {
	if q.back.first != nil || q.store != nil && q.store.left() > 0 {
		return false
	}
	last := q.front.last
	return q.memory < q.most() || last != nil && !last.sealed && len(last.p) < cap(last.p)
}

// save has the back written, as far as that is possible now.
func (q *Queue) save() {
	if q.store == nil {
		if q.thread.spill.cfg.File == 0 {
			return
		}
		q.store = newStore(q)
	}
	q.store.save()
}

// most is how much memory the queue may have without its back, and piece is how much is written of
// that at once. Where the queues together have as much memory as they may, both are little. Who has
// little anyway does not look: that is shared by all threads.
func (q *Queue) most() int64 {
	if memory := q.thread.spill.cfg.Memory; q.memory < leastBytes || !q.thread.spill.short() {
		return memory
	}
	return leastBytes
}

func (q *Queue) piece() int64 {
	if q.back.bytes < leastBytes || !q.thread.spill.short() {
		return writeBytes
	}
	return leastBytes
}

// isFull reports whether the fast side should wait, and hasRoom whether it may go on. One that has
// no memory always may, or nothing would ever move where all memory is others'.
func (q *Queue) isFull() bool {
	if q.memory > 0 && q.thread.crowded() {
		return true
	}
	if q.thread.spill.cfg.File == 0 {
		return q.memory >= q.most()
	}
	return q.back.bytes >= backPieces*q.piece()
}

func (q *Queue) hasRoom() bool {
	if q.memory > 0 && q.thread.crowded() {
		return false
	}
	if q.thread.spill.cfg.File == 0 {
		return q.memory <= q.most()/2
	}
	return q.back.bytes <= backPieces*q.piece()*3/4
}

// moved looks whether a full queue has room again.
func (q *Queue) moved() {
	if q.full && q.hasRoom() {
		q.full = false
		q.news()
	}
}

// Feed hands some of the queue on: up to 256 KiB of memory, and up to 1 MiB of the file. It hands
// nothing on while that is read from the disk. It fails where the disk has lost what it was given:
// the rest will never come, and what was sent must not look whole.
func (q *Queue) Feed(w Writer) (err error) {
	for most := feedBytes; most > 0 && q.bytes > 0; {
		if q.front.first != nil {
			most -= q.feedMemory(w)
			continue
		}
		if q.store != nil && q.store.left() > 0 {
			err = q.store.feed(w)
			break
		}
		q.turnBack()
	}
	if q.store != nil {
		q.store.save() // what could not be written before may have room now
	}
	return err
}

// feedMemory hands on the first block of the front.
func (q *Queue) feedMemory(w Writer) int {
	b := q.front.first
	p := b.left()
	if len(p) <= copyBelow {
		w.Write(p)
	} else {
		b.refs++
		w.WriteRef(p, b)
	}
	q.bytes -= int64(len(p))
	q.front.pass(len(p))
	return len(p)
}

// turnBack makes the back the front. Work that writes some of it goes on, for nothing.
func (q *Queue) turnBack() {
	q.front, q.back = q.back, list{}
	if q.store != nil {
		q.store.turned()
	}
	q.moved()
}

// Close drops what is in the queue. What was handed on lives as long as the chain needs it. The
// queue can be opened again.
func (q *Queue) Close() {
	q.life++ // from here on, blocks do not count as this queue's
	q.front.clear()
	q.back.clear()
	if q.store != nil {
		q.store.close()
	}
	*q = Queue{life: q.life}
}
