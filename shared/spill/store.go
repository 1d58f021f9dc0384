package spill

// What a queue has on the disk, and the work with it.
//
// Two pieces of work may be under way at once: one that writes (and punches holes, and makes the
// file when there is none), and one that reads ahead. Each holds a reference of the file. Its
// fields are its own until its end; nothing else of the store may be touched by work. A store may
// outlive its queue by the work that is under way.

import (
	"fmt"
	"sync/atomic"

	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/offload"
	"fourways/shared/sysnet"
)

// store is the part of a queue that is on the disk.
type store struct {
	queue  *Queue // nil once that is closed
	thread *Thread
	file   *file      // nil where nothing is on the disk
	rest   clock.Time // nothing is written before that
	warm   int64      // the file is in the page cache up to here, for it was just read
	lost   error      // why what is on the disk will never come

	writing, reading bool
	write            writeWork
	read             readWork
}

// writeWork writes the beginning of a queue's back.
type writeWork struct {
	store  *store
	blocks []*block // with a reference each
	segs   [][]byte // what is written of them
	size   int64    // bytes of segs
	at     int64    // where they go
	fd     int      // -1 for a new file
	dead   bool     // they were handed on meanwhile
	hole   int64    // where a hole is to end that is made first; 0 for none
	punch  int64    // where it begins

	wrote    int64
	err      error
	holeErr  error
	run, end func() // made once
}

// readWork reads a range of the file.
type readWork struct {
	cold     sysnet.Cold
	err      error
	run, end func()
}

func newStore(q *Queue) *store {
	s := &store{queue: q, thread: q.thread}
	s.write.store = s
	s.write.run, s.write.end = s.write.do, s.written
	s.read.run, s.read.end = func() { s.read.err = s.thread.spill.disk.read(s.read.cold) }, s.hasRead
	return s
}

// left is how many bytes on the disk were not handed on.
func (s *store) left() int64 {
	if s.file == nil {
		return 0
	}
	return s.file.end - s.file.at
}

// save writes what can be written now, and gives back what can be given back.
func (s *store) save() {
	if s.writing {
		return
	}
	w := &s.write
	w.gather(s.queue)
	if w.size > 0 && !s.mayWrite(w.size) {
		w.scatter()
	}
	w.hole = 0
	if s.file != nil {
		w.punch, w.hole = s.file.punched, s.file.hole()
	}
	if w.size == 0 && w.hole == 0 {
		return
	}
	w.fd, w.at, w.dead = -1, 0, false
	if s.file != nil {
		w.fd, w.at = s.file.fd, s.file.end
		s.file.refs++
	}
	for _, b := range w.blocks {
		b.refs++
		b.sealed = true
	}
	s.writing = true
	s.thread.host.Offload(offload.Spill, w.run, w.end)
}

// mayWrite reserves room for n bytes on the disk, and a file where there is none, if there is any
// and the disk did not just fail.
func (s *store) mayWrite(n int64) bool {
	has := int64(0)
	if s.file != nil {
		has = s.file.room
	}
	sp := s.thread.spill
	if s.thread.clock.Now() < s.rest || has+n > sp.cfg.File || !sp.take(n) {
		return false
	}
	if s.file == nil && !sp.takeFile() {
		sp.give(n)
		return false
	}
	return true
}

// gather lists the first blocks of a queue's back, if they are enough to be written.
func (w *writeWork) gather(q *Queue) {
	if q.back.bytes < q.piece() {
		return
	}
	for b := q.back.first; b != nil && w.size < writeBytes; b = b.next {
		w.blocks = append(w.blocks, b)
		w.segs = append(w.segs, b.left())
		w.size += int64(len(b.left()))
	}
}

// scatter forgets them.
func (w *writeWork) scatter() {
	clear(w.blocks)
	clear(w.segs[:cap(w.segs)])
	w.blocks, w.segs, w.size = w.blocks[:0], w.segs[:0], 0
}

// do is the work. The hole comes first: where the disk is full it makes room.
func (w *writeWork) do() {
	s := w.store.thread.spill
	w.wrote, w.err, w.holeErr = 0, nil, nil
	if w.hole > 0 {
		w.holeErr = s.disk.punch(w.fd, w.punch, w.hole-w.punch)
	}
	if w.size == 0 {
		return
	}
	if w.fd < 0 {
		if w.fd, w.err = s.disk.open(s.cfg.Dir); w.err != nil {
			w.fd = -1
			return
		}
	}
	w.wrote, w.err = s.disk.write(w.fd, w.segs, w.at)
}

// written is the end of that.
func (s *store) written() {
	w := &s.write
	s.writing = false
	f := s.file
	switch {
	case f == nil && w.fd < 0:
		s.thread.spill.giveFile() // it could not be made
	case f == nil:
		f = &file{thread: s.thread, store: s, fd: w.fd, refs: 2} // the store's, and the work's
		s.file = f
	}
	s.thread.spill.give(w.size - w.wrote)
	if f != nil {
		f.end += w.wrote
		f.room += w.wrote
		s.punched()
	}
	if w.err != nil {
		s.rest = s.thread.clock.Now() + restAfter
		s.thread.spill.failed(fmt.Errorf("writing what slow clients have not read yet: %w", w.err))
	}
	if s.queue != nil {
		s.account(f)
	}
	for _, b := range w.blocks {
		b.Release()
	}
	w.scatter()
	if f != nil {
		f.drop()
	}
	s.goOn()
}

// account takes what was written out of the queue's back. If that has become the front meanwhile,
// it is on the disk for nothing.
func (s *store) account(f *file) {
	w := &s.write
	if w.dead {
		if f != nil {
			f.at = f.end
		}
		return
	}
	for n := w.wrote; n > 0; {
		m := min(n, int64(len(s.queue.back.first.left())))
		s.queue.back.pass(int(m))
		n -= m
	}
}

// punched notes the hole that was made.
func (s *store) punched() {
	w, f := &s.write, s.file
	switch {
	case w.hole == 0:
	case w.holeErr == nil:
		s.thread.spill.give(w.hole - f.punched)
		f.room -= w.hole - f.punched
		f.punched = w.hole
	default: // it can only be that the file keeps its room until its end
		f.noHoles = true
	}
}

// feed hands on the beginning of what is on the disk.
func (s *store) feed(out Writer) error {
	f := s.file
	n := min(f.end-f.at, sysnet.PieceAt(f.at))
	switch {
	case s.lost != nil:
		return s.lost
	case s.reading:
		return nil
	case f.at+n > s.warm && !s.thread.spill.disk.inCache(f.fd, f.at, n):
		s.reading = true
		f.refs++
		s.read.cold = sysnet.Cold{File: f, Offset: f.at, Length: n}
		s.thread.host.Offload(offload.Spill, s.read.run, s.read.end)
		return nil
	}
	off := f.at
	f.at += n
	f.refs++
	f.pieces = append(f.pieces, f.at)
	s.queue.bytes -= n
	out.WriteFile(f, off, n)
	return nil
}

// hasRead is the end of reading ahead.
func (s *store) hasRead() {
	s.reading = false
	s.warm = s.read.cold.Offset + s.read.cold.Length
	s.read.cold = sysnet.Cold{}
	s.file.drop()
	if s.queue == nil {
		s.settle()
		return
	}
	if err := s.read.err; err != nil {
		s.lost = fmt.Errorf("reading back what slow clients have not read yet: %w", err)
		s.thread.spill.failed(s.lost)
	}
	s.queue.news()
}

// turned notes that the queue's back has become its front.
func (s *store) turned() {
	s.write.dead = true
	s.settle()
}

// goOn does what is possible after something has come to its end.
func (s *store) goOn() {
	s.settle()
	if s.queue != nil {
		s.save()
		s.queue.moved()
	}
}

// settle gives the file up when nothing of it is wanted. The next one begins at 0.
func (s *store) settle() {
	f := s.file
	if f == nil || s.writing || s.reading {
		return
	}
	if s.queue == nil || f.at == f.end && len(f.pieces) == 0 && s.queue.back.first == nil {
		s.file, s.warm = nil, 0
		f.store = nil
		f.drop()
	}
}

// close ends the store, now or with the work that is under way.
func (s *store) close() {
	s.queue = nil
	s.settle()
}

// file is a scratch file. Its references are the store's, that of each work, and that of each range
// that was handed on.
type file struct {
	thread   *Thread
	store    *store // nil once that has given it up
	fd       int
	refs     int32
	noHoles  bool
	copyOnly atomic.Bool
	at, end  int64   // of what was not handed on
	pieces   []int64 // where the ranges end that were handed on and not released
	passed   int64   // up to here all is released
	punched  int64   // up to here the disk's room is given back
	room     int64   // bytes that it has on the disk
}

var _ chain.File = (*file)(nil)

// Fd is the descriptor.
func (f *file) Fd() int { return f.fd }

// Release notes that the first range that was handed on is not needed any more ([chain.Ref]).
func (f *file) Release() {
	f.passed = f.pieces[0]
	f.pieces = append(f.pieces[:0], f.pieces[1:]...)
	f.drop()
	if f.store != nil {
		f.store.goOn()
	}
}

// CopyOnly is the mark of a file that sendfile(2) cannot send ([sysnet.Sender]).
func (f *file) CopyOnly() *atomic.Bool { return &f.copyOnly }

// hole is where the next hole can end, 0 where none is worth it.
func (f *file) hole() int64 {
	end := f.passed / sysnet.HoleUnit * sysnet.HoleUnit
	if f.noHoles || end == f.punched {
		return 0
	}
	return end
}

// drop gives one reference back. After the last one the file is closed, which may take the disk a
// while.
func (f *file) drop() {
	if f.refs--; f.refs == 0 {
		f.thread.host.Offload(offload.Spill, func() {
			f.thread.spill.disk.close(f.fd)
			f.thread.spill.give(f.room)
			f.thread.spill.giveFile()
		}, func() {})
	}
}
