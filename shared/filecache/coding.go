package filecache

import (
	"bytes"
	"compress/gzip"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fourways/shared/sysnet"
)

// A file's other forms, each in a content coding (RFC 9110 8.4.1). There are two kinds: a
// neighbour, which was compressed beforehand and lies next to the file under its name and a suffix,
// and what is made here by gzip, in memory.
//
// A variant is an [Entry] of its own, with its own contents and tag. It hangs on the entry of its
// file: it belongs to that very state, leaves the cache with it, and is never newer or older. So
// only the file has to be looked at again, together with its neighbours.

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
	errOlder   = errors.New("it is older than the file it was made of")
	errNoGain  = errors.New("compressed, the file is no smaller")
	errCrowded = errors.New("too many files are waiting to be compressed")
	errChanged = errors.New("the neighbour has changed since it was looked at")
)

// Offers reports whether there is the file in this coding, or can be. Identity is
// always there.
func (e *Entry) Offers(c Coding) bool { return c == Identity || e.offers.Load()&bit(c) != 0 }

func (e *Entry) withdraw(c Coding) { e.offers.And(^bit(c)) }

func bit(c Coding) uint32 { return 1 << c }

// survey notes which neighbours a file has that was just read, and which forms there are to offer.
// What was changed just now makes the entry young like a change of the file itself.
func (c *Cache) survey(e *Entry) {
	now := time.Now()
	for coding := Gzip; coding < codings; coding++ {
		st := c.lookBeside([]byte(e.path), coding)
		e.beside[coding] = st
		e.young = e.young || unsettled(st, now)
		e.remote = e.remote || st.Ino != 0 && st.Dev != e.stat.Dev // a link to another file system
		if st.Size > 0 && !st.Folder && !e.hasNeighbour(coding) {
			c.passOver(e.path+suffix[coding], errOlder)
		}
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
// empty one was never finished. One that is clearly older than the file was made of an earlier
// state of it, and does not count: rather no compression than old contents. A little older is
// as good as new: some tools drop the fraction of the time, archives keep every second one only,
// and builders that work in parallel finish in any order.
func (e *Entry) hasNeighbour(c Coding) bool {
	st := e.beside[c]
	if st.Size == 0 || st.Folder {
		return false
	}
	return e.stat.ModTime-st.ModTime < int64(sameMoment)
}

// gzips reports whether a file is worth compressing, and could be kept in both forms.
// What cannot be kept would be compressed for each request.
func (c *Cache) gzips(e *Entry) bool {
	return e.Body != nil && e.Size >= minGzip && 2*e.cost() <= c.opt.Bytes && c.opt.Compress != nil && c.opt.Compress(e.path)
}

// passOver tells, once for each, that a neighbour is there and not sent.
func (c *Cache) passOver(name string, why error) {
	if c.opt.PassedOver == nil {
		return
	}
	c.mu.Lock()
	_, said := c.passed[name]
	if said = said || len(c.passed) >= maxPassed; !said {
		c.passed[name] = struct{}{}
	}
	c.mu.Unlock()
	if !said {
		c.opt.PassedOver(name, why)
	}
}

// LookupVariant returns the file in another coding, if that is kept. The caller's
// reference to e then passes to the variant; else it stays. It allocates nothing.
func (c *Cache) LookupVariant(e *Entry, coding Coding) (*Entry, bool) {
	if coding == Identity {
		return e, true
	}
	c.mu.Lock()
	v := e.variants[coding]
	if v != nil && !v.untouched() {
		c.remove(v)
		v = nil
	}
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
	e.making.Lock() // a second caller waits and finds it made
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
		if e.hasNeighbour(coding) && err != errChanged {
			c.passOver(e.path+suffix[coding], err)
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
	// Neighbours in two codings may agree in contents, or in size and time, but must not in their
	// tags (RFC 9110 8.8.3.3).
	if v.Body != nil {
		v.ETag = bodyTag(v.Body, suffix[coding])
	} else {
		v.ETag = statTag(v.stat, suffix[coding], time.Now())
	}
	return v, steady, nil
}

// compressor compresses, one file at a time. Unlike other slow work this waits for no disk but
// uses a processor, and several at once would leave none to the threads that serve. One
// alone makes them wait too, where they are on its processor: a turn lasts milliseconds,
// and who wakes up in the middle of it waits for its end. So the compressor gives its turn away
// after each piece of a file. A file is compressed once, so how many can be in a second
// matters less. The compressor's memory, most of a megabyte, is used again.
type compressor struct {
	inside atomic.Int32 // that compress or wait for it
	mu     sync.Mutex
	writer *gzip.Writer // nil before its first use
	made   bytes.Buffer
}

// gzip makes the compressed form of a file in memory. It holds neither name nor time, so
// that the same contents always become the same bytes, and the same tag.
//
// Where too many wait already it fails with errCrowded: a waiting caller keeps a thread of the pool
// from reading files for others, and the file can be sent as it is.
func (p *compressor) gzip(e *Entry) (*Entry, error) {
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
		ETag:     bodyTag(p.made.Bytes(), suffix[Gzip]),
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
