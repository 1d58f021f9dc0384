package filecache

import (
	"errors"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"fourways/shared/clock"
	"fourways/shared/http1"
	"fourways/shared/sysnet"
)

// ErrFolder: the path names a folder.
var ErrFolder = errors.New("the path names a folder")

// Entry is one state of a file, as it is or in a content coding.
type Entry struct {
	Body   []byte // the whole contents; nil for a file that is sent from its descriptor
	Size   int64  // bytes
	Coding Coding // of the contents
	Varies bool   // the file is there in more than one coding, or may be

	ETag         []byte // strong, with its quotation marks (RFC 9110 section 8.8.3)
	Modified     int64  // seconds since 1970
	LastModified []byte // the same as IMF-fixdate; nil where it lies in the future (RFC 9110 section 8.8.2.1)

	// What Options.Describe says of the file.
	Type       []byte         // value of Content-Type
	Fields     []byte         // further field lines of an answer that carries the file or some of it
	Validators []byte         // field lines that belong to a 304 as well
	Whole      http1.Prepared // the head of an answer that carries all of the file

	path   string
	stat   sysnet.Stat
	beside [codings]sysnet.Stat // the neighbours, zero where there is none
	young  bool                 // loaded so soon after its last change that a further one may not show
	fd     int                  // -1 where there is a body
	refs   atomic.Int32
	offers atomic.Uint32 // a bit for each coding; they go out, but not on again
	making sync.Mutex    // held while a variant is read or made

	// Of the cache, under its lock.
	checked    clock.Time // when it was last found unchanged
	prev, next *Entry
	variants   [codings]*Entry // those that are kept
	of         *Entry          // of a variant that is kept: its file's entry
}

// Path is the file's path, relative to the root. A variant has its file's: a neighbour's
// own name is nobody's business.
func (e *Entry) Path() string { return e.path }

// Fd is the file's descriptor, -1 where there is a body.
func (e *Entry) Fd() int { return e.fd }

// Retain takes a further reference. It is for those who hold one.
func (e *Entry) Retain() { e.refs.Add(1) }

// Release gives a reference back. The last one closes the descriptor.
func (e *Entry) Release() {
	switch n := e.refs.Add(-1); {
	case n < 0:
		panic("filecache: more references given back than taken")
	case n == 0 && e.fd >= 0:
		sysnet.CloseFile(e.fd)
		e.fd = -1
	}
}

func (e *Entry) cost() int64 { return int64(len(e.Body)) + entryCost }

// read makes an entry of what is at the path now. steady reports that it shows one
// state of the file and can be kept: a small file that is being written to all the
// time is served from its descriptor, as long as it lasts.
func (c *Cache) read(path string) (e *Entry, steady bool, err error) {
	for try := 1; ; try++ {
		e, err := c.open(path)
		if err != nil {
			return nil, false, err
		}
		if e.Size > c.opt.Item {
			return e, true, nil
		}
		steady, err := e.readBody()
		if err != nil {
			e.Release()
			return nil, false, err
		}
		if steady || try == readTries {
			return e, steady, nil
		}
		e.Release()
	}
}

func (c *Cache) open(path string) (*Entry, error) {
	var st sysnet.Stat
	fd, err := c.root.Open([]byte(path), &st)
	if err != nil {
		return nil, err
	}
	if st.Folder {
		sysnet.CloseFile(fd)
		return nil, ErrFolder
	}
	now := time.Now()
	e := &Entry{
		Size: st.Size, ETag: appendETag(nil, st, ""), Modified: floorSeconds(st.ModTime),
		path: path, stat: st, fd: fd, young: unsettled(st, now),
	}
	if e.Modified <= now.Unix() {
		e.LastModified = clock.AppendDate(nil, e.Modified)
	}
	e.refs.Store(1)
	return e, nil
}

// readBody reads the file into memory and closes it. It reports false, and keeps the
// descriptor, where the file changed meanwhile.
func (e *Entry) readBody() (steady bool, err error) {
	body := make([]byte, e.Size)
	if _, err := sysnet.Pread(e.fd, body, 0); err == io.EOF || err == io.ErrUnexpectedEOF {
		return false, nil
	} else if err != nil {
		return false, err
	}
	var after sysnet.Stat
	if err := sysnet.Fstat(e.fd, &after); err != nil {
		return false, err
	}
	if after != e.stat {
		return false, nil
	}
	sysnet.CloseFile(e.fd)
	e.Body, e.fd = body, -1
	return true, nil
}

// appendETag makes a strong validator of what changes with every change. form tells the
// forms of a file apart.
func appendETag(b []byte, st sysnet.Stat, form string) []byte {
	b = strconv.AppendInt(append(b, '"'), st.Size, 16)
	b = strconv.AppendInt(append(b, '-'), st.ModTime, 16)
	return append(append(b, form...), '"')
}

func floorSeconds(nano int64) int64 {
	sec := nano / int64(time.Second)
	if nano%int64(time.Second) < 0 {
		sec--
	}
	return sec
}
