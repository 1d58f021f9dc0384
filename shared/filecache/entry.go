package filecache

// One state of a file in memory or as an open descriptor, and how it is read.
//
// An entry belongs to all who hold a reference; the last Release closes the descriptor. Once it was
// described it does not change, except for its atomics and for the fields that the cache's lock
// guards. What must not be done: read waits for the disk and must not run on an event loop, and an
// entry must not be touched after the reference is given back.

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"fourways/shared/clock"
	"fourways/shared/sysnet"
)

// ErrFolder: the path names a folder.
var ErrFolder = errors.New("the path names a folder")

var errHuge = errors.New("the file says that it has more than 64 PiB")

// Entry is one state of a file, as it is or in a content coding.
type Entry struct {
	Body   []byte // the whole contents; nil for a file that is sent from its descriptor
	Size   int64  // bytes
	Coding Coding // of the contents
	Varies bool   // the file is there in more than one coding, or may be

	ETag         []byte // strong, with its quotation marks (RFC 9110 8.8.3); see bodyTag, statTag
	Modified     int64  // seconds since 1970
	LastModified []byte // the same as IMF-fixdate; nil: no time of a change

	// What Options.Describe says of the file.
	Type       []byte // value of Content-Type
	Fields     []byte // further field lines of an answer that carries the file or some of it
	Validators []byte // field lines that belong to a 304 as well
	Whole      any    // the head of an answer with all of the file, in the form of the package that describes entries

	path   string
	stat   sysnet.Stat
	beside [codings]sysnet.Stat // the neighbours, zero where there is none
	young  bool                 // loaded so soon after its last change that a further one may not show
	remote bool                 // to look at it may mean to wait for another system, or a program
	fd     int                  // -1 where there is a body
	refs   atomic.Int32

	copyOnly atomic.Bool   // only ever set
	offers   atomic.Uint32 // a bit for each coding; they go out, but not on again
	making   sync.Mutex    // held while a variant is read or made

	// Of the cache, under its lock.
	checked    clock.Time // when it was last found unchanged, or somebody began to look
	asked      bool       // whether it is unchanged is being asked, of who may not answer
	prev, next *Entry
	variants   [codings]*Entry // those that are kept
	of         *Entry          // of a variant that is kept: its file's entry
}

// Path is the file's path, relative to the root. A variant has its file's path, and not that of the
// neighbour.
func (e *Entry) Path() string { return e.path }

// Fd is the file's descriptor, -1 where there is a body.
func (e *Entry) Fd() int { return e.fd }

// CopyOnly is the mark of a file that sendfile(2) cannot send.
func (e *Entry) CopyOnly() *atomic.Bool { return &e.copyOnly }

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
	if st.Size > mostBytes {
		sysnet.CloseFile(fd)
		return nil, errHuge
	}
	now := time.Now()
	e := &Entry{
		Size: st.Size, ETag: statTag(st, "", now), Modified: floorSeconds(st.ModTime),
		path: path, stat: st, fd: fd, young: unsettled(st, now), remote: !sysnet.IsLocal(fd),
	}
	if e.Modified > lastNoTime {
		e.LastModified = clock.AppendDate(nil, e.Modified)
	}
	e.refs.Store(1)
	return e, nil
}

// StillTheSame says why what the descriptor leads to cannot be sent on as this entry; nil where it
// can. It may be called by any thread that holds a reference.
func (e *Entry) StillTheSame() error {
	var now sysnet.Stat
	if err := sysnet.Glance(e.fd, &now); err != nil {
		return fmt.Errorf("%w: %w", sysnet.ErrUnreadable, err)
	}
	return e.stat.SameAs(now)
}

// untouched reports whether an entry can be the answer to a new request: there is its body, or
// nothing at all has happened to its file.
func (e *Entry) untouched() bool {
	var now sysnet.Stat
	return e.fd < 0 || sysnet.Glance(e.fd, &now) == nil && now == e.stat
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
	e.ETag = bodyTag(body, "")
	return true, nil
}

// The strong validators (RFC 9110 8.8.1). form tells the forms of a file apart.
//
// A body that is in memory has the hash of its bytes, whatever its times say.
func bodyTag(body []byte, form string) []byte {
	sum := sha256.Sum256(body)
	b := base64.RawURLEncoding.AppendEncode([]byte{'"'}, sum[:tagBytes])
	return append(append(b, form...), '"')
}

// statTag is the tag of a file that is sent from its descriptor: hashing it would be reading all of
// it. Size and time of modification say which state it is, be it on another machine or restored
// from a copy. Where the time says nothing, because an archive or a builder of packages
// has put a constant there, or because it is so young that the next change may bear it too,
// what only this file system knows comes along: the inode, and the time of change, which nobody
// can set.
func statTag(st sysnet.Stat, form string, now time.Time) []byte {
	b := strconv.AppendInt([]byte{'"'}, st.Size, 16)
	b = strconv.AppendInt(append(b, '-'), st.ModTime, 16)
	if st.ModTime < noTimeBefore || now.UnixNano()-st.ModTime < int64(settled) || unsettled(st, now) {
		b = strconv.AppendUint(append(b, '-'), st.Ino, 16)
		b = strconv.AppendInt(append(b, '-'), st.ChangeTime, 16)
	}
	return append(append(b, form...), '"')
}

func floorSeconds(nano int64) int64 {
	sec := nano / int64(time.Second)
	if nano%int64(time.Second) < 0 {
		sec--
	}
	return sec
}
