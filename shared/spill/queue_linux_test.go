package spill

// Order and contents, bounds, and what is given back: one queue on a thread whose slow work the
// test does itself.

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/sysnet"
)

func TestWhatFindsRoomInMemoryNeverSeesADisk(t *testing.T) {
	s := newRig(t, nil).side()
	for range 10 {
		s.sayAll(mib - 16*kib)
		require.False(t, s.q.Full())
		s.drinkAll()
		require.Zero(t, s.inMemory.Load(), "an empty queue holds nothing")
	}
	require.Zero(t, s.opened)
	s.done()
}

func TestAQueueThatIsUsedUpGoesBackToMemory(t *testing.T) {
	s := newRig(t, nil).side()
	for round := 1; round <= 3; round++ {
		require.Equal(t, 8*mib, s.sayThrough(8*mib), "all of it is taken at once")
		require.Equal(t, 1, s.open)
		s.drinkAll()
		s.settle()
		require.Zero(t, s.open, "nothing is left of the file")
		require.Zero(t, s.onDisk.Load())
		require.Equal(t, round, s.opened)
		s.say(100)
		s.drinkAll()
		require.Equal(t, round, s.opened, "a little goes through memory")
	}
	s.done()
}

// A queue for which there may be no file makes its source wait, and goes on when its reader has
// taken some. When others have given their files back it gets one.
func TestThereAreNoMoreFilesThanMayBe(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Files = 2 })
	one, two, three := r.side(), r.side(), r.side()
	for _, s := range []*side{one, two} {
		require.Equal(t, 8*mib, s.sayThrough(8*mib))
	}
	said := three.sayThrough(8 * mib)
	require.Less(t, said, 2*mib)
	require.True(t, three.q.Full())
	require.Equal(t, 2, r.open)
	require.Empty(t, r.failed, "the disk is not to blame")
	three.drinkAll()
	require.False(t, three.q.Full())
	one.q.Close()
	one.out.Reset()
	r.settle()
	require.Equal(t, 8*mib, three.sayThrough(8*mib))
	require.Equal(t, 2, r.open)
	three.drinkAll()
	two.drinkAll()
	two.q.Close()
	three.done()
	require.Zero(t, r.spill.files.Load())
}

// A file that cannot be made is none of those that there may be.
func TestAFileThatCannotBeMadeIsNotCounted(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Files = 1 })
	open := r.spill.disk.open
	r.spill.disk.open = func(string) (int, error) { return -1, errDisk }
	s := r.side()
	require.Less(t, s.sayThrough(8*mib), 2*mib)
	require.NotEmpty(t, r.failed)
	require.Zero(t, r.spill.files.Load())
	r.spill.disk.open = open
	r.clock.Set(r.clock.Now()+restAfter, 1e18)
	s.drinkAll()
	require.Equal(t, 8*mib, s.sayThrough(8*mib))
	s.drinkAll()
	s.done()
	require.Zero(t, r.spill.files.Load())
}

// sayThrough puts n bytes, with slow work done in between.
func (s *side) sayThrough(n int) (said int) {
	for said < n {
		got := s.sayAll(n - said)
		said += got
		if got == 0 && len(s.work) == 0 {
			break
		}
		s.settle()
	}
	return said
}

func TestAQueueHoldsSoMuchAndThenItsSourceWaits(t *testing.T) {
	for name, tt := range map[string]struct {
		memory, file, total int64
		least, most         int64 // bytes that it takes
		inMemory            int64 // at most
	}{
		"memory alone":                     {memory: mib, least: mib - 16*kib, most: mib + 32*kib, inMemory: mib + 32*kib},
		"memory and a file":                {memory: mib, file: 4 * mib, total: 64 * mib, least: 5 * mib, most: 6 * mib, inMemory: mib + 544*kib},
		"a file that others have filled":   {memory: mib, file: 4 * mib, total: 2 * mib, least: 3 * mib, most: 4 * mib, inMemory: mib + 544*kib},
		"a file for which nothing is left": {memory: 64 * kib, file: 4 * mib, total: 0, least: 512 * kib, most: 640 * kib, inMemory: 640 * kib},
	} {
		t.Run(name, func(t *testing.T) {
			s := newRig(t, func(c *Config) { c.Memory, c.File, c.Total = tt.memory, tt.file, tt.total }).side()
			said := int64(s.sayThrough(64 * mib))
			require.True(t, s.q.Full())
			require.GreaterOrEqual(t, said, tt.least)
			require.LessOrEqual(t, said, tt.most)
			require.LessOrEqual(t, s.inMemory.Load(), tt.inMemory)
			require.LessOrEqual(t, s.onDisk.Load(), min(tt.file, tt.total))
			before := s.news
			s.drinkAll()
			require.False(t, s.q.Full())
			require.Greater(t, s.news, before, "its source is told that there is room")
			require.Empty(t, s.failed, "that is no fault of the disk")
			s.done()
		})
	}
}

// However many slow readers there are, they do not take all memory: once all queues together have
// as much as they may, a further one has little, and goes to its file at once. With room in memory
// again it has as much as any.
func TestManySlowReadersShareWhatMemoryThereIs(t *testing.T) {
	for name, file := range map[string]int64{"with files": 64 * mib, "in memory alone": 0} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.MemoryTotal, c.File = 2*mib, file })
			const readers, each = 64, mib
			var all []*side
			for range readers {
				s := r.side()
				said := s.sayThrough(each)
				require.True(t, said == each || file == 0 && s.q.Full())
				all = append(all, s)
			}
			require.LessOrEqual(t, r.inMemory.Load(), int64(2*mib+readers*4*BlockSize))
			for _, s := range all {
				s.drinkAll()
				require.False(t, s.q.Full())
			}
			r.settle()
			require.Zero(t, r.inMemory.Load())
			one := all[0]
			opened := r.opened
			one.sayAll(mib - 16*kib)
			require.Equal(t, opened, r.opened, "there is room in memory again")
			for _, s := range all {
				s.drinkAll()
				s.q.Close()
				s.out.Reset()
			}
			r.over()
		})
	}
}

// A reader that drinks slowly for a long time needs no more disk than what it has not read.
func TestWhatWasReadIsGivenBackToTheDisk(t *testing.T) {
	s := newRig(t, func(c *Config) { c.File = 8 * mib }).side()
	s.sayThrough(6 * mib)
	file := s.q.store.file
	for range 64 {
		s.sayThrough(mib)
		for drunk := int64(0); drunk < mib; {
			s.feed()
			s.settle()
			drunk += s.drink(mib - drunk)
		}
		s.settle()
		require.LessOrEqual(t, s.onDisk.Load(), int64(8*mib))
		var st unix.Stat_t
		require.NoError(t, unix.Fstat(file.fd, &st))
		require.LessOrEqual(t, st.Blocks*512, int64(9*mib), "bytes that the file system counts")
	}
	require.Same(t, file, s.q.store.file, "it is one file all the time")
	require.Greater(t, file.end, int64(48*mib))
	s.drinkAll()
	s.done()
}

func TestAFileSystemWithoutHolesMakesTheSourceWait(t *testing.T) {
	r := newRig(t, func(c *Config) { c.File = 4 * mib })
	r.spill.disk.punch = func(int, int64, int64) error { return sysnet.ErrNoHoles }
	s := r.side()
	for range 8 {
		s.sayThrough(64 * mib)
		require.True(t, s.q.Full())
		for range 20 {
			s.feed()
			s.settle()
			s.drink(128 * kib)
		}
		require.LessOrEqual(t, s.onDisk.Load(), int64(4*mib))
	}
	require.Empty(t, r.failed)
	s.drinkAll()
	s.done()
}

// The disk may hang for ever: what is on its way to it comes out of memory.
func TestAReaderThatKeepsUpNeverWaitsForTheDisk(t *testing.T) {
	s := newRig(t, nil).side()
	s.sayAll(64 * mib)
	require.True(t, s.q.Full())
	require.Len(t, s.work, 1, "the disk is at work")
	for range 5 {
		for s.q.Len() > 0 || !s.out.Empty() {
			s.feed()
			require.Positive(t, s.drink(1<<62))
		}
		require.False(t, s.q.Full())
		s.sayAll(64 * mib)
		require.True(t, s.q.Full())
		require.Len(t, s.work, 1, "and only once")
	}
	require.LessOrEqual(t, s.inMemory.Load(), int64(2*mib))
	s.settle()
	s.drinkAll()
	s.done()
}

func TestADiskThatFailsSlowsAndNeverCuts(t *testing.T) {
	type failure struct {
		open, write error
		part        int // bytes that are written all the same
	}
	for name, f := range map[string]failure{
		"no space":                               {write: unix.ENOSPC},
		"no space after a part":                  {write: unix.ENOSPC, part: 100000},
		"the quota":                              {write: unix.EDQUOT},
		"a broken disk":                          {write: unix.EIO},
		"a broken disk after a part":             {write: unix.EIO, part: 16384},
		"a file too large":                       {write: unix.EFBIG},
		"it became read-only":                    {open: unix.EROFS},
		"no descriptors":                         {open: unix.EMFILE},
		"the folder has gone":                    {open: unix.ENOENT},
		"it became read-only for open files too": {write: unix.EROFS, part: 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			fails := true
			open, write := r.spill.disk.open, r.spill.disk.write
			tries := 0
			r.spill.disk.open = func(dir string) (int, error) {
				if tries++; fails && f.open != nil {
					return -1, f.open
				}
				return open(dir)
			}
			r.spill.disk.write = func(fd int, segs [][]byte, off int64) (int64, error) {
				if tries++; !fails || f.write == nil {
					return write(fd, segs, off)
				}
				var all []byte
				for _, p := range segs {
					all = append(all, p...)
				}
				n, err := write(fd, [][]byte{all[:f.part]}, off)
				require.NoError(t, err)
				return n, f.write
			}
			s := r.side()
			for range 4 {
				s.sayThrough(64 * mib)
				require.True(t, s.q.Full())
				s.feed()
				s.drink(300 * kib)
			}
			require.LessOrEqual(t, tries, 4, "it is not tried again at once")
			require.Len(t, r.failed, 1, "it is told once")
			for _, e := range []error{f.open, f.write} {
				if e != nil {
					require.ErrorIs(t, r.failed[0], e)
				}
			}
			r.clock.Set(r.clock.Now()+restAfter, 1e18)
			s.feed()
			s.sayThrough(64 * mib)
			require.Greater(t, tries, 1, "after a while it is tried again")
			fails = false
			r.clock.Set(r.clock.Now()+restAfter, 1e18)
			s.feed()
			s.drink(1 << 62)
			require.Equal(t, 8*mib, s.sayThrough(8*mib), "and goes on when the disk does")
			s.drinkAll()
			s.done()
		})
	}
}

func TestWhatIsNotInMemoryIsReadBesideTheThread(t *testing.T) {
	r := newRig(t, nil)
	cold := true
	r.spill.disk.inCache = func(int, int64, int64) bool { return !cold }
	s := r.side()
	s.sayThrough(8 * mib)
	for s.q.Len() > 8*mib-mib {
		s.feed()
		s.drink(1 << 62)
	}
	before := s.q.Len()
	s.feed()
	require.Zero(t, s.out.Len(), "nothing is handed on that would wait for the disk")
	s.feed()
	require.Len(t, s.work, 1, "it is asked for once")
	s.say(100)
	told := s.news
	s.settle()
	require.Equal(t, told+1, s.news, "whoever waits is told")
	s.feed()
	require.Positive(t, s.out.Len())
	require.Equal(t, before+100, s.q.Len()+s.out.Len())
	s.drinkAll()
	s.done()
}

func TestAnswersWhoseBytesTheDiskHasLostDoNotLookWhole(t *testing.T) {
	r := newRig(t, nil)
	r.spill.disk.inCache = func(int, int64, int64) bool { return false }
	r.spill.disk.read = func(sysnet.Cold) error { return errDisk }
	s := r.side()
	s.sayThrough(8 * mib)
	for s.q.Len() > 8*mib-mib {
		s.feed()
		s.drink(1 << 62)
	}
	s.feed()
	s.settle()
	require.NoError(t, s.lost)
	for range 3 {
		s.feed()
		require.ErrorIs(t, s.lost, errDisk)
		require.Zero(t, s.out.Len())
	}
	require.Len(t, r.failed, 1)
	s.done()
}

// A queue may be closed at each point, with all that is under way for it, and be used again.
func TestNothingIsLeftWheneverAQueueIsClosed(t *testing.T) {
	points := map[string]func(s *side){
		"empty":                    func(s *side) {},
		"with a little in memory":  func(s *side) { s.say(100) },
		"with work that has begun": func(s *side) { s.sayAll(64 * mib) },
		"with a file":              func(s *side) { s.sayThrough(8 * mib) },
		"with a file and work":     func(s *side) { s.sayThrough(8 * mib); s.sayAll(64 * mib) },
		"while the disk is read": func(s *side) {
			s.spill.disk.inCache = func(int, int64, int64) bool { return false }
			s.sayThrough(8 * mib)
			for len(s.work) == 0 {
				s.feed()
				s.drink(1 << 62)
			}
		},
		"with ranges in the chain": func(s *side) {
			s.sayThrough(8 * mib)
			for !s.out.HasFile() || s.q.front.first != nil || s.q.store.file.at == 0 {
				s.feed()
			}
		},
	}
	for name, reach := range points {
		for _, order := range []string{"the queue first", "the chain first", "the work first"} {
			t.Run(name+", "+order, func(t *testing.T) {
				s := newRig(t, nil).side()
				reach(s)
				news := s.news
				switch order {
				case "the queue first":
					s.q.Close()
					s.out.Reset()
				case "the chain first":
					s.out.Reset()
					s.q.Close()
				default:
					s.settle()
					news = s.news
					s.q.Close()
					s.out.Reset()
				}
				if order != "the chain first" {
					require.Equal(t, news, s.news, "a closed queue says nothing")
				}
				s.q.Open(s.thread, func() { s.news++ })
				s.heard = rand.NewChaCha8([32]byte{1})
				s.said = rand.NewChaCha8([32]byte{1})
				s.sayThrough(4 * mib)
				s.drinkAll()
				s.done()
			})
		}
	}
}

// discards drops what it is given, as an answer does that has no body.
type discards struct{}

func (discards) Write([]byte)                         {}
func (discards) WriteRef(_ []byte, ref chain.Ref)     { ref.Release() }
func (discards) WriteFile(f chain.File, off, n int64) { f.Release() }

func TestAWriterMayDropWhatItIsGiven(t *testing.T) {
	s := newRig(t, nil).side()
	s.sayThrough(8 * mib)
	for s.q.Len() > 0 {
		require.NoError(t, s.q.Feed(discards{}))
		s.settle()
	}
	s.done()
}

func TestSmallPiecesShareABlock(t *testing.T) {
	s := newRig(t, nil).side()
	for range 1000 {
		s.say(16)
	}
	require.EqualValues(t, BlockSize, s.inMemory.Load())
	s.drinkAll()
	s.done()
}

func TestNothingIsAllocatedWhileTheReaderKeepsUp(t *testing.T) {
	r := newRig(t, nil)
	s := r.side()
	for _, n := range []int{100, 4000, 16 * kib, 100 * kib} {
		p := make([]byte, n)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			s.q.Put(p)
			s.q.Feed(Into{&s.out})
			s.out.Ack(s.out.Len())
		}), n)
	}
	s.done()
}

func TestAFolderThatCannotBeUsedIsTold(t *testing.T) {
	_, err := New(Config{Memory: mib, File: mib, Total: mib, Dir: "/nowhere"})
	require.ErrorIs(t, err, unix.ENOENT)
	require.ErrorContains(t, err, "/nowhere")
	_, err = New(Config{Memory: mib, Dir: "/nowhere"})
	require.NoError(t, err, "nothing is to go there")
	require.Panics(t, func() { newRig(t, nil).spill.Thread(nil, new(clock.Clock), bufpool.New(100, 1)) })
}

func TestNoFileHasAName(t *testing.T) {
	var dir string
	s := newRig(t, func(c *Config) { dir = c.Dir }).side()
	s.sayThrough(8 * mib)
	require.Equal(t, 1, s.open)
	require.Empty(t, names(t, dir))
	s.done()
}

// There is room in memory again while older bytes are still on the disk.
func TestNewBytesStayBehindThoseOnTheDisk(t *testing.T) {
	s := newRig(t, nil).side()
	for range (mib + writeBytes) / BlockSize {
		s.say(BlockSize)
	}
	s.settle()
	for s.q.front.first != nil {
		s.q.feedMemory(Into{&s.out})
	}
	s.drink(1 << 62)
	require.Nil(t, s.q.back.first)
	require.EqualValues(t, writeBytes, s.q.store.left())
	s.say(100)
	s.drinkAll()
	s.done()
}

// Where the thread's connections have all memory that they may, the fast side waits as soon as the
// queue has some, and goes on once the queue has none: then something always moves.
func TestWhereMemoryIsFullAQueueHoldsOnePiece(t *testing.T) {
	for name, file := range map[string]int64{"with a disk": 64 * mib, "without one": 0} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.File = file })
			crowded := true
			r.thread.Full = func() bool { return crowded }
			s := r.side()
			require.False(t, s.q.Full(), "it has nothing")
			s.say(100)
			require.True(t, s.q.Full())
			s.feed()
			s.drinkAll()
			require.False(t, s.q.Full())
			require.Equal(t, 1, s.news)

			crowded = false
			s.say(3 * BlockSize)
			require.False(t, s.q.Full())
			crowded = true
			s.say(1)
			require.True(t, s.q.Full())
			s.feed()
			s.drink(2 * BlockSize)
			require.Equal(t, 1, s.news, "it still has some")
			crowded = false
			s.drink(BlockSize)
			require.Equal(t, 2, s.news, "others have given back enough")
			s.drinkAll()
			s.done()
		})
	}
}
