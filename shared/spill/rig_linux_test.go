package spill

// What the tests need: a thread whose slow work runs when the test says so, a disk that can fail,
// and a reader of chains.

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/sysnet"
)

// rig is one thread with its queues.
type rig struct {
	t      testing.TB
	spill  *Spill
	thread *Thread
	clock  clock.Clock
	pool   *bufpool.Pool

	work   []piece // that was given to the pool
	open   int     // files
	opened int     // ever
	failed []error

	onDisk, inMemory atomic.Int64
}

// piece is slow work, and what follows it.
type piece struct{ work, then func() }

func (r *rig) Adopt(int, machine.Machine) { panic("nothing to adopt") }
func (r *rig) Nudge(int)                  { panic("nothing to nudge") }

func (r *rig) Offload(k offload.Kind, work, then func()) {
	require.Equal(r.t, offload.Spill, k)
	r.work = append(r.work, piece{work, then})
}

// finish runs the i-th piece of the slow work.
func (r *rig) finish(i int) {
	p := r.work[i]
	r.work = append(r.work[:i:i], r.work[i+1:]...)
	p.work()
	p.then()
}

// settle runs all slow work, and what comes of it.
func (r *rig) settle() {
	for len(r.work) > 0 {
		r.finish(0)
	}
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

// newRig makes a thread whose files are in a folder of their own.
func newRig(t testing.TB, change func(*Config)) *rig {
	r := &rig{t: t, pool: bufpool.New(BlockSize, 1024)}
	r.clock.Set(clock.Second, 1e18)
	cfg := Config{Memory: mib, File: 64 * mib, Total: 256 * mib, Dir: t.TempDir(), OnDisk: &r.onDisk, InMemory: &r.inMemory,
		Failed: func(err error) { r.failed = append(r.failed, err) }}
	if change != nil {
		change(&cfg)
	}
	var err error
	r.spill, err = New(cfg)
	require.NoError(t, err)
	d := &r.spill.disk
	open, closeFile := d.open, d.close
	d.open = func(dir string) (int, error) {
		fd, err := open(dir)
		if err == nil {
			r.open++
			r.opened++
		}
		return fd, err
	}
	d.close = func(fd int) {
		r.open--
		closeFile(fd)
	}
	r.thread = r.spill.Thread(r, &r.clock, r.pool)
	return r
}

// over says that nothing is left of what the queues had.
func (r *rig) over() {
	r.t.Helper()
	r.settle()
	require.Zero(r.t, r.inMemory.Load(), "bytes of memory")
	require.Zero(r.t, r.onDisk.Load(), "bytes on the disk")
	require.Zero(r.t, r.open, "files")
	require.Zero(r.t, r.pool.Out(), "slices of the pool")
}

// side is a queue, what was put into it, and the chain that it feeds.
type side struct {
	*rig
	q           Queue
	out         chain.Chain
	news        int
	in, outed   int64 // bytes that were put and that came out
	rand        *rand.Rand
	said, heard *rand.ChaCha8 // the same bytes: those that are put, and those that must come out
	lost        error
}

func (r *rig) side() *side {
	s := &side{rig: r, out: chain.New(r.pool), said: rand.NewChaCha8([32]byte{1}), heard: rand.NewChaCha8([32]byte{1})}
	s.rand = rand.New(rand.NewPCG(1, 2))
	s.q.Open(r.thread, func() { s.news++ })
	return s
}

// say puts n random bytes.
func (s *side) say(n int) {
	p := make([]byte, n)
	s.said.Read(p)
	s.q.Put(p)
	s.in += int64(n)
}

// sayAll puts pieces of up to 16 KiB until n bytes are in, or the queue is full. It answers how
// many were.
func (s *side) sayAll(n int) (said int) {
	for said < n && !s.q.Full() {
		m := min(n-said, 1+s.rand.IntN(16*kib))
		s.say(m)
		said += m
	}
	return said
}

func (s *side) feed() {
	if err := s.q.Feed(Into{&s.out}); err != nil {
		s.lost = err
	}
}

// drink takes n bytes of the chain, or what is there, and checks that they are right.
func (s *side) drink(n int64) (drunk int64) {
	s.t.Helper()
	for n > 0 && !s.out.Empty() {
		got := front(s.t, &s.out, n)
		want := make([]byte, len(got))
		s.heard.Read(want)
		if !bytes.Equal(got, want) {
			require.FailNow(s.t, "other bytes came out than were put in")
		}
		s.outed += int64(len(got))
		s.out.Ack(int64(len(got)))
		n -= int64(len(got))
		drunk += int64(len(got))
	}
	return drunk
}

// drinkAll takes all that is in the queue. Slow work is done where nothing else helps.
func (s *side) drinkAll() {
	s.t.Helper()
	for s.q.Len() > 0 || !s.out.Empty() {
		s.feed()
		if s.drink(1<<62) == 0 {
			require.NotEmpty(s.t, s.work, "nothing comes, and nobody is at work")
			s.finish(0)
		}
	}
}

// done closes all of it.
func (s *side) done() {
	s.t.Helper()
	s.q.Close()
	s.out.Reset()
	s.over()
}

// front is up to n bytes of the chain's first segment.
func front(t testing.TB, q *chain.Chain, n int64) []byte {
	if segs, _ := q.Bytes(make([][]byte, 0, 1)); len(segs) > 0 {
		return segs[0][:min(n, int64(len(segs[0])))]
	}
	f, off, m, _ := q.FileRange()
	b := make([]byte, min(n, m))
	_, err := sysnet.Pread(f.Fd(), b, off)
	require.NoError(t, err)
	return b
}

// names are the names in a folder.
func names(t testing.TB, dir string) (all []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

var errDisk = errors.New("the test's disk")

// mount gives the rig a small file system of its own, or skips the test.
func mount(t testing.TB, options string) (dir string) {
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}
