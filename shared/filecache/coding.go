package filecache

import (
	"bytes"
	"compress/gzip"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"fourways/shared/sysnet"
)

// A file's other forms, each in a content coding (RFC 9110 section 8.4.1). There are
// two kinds: a neighbour, which somebody compressed beforehand and put beside the file
// under its name and a suffix, and what is made here by gzip, in memory.
//
// A variant is an [Entry] of its own, with its own contents and tag. It hangs on the
// entry of its file: it belongs to that very state, leaves the cache with it, and is
// never newer or older. So only the file has to be looked at again, and with it what
// lies beside it.

// Coding is a content coding.
type Coding uint8

const (
	Identity Coding = iota // none
	Gzip
	Zstd
	Brotli
	codings
)

// String is the coding's name in HTTP.
func (c Coding) String() string { return [codings]string{"identity", "gzip", "zstd", "br"}[c] }

// suffix is what the name of a neighbour ends with.
var suffix = [codings]string{Gzip: ".gz", Zstd: ".zst", Brotli: ".br"}

var (
	errNoGain  = errors.New("compressed, the file is no smaller")
	errCrowded = errors.New("too many files are waiting to be compressed")
	errChanged = errors.New("the neighbour has changed since it was looked at")
)

// Offers reports whether there is the file in this coding, or can be. Identity is
// always there.
func (e *Entry) Offers(c Coding) bool { return c == Identity || e.offers.Load()&bit(c) != 0 }

func (e *Entry) withdraw(c Coding) { e.offers.And(^bit(c)) }

func bit(c Coding) uint32 { return 1 << c }

// survey notes what lies beside a file that was just read, and what there is to offer.
// What was changed just now makes the entry young like a change of the file itself.
func (c *Cache) survey(e *Entry) {
	now := time.Now()
	for coding := Gzip; coding < codings; coding++ {
		st := c.lookBeside([]byte(e.path), coding)
		e.beside[coding] = st
		e.young = e.young || unsettled(st, now)
		if e.hasNeighbour(coding) || coding == Gzip && c.gzips(e) {
			e.offers.Or(bit(coding))
			e.Varies = true
		}
	}
}

// lookBeside says what a neighbour is now; the zero Stat where there is none. That it is
// there does not say that it can be opened: a symbolic link may lead out of the root.
func (c *Cache) lookBeside(path []byte, coding Coding) (st sysnet.Stat) {
	var scratch [usualPath]byte
	if c.root.Look(append(append(scratch[:0], path...), suffix[coding]...), &st) != nil {
		return sysnet.Stat{}
	}
	return st
}

// besideUnchanged reports whether the neighbours are as they were noted.
func (c *Cache) besideUnchanged(path []byte, e *Entry) bool {
	for coding := Gzip; coding < codings; coding++ {
		if c.lookBeside(path, coding) != e.beside[coding] {
			return false
		}
	}
	return true
}

// hasNeighbour reports whether there is a neighbour that holds what the file holds. An
// empty one was never finished. One that is older than the file was made of an earlier
// state of it, and does not count: rather no compression than old contents. Some tools give
// the compressed file the time of its original and drop the fraction; a time of whole
// seconds therefore stands for all of its second.
func (e *Entry) hasNeighbour(c Coding) bool {
	st := e.beside[c]
	if st.Size == 0 || st.Folder {
		return false
	}
	made := st.ModTime
	if made%int64(time.Second) == 0 {
		made += int64(time.Second) - 1
	}
	return made >= e.stat.ModTime
}

// gzips reports whether a file is worth compressing, and could be kept in both forms.
// What cannot be kept would be compressed for each request.
func (c *Cache) gzips(e *Entry) bool {
	return e.Body != nil && e.Size >= minGzip && 2*e.cost() <= c.opt.Bytes && c.opt.Compress != nil && c.opt.Compress(e.path)
}

// LookupVariant returns the file in another coding, if that is kept. The caller's
// reference to e then passes to the variant; else it stays. It allocates nothing.
func (c *Cache) LookupVariant(e *Entry, coding Coding) (*Entry, bool) {
	if coding == Identity {
		return e, true
	}
	c.mu.Lock()
	v := e.variants[coding]
	if v == nil {
		c.mu.Unlock()
		return nil, false
	}
	v.Retain()
	c.ring(v).toFront(v)
	c.ring(e).toFront(e) // in front of its variants: they are of no use without it
	c.mu.Unlock()
	e.Release()
	return v, true
}

// LoadVariant returns the file in another coding, which it reads or makes and then
// keeps, and e itself where it turns out that this cannot be had, or not now. The
// caller's reference to e passes to what is returned. Like Load it must not run on an
// event loop.
func (c *Cache) LoadVariant(e *Entry, coding Coding) *Entry {
	if coding == Identity {
		return e
	}
	e.making.Lock() // who comes second waits and finds it made
	defer e.making.Unlock()
	if v, ok := c.LookupVariant(e, coding); ok {
		return v
	}
	if !e.Offers(coding) {
		return e
	}
	v, steady, err := c.variant(e, coding)
	if err != nil {
		if !sysnet.IsBusy(err) && err != errCrowded {
			e.withdraw(coding) // until the file is read again, which a change leads to
		}
		return e
	}
	v.Coding, v.Varies, v.path = coding, true, e.path
	c.describe(v)
	if steady {
		c.keepVariant(e, v)
	}
	e.Release()
	return v
}

func (c *Cache) variant(e *Entry, coding Coding) (v *Entry, steady bool, err error) {
	if !e.hasNeighbour(coding) {
		v, err := c.press.gzip(e)
		return v, true, err
	}
	v, steady, err = c.read(e.path + suffix[coding])
	if err != nil {
		return nil, false, err
	}
	if v.stat != e.beside[coding] {
		v.Release()
		return nil, false, errChanged
	}
	// Neighbours in two codings may agree in size and time, but must not in their tags (RFC
	// 9110 section 8.8.3.3).
	v.ETag = appendETag(nil, v.stat, suffix[coding])
	return v, steady, nil
}

// press compresses, one file at a time. Unlike other slow work this waits for no disk but
// uses a processor, and several at once would leave none to the threads that serve. One
// alone makes them wait too, where they are on its processor: a turn lasts milliseconds,
// and who wakes up in the middle of it waits for its end. So the press gives its turn away
// after each piece of a file. A file is compressed once, so how many can be in a second
// matters less. The compressor's memory, most of a megabyte, is used again.
type press struct {
	inside atomic.Int32 // that compress or wait for it
	mu     sync.Mutex
	writer *gzip.Writer // nil before its first use
	made   bytes.Buffer
}

// gzip makes the compressed form of a file in memory. It holds neither name nor time, so
// that the same contents always become the same bytes, as a strong tag promises (RFC 9110
// section 8.8.1). Another release of the compressor may make others: the tag has their
// number.
//
// Where too many wait already it gives errCrowded: whoever waits keeps a thread of the pool
// from reading files for others, and a file can go as it is.
func (p *press) gzip(e *Entry) (*Entry, error) {
	defer p.inside.Add(-1)
	if p.inside.Add(1) > pressRoom {
		return nil, errCrowded
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.writer == nil {
		p.writer = gzip.NewWriter(nil)
	}
	p.made.Reset()
	p.writer.Reset(&p.made)
	for piece := range slices.Chunk(e.Body, pressPiece) {
		if _, err := p.writer.Write(piece); err != nil {
			return nil, err
		}
		sysnet.Yield()
	}
	if err := p.writer.Close(); err != nil {
		return nil, err
	}
	if p.made.Len() >= len(e.Body) {
		return nil, errNoGain
	}
	v := &Entry{
		Body: bytes.Clone(p.made.Bytes()), Size: int64(p.made.Len()),
		ETag:     appendETag(nil, e.stat, "-"+strconv.Itoa(p.made.Len())+suffix[Gzip]),
		Modified: e.Modified, LastModified: e.LastModified,
		stat: e.stat, fd: -1,
	}
	v.refs.Store(1)
	return v, nil
}

// keepVariant takes a variant in, if its file is still kept.
func (c *Cache) keepVariant(e, v *Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[e.path] != e || !c.fits(v) {
		return
	}
	e.variants[v.Coding], v.of = v, e
	c.admit(v)
}

// unsettled reports whether what was changed at this time may change again without its
// times telling.
func unsettled(st sysnet.Stat, now time.Time) bool {
	return now.UnixNano()-st.ChangeTime < int64(settled)
}
