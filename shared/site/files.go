package site

// GET and HEAD of a file, from its path to the answer.
//
// An entry is held by a reference. Each function that takes an entry here passes the reference to
// the answer or releases it, exactly once, on every path. What must not be done: nothing may wait
// for the disk on the thread that serves. A hit in the cache is answered at once; loading a file
// and looking for a folder are parked.

import (
	"bytes"
	"errors"

	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/filecache"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/offload"
	"fourways/shared/session"
	"fourways/shared/sysnet"
)

// indexName is the file that stands for its folder where the settings name no other.
const indexName = "index.html"

// usualName is the length of a file's name, with its folders, up to which an index, or a page
// without its extension, is found without allocating, in bytes.
const usualName = 256

// file answers GET and HEAD for a path that is no route.
func (s *Site) file(x *session.Exchange) {
	path := x.Path()
	name := path[1:]
	switch f := s.types.Check(path); {
	case f.OK():
	case f.Reason != fault.RefusedType || guard.Hidden(path):
		x.Fail(f)
		return
	case !s.clean(path):
		s.folder(x, string(name), f) // a folder may have a dot in its name
		return
	}
	switch {
	case path[len(path)-1] == '/':
		if !s.index {
			s.withoutIndex(x, fault.Of(fault.NotFound))
			return
		}
		var scratch [usualName]byte
		name = append(append(scratch[:0], name...), s.cfg.Index...)
	case s.clean(path):
		var scratch [usualName]byte
		name = append(append(scratch[:0], name...), htmlExtension...)
	case len(guard.Extension(path)) == 0 && !guard.WellKnown(path):
		s.folder(x, string(name), fault.Of(fault.NotFound))
		return
	}
	now := x.Clock().Now()
	if e, ok := s.cache.Lookup(name, now); ok {
		s.negotiate(x, e)
		return
	}
	s.fetch(x, string(name), now)
}

// fetch answers with a file that is not in the cache, once it is read.
func (s *Site) fetch(x *session.Exchange, name string, now clock.Time) {
	var e *filecache.Entry
	var err error
	a := acceptanceOf(x.Request())
	x.Park(offload.Lookup, func() {
		e, err = s.load(name, a, now)
	}, func() {
		if err != nil {
			s.notLoaded(x, err)
			return
		}
		s.send(x, e)
	})
}

// notLoaded answers where a path's file could not be read.
func (s *Site) notLoaded(x *session.Exchange, err error) {
	path := x.Path()
	switch f := faultOf(err); {
	case f.Reason == fault.NotFound && s.clean(path): // then the path itself may be a folder's
		if refused := s.types.Check(path); !refused.OK() {
			f = refused
		}
		s.folder(x, string(path[1:]), f)
	case errors.Is(err, filecache.ErrFolder) && path[len(path)-1] != '/':
		s.redirect(x)
	case f.Reason == fault.NotFound && path[len(path)-1] == '/':
		s.withoutIndex(x, f)
	case f.Reason == fault.NotFound:
		s.missing(x, f)
	default:
		s.fail(x, err)
	}
}

// withoutIndex answers for a folder that has no index, or is not there.
func (s *Site) withoutIndex(x *session.Exchange, f fault.Fault) {
	if s.cfg.List {
		s.list(x)
		return
	}
	s.missing(x, f)
}

// folder answers for a name that no served file can have, so that only a folder can be meant. f is
// the answer where there is no folder, whatever else may have the name.
func (s *Site) folder(x *session.Exchange, name string, f fault.Fault) {
	var st sysnet.Stat
	var err error
	x.Park(offload.Lookup, func() {
		var fd int
		if fd, err = s.cfg.Root.Open([]byte(name), &st); err == nil {
			sysnet.CloseFile(fd)
		}
	}, func() {
		switch {
		case err == nil && st.Folder:
			s.redirect(x)
		case err != nil && f.Reason == fault.NotFound && faultOf(err).Reason != fault.NotFound:
			s.fail(x, err)
		default:
			s.missing(x, f)
		}
	})
}

// redirect sends the client to the folder's name with a slash at its end, so that the relative
// links of its index are right. The target is a path with one slash in front: with two it would be
// the name of another host.
func (s *Site) redirect(x *session.Exchange) {
	h := s.begin(x, 301, int64(len(movedPage)))
	b := appendPath(h.Open("Location"), x.Path())
	b = append(b, '/')
	if query := x.Request().Query; len(query) > 0 {
		b = append(append(b, '?'), query...)
	}
	h.Close(b)
	h.Raw(htmlFields)
	h.End()
	x.Write(movedPage)
	x.Finish()
}

// send answers with an entry, as far as the request's conditions allow. The entry's reference
// passes to it.
func (s *Site) send(x *session.Exchange, e *filecache.Entry) {
	r, now := x.Request(), x.Clock().Unix()
	switch precondition(r, e, now) {
	case conditionFailed:
		e.Release()
		x.Fail(fault.Of(fault.PreconditionFailed))
		return
	case notModified:
		h := s.begin(x, 304, 0)
		validators(h, x, e)
		h.End()
		x.Finish()
		e.Release()
		return
	}
	if !wantsRange(r, e, now) {
		s.whole(x, e)
		return
	}
	var spans [maxRanges]span
	switch n, verdict := parseRange(r.Get(http1.Range), e.Size, &spans); {
	case verdict == rangeIgnored:
		s.whole(x, e)
	case verdict == rangeUnsatisfiable:
		s.unsatisfiable(x, e)
	case n == 1:
		s.part(x, e, spans[0])
	case e.Coding != filecache.Identity:
		// Some clients would read Content-Encoding on a multipart answer as the coding of all of
		// it, delimiters included, others as the coding of the parts.
		s.whole(x, e)
	default:
		s.parts(x, e, spans[:n])
	}
}

// whole answers with all of the file. Nearly every answer is of this kind, so its head was prepared
// when the file was read.
func (s *Site) whole(x *session.Exchange, e *filecache.Entry) {
	if s.cfg.Chunked && x.Request().Minor >= 1 {
		s.chunked(x, e)
		return
	}
	if len(s.cors.lineFor(x)) > 0 || ofTheFuture(x, e) { // then the head is another one
		s.head(x, e, e.Size)
	} else {
		x.BeginWith(e.Whole.(*http1.Prepared))
	}
	appendSpan(x, e, span{0, e.Size})
	x.Finish()
}

// chunked answers with all of the file, in chunks.
func (s *Site) chunked(x *session.Exchange, e *filecache.Entry) {
	s.head(x, e, http1.UnknownLength)
	x.Stream(&chunks{entry: e})
}

// head writes the head of an answer with all of the file.
func (s *Site) head(x *session.Exchange, e *filecache.Entry, length int64) {
	h := s.begin(x, 200, length)
	h.FieldBytes("Content-Type", e.Type)
	h.Raw(e.Fields)
	validators(h, x, e)
	h.End()
}

// validators writes the lines that belong to a 304 as well. A time of a change that is yet to come
// is replaced by the answer's own (RFC 9110 8.8.2.1).
func validators(h *http1.Head, x *session.Exchange, e *filecache.Entry) {
	if !ofTheFuture(x, e) {
		h.Raw(e.Validators)
		return
	}
	before, after, _ := bytes.Cut(e.Validators, e.LastModified)
	h.Raw(before)
	h.Raw(x.Clock().Date())
	h.Raw(after)
}

// ofTheFuture reports whether a file says that it was changed later than now.
func ofTheFuture(x *session.Exchange, e *filecache.Entry) bool {
	return dated(e) && e.Modified > x.Clock().Unix()
}

// appendSpan puts some of the file into the answer's body. The entry's reference
// passes to it.
func appendSpan(x *session.Exchange, e *filecache.Entry, sp span) {
	switch {
	case e.Body == nil:
		x.WriteFile(e, sp.off, sp.n)
	case sp.n > copied:
		x.WriteRef(e.Body[sp.off:sp.off+sp.n], e)
	default:
		x.Write(e.Body[sp.off : sp.off+sp.n])
		e.Release()
	}
}

// chunks is a file that is being sent in chunks.
type chunks struct {
	entry *filecache.Entry
	off   int64 // bytes sent
}

// More sends one chunk. c keeps the entry's reference until the last.
func (c *chunks) More(x *session.Exchange) (last bool) {
	n := min(c.entry.Size-c.off, chunk)
	c.entry.Retain()
	appendSpan(x, c.entry, span{c.off, n})
	c.off += n
	if c.off < c.entry.Size {
		return false
	}
	c.entry.Release()
	return true
}

// Abort releases the file.
func (c *chunks) Abort() { c.entry.Release() }
