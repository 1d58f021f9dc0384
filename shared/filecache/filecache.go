// Package filecache keeps the files that are asked for most: the bodies of small
// ones in memory, large ones as open descriptors, and with each what an answer says
// of it.
//
// What is kept is looked at again at most once a second, so a file that was changed, replaced or
// deleted is noticed within a second. A body is read whole, and kept only if the file did not
// change meanwhile: no answer mixes two states of a small file. A large one is looked at by its
// descriptor for each answer, and again while it is sent ([Entry.StillTheSame]). One that is
// replaced by renaming another over it is still sent whole from its descriptor, as its client began
// to receive it; one that is overwritten where it is breaks the answer off. That there is no such
// file is not remembered: a file that appears is there at once. A descriptor that is kept for
// nothing is closed soon ([Cache.Sweep]).
//
// A file may be there in content codings as well: compressed beforehand, in a neighbour
// file, or here, once. See coding.go.
//
// Who owns what: a [Cache] is safe for concurrent use. The [Entry] that Lookup or Load returns
// carries a reference that its receiver must [Entry.Release], or pass on; the Entry lives until the
// last one is given back, whether or not the cache has let go of it meanwhile. Except for its
// count, and for codings it offers no more, it never changes after it was made.
//
// What must not be done: Load and LoadVariant read from the disk, or compress, and must
// not run on an event loop. Lookup may: its few calls of stat(2) a second ask for a
// file that was just in use and for its neighbours, which this system knows without its disk. Where
// another system has to be asked, since the file is on a network, or the file system is a program,
// Lookup leaves that to Load.
package filecache

import (
	"sync"
	"time"

	"fourways/shared/clock"
	"fourways/shared/sysnet"
)

const (
	checkEvery = clock.Second // between two looks at a kept file
	// askAgain is how long nobody else looks at a file of a folder that does not answer.
	askAgain  = 60 * clock.Second
	readTries = 3 // at a file that changes while it is being read
	// settled is the age at which a file's times tell its states apart: before it, a
	// further change can fall into the same tick of the file system's clock, which is
	// two seconds at the coarsest (FAT).
	settled = 2 * time.Second
	// sameMoment is by how much a neighbour may be older than its file and still be made of it: the
	// times in a zip archive are two seconds apart.
	sameMoment = 2 * time.Second
	// noTimeBefore is the end of what is no time of a change: 0, 1 and the beginning of 1980 are
	// what archives and builders write who know of none, in nanoseconds since 1970.
	noTimeBefore = int64(11*365*24) * int64(time.Hour)
	lastNoTime   = 1 // the last second since 1970 that not even Last-Modified says
	// mostBytes is the size of the largest file that is served: the lengths of its head and of the
	// other answers that wait for the same client are added to it. A file with holes, or one of a
	// file system in user space, may say that it is larger.
	mostBytes = int64(1) << 56
	tagBytes  = 15   // of a hash that are in a tag: 20 characters
	maxPassed = 1000 // neighbours that are not sent of which the names are kept
	// entryCost is what an Entry takes in addition to its body, in bytes: itself, its texts, its
	// place in the table.
	entryCost  = 5 << 8
	minGzip    = 1 << 10 // bytes of the smallest file that is compressed: a smaller one is a packet either way
	pressRoom  = 4       // files that are compressed, or wait for it, at once: half of the threads that stages have for slow work
	pressPiece = 1 << 10 // bytes that are compressed before it is others' turn, which takes some 50 µs
	// usualPath is the length of a neighbour's path up to which it is looked at without
	// allocating, in bytes.
	usualPath = 256
)

// Options is how much is kept.
type Options struct {
	Bytes int64 // of memory for bodies and what belongs to them
	Item  int64 // bytes of the largest body kept in memory
	Open  int   // descriptors kept open
	// Compress reports whether a file of that path is of a kind that gets smaller by
	// compressing. Nil for none.
	Compress func(path string) bool
	// Describe fills in Type, Fields, Validators and Whole of an Entry that was just loaded, be
	// it a file or a variant. May be nil.
	Describe func(e *Entry)
	// PassedOver is told, once for each, of a neighbour that is there and not sent, and why. It
	// is called on any thread. May be nil.
	PassedOver func(name string, why error)
}

// Cache keeps files of one root.
type Cache struct {
	root  *sysnet.Root
	opt   Options
	press compressor
	asks  func() // called before a look that may have to wait; for tests

	mu           sync.Mutex
	entries      map[string]*Entry
	bodies       ring  // entries with a body, most recently used first
	files        ring  // entries with a descriptor, likewise
	bytes        int64 // that bodies take
	hits, misses uint64
	closed       bool                // nothing is kept any more
	passed       map[string]struct{} // neighbours that PassedOver was told of
}

// New makes an empty cache of the root's files.
func New(root *sysnet.Root, opt Options) *Cache {
	c := &Cache{root: root, opt: opt, asks: func() {}, entries: make(map[string]*Entry), passed: make(map[string]struct{})}
	c.bodies.init()
	c.files.init()
	return c
}

// Stats is the cache's state. Hits and Misses count lookups of files; those of their
// variants come on top and are not counted.
type Stats struct {
	Bytes        int64 // that kept bodies take
	Items        int   // files and variants
	Open         int   // descriptors kept
	Hits, Misses uint64
}

// HitRate is the share of lookups that were answered from the cache, in percent.
func (s Stats) HitRate() float64 {
	if s.Hits == 0 {
		return 0
	}
	return 100 * float64(s.Hits) / float64(s.Hits+s.Misses)
}

// Stats is the cache's present state.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{Bytes: c.bytes, Items: c.bodies.n + c.files.n, Open: c.files.n, Hits: c.hits, Misses: c.misses}
}

// Lookup returns the file if it is kept and still the same. path is relative to the
// root. A hit allocates nothing. While somebody looks whether it is the same, or nobody answers who
// could say so, others get it as it was.
func (c *Cache) Lookup(path []byte, now clock.Time) (*Entry, bool) {
	c.mu.Lock()
	e := c.entries[string(path)]
	if e == nil {
		c.misses++
		c.mu.Unlock()
		return nil, false
	}
	e.Retain()
	look := e.due(now)
	if look {
		e.checked = now // other threads that ask meanwhile need not look as well
		e.asked = e.remote
	}
	if !look && e.untouched() {
		c.use(e)
		c.mu.Unlock()
		return e, true
	}
	c.mu.Unlock()
	if look && e.remote {
		e.Release()
		return nil, false // Load looks
	}
	return c.recheck(e, path)
}

// due reports whether an entry is to be looked at again.
func (e *Entry) due(now clock.Time) bool {
	if e.asked {
		return now-e.checked >= askAgain
	}
	return now-e.checked >= checkEvery
}

// lookAgain makes the look that Lookup has left to Load.
func (c *Cache) lookAgain(path string) (*Entry, bool) {
	c.mu.Lock()
	e := c.entries[path]
	if e == nil || !e.asked {
		c.mu.Unlock()
		return nil, false
	}
	e.Retain()
	c.mu.Unlock()
	c.asks()
	return c.recheck(e, []byte(path))
}

// recheck looks whether the file is still as it was loaded, and at its neighbours.
func (c *Cache) recheck(e *Entry, path []byte) (*Entry, bool) {
	var st sysnet.Stat
	same := !e.young && e.untouched() && c.root.Look(path, &st) == nil && st == e.stat && c.besideUnchanged(path, e)
	c.mu.Lock()
	defer c.mu.Unlock()
	e.asked = false
	if same {
		c.use(e)
		return e, true
	}
	c.misses++
	if c.entries[e.path] == e {
		c.remove(e)
	}
	e.Release()
	return nil, false
}

func (c *Cache) use(e *Entry) {
	c.hits++
	c.ring(e).toFront(e)
}

// Load reads the file and keeps it, unless it only has to be looked at. A path that names a folder
// gives [ErrFolder]; other errors are those of [sysnet.Root.Open], or of reading.
func (c *Cache) Load(path string, now clock.Time) (*Entry, error) {
	if e, ok := c.lookAgain(path); ok {
		return e, nil
	}
	e, steady, err := c.read(path)
	if err != nil {
		return nil, err
	}
	e.checked = now
	c.survey(e)
	c.describe(e)
	if steady {
		c.keep(e)
	}
	return e, nil
}

func (c *Cache) describe(e *Entry) {
	if c.opt.Describe != nil {
		c.opt.Describe(e)
	}
}

// keep takes a file's entry in, in place of what was kept under its path.
func (c *Cache) keep(e *Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.entries[e.path]; old != nil {
		c.remove(old)
	}
	if c.fits(e) {
		c.entries[e.path] = e
		c.admit(e)
	}
}

// fits reports whether there would be room for an entry in an empty cache.
func (c *Cache) fits(e *Entry) bool {
	switch {
	case c.closed:
		return false
	case e.Body == nil:
		return c.opt.Open >= 1
	}
	return e.cost() <= c.opt.Bytes
}

// admit makes an entry the one used last, and lets the least recently used ones go.
func (c *Cache) admit(e *Entry) {
	e.Retain()
	c.ring(e).push(e)
	if e.Body != nil {
		c.bytes += e.cost()
	}
	for c.bytes > c.opt.Bytes {
		c.remove(c.bodies.last())
	}
	for c.files.n > c.opt.Open {
		c.remove(c.files.last())
	}
}

// remove lets an entry go, and with a file's its variants.
func (c *Cache) remove(e *Entry) {
	if e.of != nil {
		e.of.variants[e.Coding], e.of = nil, nil
	} else {
		delete(c.entries, e.path)
	}
	for _, v := range e.variants {
		if v != nil {
			c.remove(v)
		}
	}
	c.ring(e).cut(e)
	if e.Body != nil {
		c.bytes -= e.cost()
	}
	e.Release()
}

// Clear lets every entry go.
func (c *Cache) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.entries {
		c.remove(e)
	}
}

// Close is Clear for good: what is looked up later is found and not kept.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.Clear()
}

func (c *Cache) ring(e *Entry) *ring {
	if e.Body != nil {
		return &c.bodies
	}
	return &c.files
}
