// Package spill is the queue that frees a server from slow clients. What the fast side says is
// taken at once: into memory, then into a file, and only then has the fast side to wait.
//
//	Put ─► front (memory) ─► file ─► back (memory, on its way into the file) ─► Feed
//
// The order is always front, file, back. A queue begins with its front alone. When that is full,
// what comes collects in the back, and goes into the file in pieces of 256 KiB. When the front and
// the file are used up, the back becomes the front, wherever it is on its way: no byte is ever kept
// from the client because of the disk. So a disk that is slow, full or broken makes the fast side
// wait, and nothing else happens.
//
// The file has no name, so it ends with the process, however that ends. It is written, read ahead,
// and given back by the pool for slow work ([machine.Host.Offload]), never on the thread of the
// queue. The chain gets ranges of it, for sendfile(2).
//
// Who owns what: a [Spill] is what the queues of one process share, and is safe for concurrent use.
// A [Thread] and its queues belong to one thread. A block of memory or a file lives until its last
// user has released it: the queue, the work that writes it, or the chain it was handed on to.
//
// What must not be done: a part of the file must never be written twice, and holes must be punched
// in whole units only ([sysnet.PunchHole]): what was sent is still in the socket, as pages of the
// file. Nothing here may wait for the disk but the functions of work. The callback of a queue may
// come within Put, Feed, and the chain's Ack; it must only take note and nudge.
package spill

import (
	"fmt"
	"sync/atomic"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/machine"
	"fourways/shared/sysnet"
)

// Bounds that nobody needs to change.
const (
	BlockSize  = chain.ChunkSize   // bytes of a block of memory
	writeBytes = 256 << 10         // written to the file at once
	backPieces = 2                 // in the back of a queue before it is full: one is written, one collects
	feedBytes  = 256 << 10         // of memory that Feed hands on at most
	copyBelow  = 2 << 10           // smaller pieces are copied into the chain, and go out with what is there
	restAfter  = 1 * clock.Second  // after the disk has failed, before a queue tries again
	tellEvery  = 60 * clock.Second // between two reports of a failing disk
	keepBlocks = 128               // blocks without memory that a thread keeps for reuse

	// leastBytes is what a queue has in memory in any case, in its front and in each piece that is
	// written: so much, and little more, where all of them together have as much as they may.
	leastBytes = 2 * BlockSize
)

// Config is how much the queues may hold, and where.
type Config struct {
	Memory int64  // bytes of a queue in memory, besides what is on its way into the file
	File   int64  // bytes of a queue on the disk; 0 for none
	Dir    string // where files are made
	Total  int64  // bytes on the disk of all queues of all processes

	// MemoryTotal is how many bytes of memory all queues of all processes may have before each of
	// them makes do with little; 0 for any number. Without it, memory would be bounded by how many
	// slow readers come.
	MemoryTotal int64

	// Files is how many files the queues of this process may have: their descriptors are none for
	// connections. 0 for as many as the system allows. See [Spill.LimitFiles].
	Files int64

	// OnDisk is how many bytes this process has on the disk, and All is that of all processes, by
	// which Total is kept. Whoever finds a process dead sets its number to 0. Nil where the process
	// is the only one.
	OnDisk *atomic.Int64
	All    func() int64
	// InMemory is how many bytes of memory the queues of this process have, and AllMemory is that
	// of all processes, by which MemoryTotal is kept. Nil where the process is the only one.
	InMemory  *atomic.Int64
	AllMemory func() int64

	// Failed is told of what is wrong with the disk, at most once a minute, on any thread.
	Failed func(error)
}

// Spill is what the queues of a process share. It is safe for concurrent use.
type Spill struct {
	cfg  Config
	disk disk

	files atomic.Int64 // that there are, or are about to be
	told  atomic.Int64 // when Failed was last called, on the monotonic clock; 0 for never
}

// disk is what is done with files. Tests put something slower in the place of the system's.
type disk struct {
	open    func(dir string) (fd int, err error)
	write   func(fd int, segs [][]byte, off int64) (int64, error)
	punch   func(fd int, off, n int64) error
	inCache func(fd int, off, n int64) bool
	read    func(c sysnet.Cold) error // into the page cache
	close   func(fd int)
}

var system = disk{
	open:    sysnet.OpenScratch,
	write:   sysnet.WriteAt,
	punch:   sysnet.PunchHole,
	inCache: sysnet.InCache,
	read:    readAhead,
	close:   sysnet.CloseFile,
}

// readAhead reads a part of a file into the page cache. What the disk refused after write(2) had
// taken it is lost, though it may look like a file of zeros.
func readAhead(c sysnet.Cold) error {
	if err := sysnet.WrittenBack(c.File.Fd(), c.Offset, c.Length); err != nil {
		return err
	}
	return c.Warm()
}

// New checks that files can be made where they are to be.
func New(cfg Config) (*Spill, error) {
	s := &Spill{cfg: cfg, disk: system}
	if cfg.OnDisk == nil {
		s.cfg.OnDisk = new(atomic.Int64)
	}
	if cfg.All == nil {
		s.cfg.All = s.cfg.OnDisk.Load
	}
	if cfg.InMemory == nil {
		s.cfg.InMemory = new(atomic.Int64)
	}
	if cfg.AllMemory == nil {
		s.cfg.AllMemory = s.cfg.InMemory.Load
	}
	if cfg.File == 0 {
		return s, nil
	}
	fd, err := s.disk.open(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("no files for what slow clients have not read yet: %w", err)
	}
	s.disk.close(fd)
	return s, nil
}

// short reports whether the queues together have as much memory as they may.
func (s *Spill) short() bool { return s.cfg.MemoryTotal > 0 && s.cfg.AllMemory() >= s.cfg.MemoryTotal }

// take reserves room on the disk, if there is any. First it is counted, then it is looked at: of
// two processes that take the last room at once, both may be refused, but not both get it.
func (s *Spill) take(n int64) bool {
	s.cfg.OnDisk.Add(n)
	if s.cfg.All() <= s.cfg.Total {
		return true
	}
	s.cfg.OnDisk.Add(-n)
	return false
}

// give gives room back.
func (s *Spill) give(n int64) { s.cfg.OnDisk.Add(-n) }

// LimitFiles sets how many files there may be, where that is known later than the rest. It must
// come before the first queue is opened.
func (s *Spill) LimitFiles(n int64) { s.cfg.Files = n }

// takeFile reserves one more file, if there may be one.
func (s *Spill) takeFile() bool {
	if s.files.Add(1) <= s.cfg.Files || s.cfg.Files == 0 {
		return true
	}
	s.files.Add(-1)
	return false
}

// giveFile gives it back.
func (s *Spill) giveFile() { s.files.Add(-1) }

// failed reports what is wrong with the disk, unless it was reported within the last minute.
func (s *Spill) failed(err error) {
	if s.cfg.Failed != nil && clock.Seldom(&s.told, sysnet.Now(), tellEvery) { // and not by the wall clock, which may be set back
		s.cfg.Failed(err)
	}
}

// Thread is what the queues of one thread share.
type Thread struct {
	spill *Spill
	host  machine.Host
	clock *clock.Clock
	pool  *bufpool.Pool
	free  *block // blocks without memory
	kept  int    // how many those are

	// Full reports whether the connections of the thread have as much memory as they may. Then a
	// queue that has some is full. It is set before the first queue is opened; nil for never.
	Full func() bool
}

// crowded reports whether there is no memory for more than a queue needs to get on.
func (t *Thread) crowded() bool { return t.Full != nil && t.Full() }

// Thread makes what the queues of a thread share. The pool's slices have BlockSize bytes.
func (s *Spill) Thread(host machine.Host, c *clock.Clock, pool *bufpool.Pool) *Thread {
	if pool.Size() != BlockSize {
		panic("spill: a pool of slices of another size")
	}
	return &Thread{spill: s, host: host, clock: c, pool: pool}
}

// Disturb has a disk be in the place of the system's of which nothing is in memory while cold says
// so, and whose work fails with what broken says. It is for tests.
func (s *Spill) Disturb(cold func() bool, broken func(write bool) error) {
	d := s.disk
	s.disk.inCache = func(fd int, off, n int64) bool { return !cold() && d.inCache(fd, off, n) }
	s.disk.read = func(c sysnet.Cold) error {
		if err := broken(false); err != nil {
			return err
		}
		return d.read(c)
	}
	s.disk.write = func(fd int, segs [][]byte, off int64) (int64, error) {
		if err := broken(true); err != nil {
			return 0, err
		}
		return d.write(fd, segs, off)
	}
}
