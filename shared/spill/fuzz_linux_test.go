package spill

// Any course of events, against a plain queue of bytes: what comes out is what went in, and the
// bounds hold at each point.

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/clock"
	"fourways/shared/sysnet"
)

// course reads what is to happen from a list of bytes.
type course struct{ b []byte }

func (c *course) next() (int, bool) {
	if len(c.b) == 0 {
		return 0, false
	}
	n := int(c.b[0])
	c.b = c.b[1:]
	return n, true
}

// size makes small and large pieces equally likely.
func (c *course) size() int {
	n, _ := c.next()
	m, _ := c.next()
	return (n + 1) << (m % 10)
}

// trouble is a disk of which each call goes as the course says.
func (c *course) trouble(r *rig) {
	d := &r.spill.disk
	open, write, punch, read := d.open, d.write, d.punch, d.read
	bad := func() bool {
		n, ok := c.next()
		return ok && n%8 == 0
	}
	d.open = func(dir string) (int, error) {
		if bad() {
			return -1, errDisk
		}
		return open(dir)
	}
	d.write = func(fd int, segs [][]byte, off int64) (int64, error) {
		if !bad() {
			return write(fd, segs, off)
		}
		part, _ := c.next()
		n, err := write(fd, segs[:part%(len(segs)+1)], off)
		require.NoError(r.t, err)
		return n, errDisk
	}
	d.punch = func(fd int, off, n int64) error {
		if bad() {
			return sysnet.ErrNoHoles
		}
		return punch(fd, off, n)
	}
	d.inCache = func(int, int64, int64) bool { return !bad() }
	d.read = read
}

// largest is what one Put may have, and low what the chain may have at a Feed, in bytes.
const (
	largest = 128 * kib
	low     = 32 * kib
)

// run plays a course.
func (c *course) run(t testing.TB) {
	memory, _ := c.next()
	file, _ := c.next()
	total, _ := c.next()
	var cfg Config
	r := newRig(t, func(to *Config) {
		to.Memory, to.File, to.Total = int64(memory)*4*kib, int64(file%8)*mib, int64(total%16)*mib
		to.MemoryTotal = int64(total/16) * 32 * kib // 0 for any
		cfg = *to
	})
	c.trouble(r)
	back := int64(backPieces*writeBytes + largest)
	crowded := false
	r.thread.Full = func() bool { return crowded }
	most := max(cfg.Memory, back) + back + low + feedBytes + 8*BlockSize // the last for blocks that are not full
	s := r.side()
	for {
		what, ok := c.next()
		if !ok {
			break
		}
		if what%16 == 15 {
			crowded = !crowded
			continue
		}
		c.step(s, what)
		require.LessOrEqual(t, r.onDisk.Load(), cfg.Total)
		if st := s.q.store; st != nil && st.file != nil { // besides an earlier file, which is about to be closed
			require.LessOrEqual(t, st.file.room, cfg.File)
		}
		require.LessOrEqual(t, r.inMemory.Load(), most)
		require.False(t, s.q.Full() && s.q.memory == 0, "who has nothing may always begin")
		require.Equal(t, s.in-s.outed, s.q.Len()+s.out.Len())
	}
	s.drinkAll()
	require.Equal(t, s.in, s.outed)
	s.done()
}

// step does one thing.
func (c *course) step(s *side, what int) {
	switch what % 8 {
	case 0, 1, 2:
		if n := c.size(); !s.q.Full() {
			s.say(n)
		}
	case 3:
		if s.out.Len() < low {
			s.feed()
		}
	case 4, 5:
		s.drink(int64(c.size()))
	case 6:
		if n := len(s.work); n > 0 {
			s.finish(what / 8 % n)
		}
	case 7:
		s.clock.Set(s.clock.Now()+clock.Time(what)*10*clock.Millisecond, 1e18)
	}
}

func TestAnyCourseKeepsOrderAndContents(t *testing.T) {
	for seed := range uint64(40) {
		c := course{b: make([]byte, 3000)}
		rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 7}).Read(c.b)
		c.run(t)
	}
}

func FuzzQueue(f *testing.F) {
	for seed := range byte(4) {
		b := make([]byte, 400)
		rand.NewChaCha8([32]byte{seed}).Read(b)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c := course{b: b[:min(len(b), 1<<14)]}
		c.run(t)
	})
}
