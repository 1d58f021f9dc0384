package site

import (
	"bytes"

	"fourways/shared/clock"
	"fourways/shared/filecache"
	"fourways/shared/http1"
	"fourways/shared/offload"
	"fourways/shared/session"
	"fourways/shared/syntax"
)

// Content codings (RFC 9110 8.4 and 12.5.3). Which form of a file is sent is decided before
// anything else: conditions, ranges, and lengths are about that form and its tag. Every answer, 304
// and 416 as well, says by Vary that another request may get another form (RFC 9110 12.5.5), even
// to a client that accepts only one.

const varyCoding = "Vary: Accept-Encoding\r\n"

// byPreference is the order of forms that a client likes equally well: smallest first.
var byPreference = [...]filecache.Coding{filecache.Brotli, filecache.Zstd, filecache.Gzip, filecache.Identity}

// acceptance is what a client says of each form, in thousandths; 0 for what it does not
// want or does not name.
type acceptance [len(byPreference)]int

// acceptanceOf reads Accept-Encoding, over all its lines. "*" stands for whatever is not named; an
// item with a malformed weight counts as refused. Without the field a client takes any coding, but
// a server does best to send none. So it does for a range of which the client does not say that it
// is of a coded form: programs that accept gzip in each request mean bytes of the file, and decode
// a piece from the middle as if it were whole.
func acceptanceOf(r *http1.Request) (a acceptance) {
	if !r.Has(http1.AcceptEncoding) || r.Method == http1.GET && r.Has(http1.Range) && !ofCoded(r) {
		return a
	}
	var named [len(a)]bool
	others := 0
	for i := range r.Fields {
		if r.Fields[i].ID != http1.AcceptEncoding {
			continue
		}
		for item := range syntax.ListItems(r.Fields[i].Value) {
			name, params, _ := bytes.Cut(item, []byte(";"))
			name = syntax.TrimOWS(name)
			if c, ok := codingOf(name); ok {
				a[c], named[c] = weight(params), true
			} else if string(name) == "*" {
				others = weight(params)
			}
		}
	}
	for c := range a {
		if !named[c] {
			a[c] = others
		}
	}
	return a
}

// codingOf is the coding of that name, in upper or lower case. x-gzip is an older name of gzip (RFC
// 9110 8.4.1.3).
func codingOf(name []byte) (filecache.Coding, bool) {
	for _, c := range byPreference {
		if syntax.EqualFold(name, c.String()) {
			return c, true
		}
	}
	return filecache.Gzip, syntax.EqualFold(name, "x-gzip")
}

// best is the form of the file that the client prefers. A client that does not name identity gets
// it where there is no other form. So does one that refuses identity: a server may answer so, and
// 406 would help no client (RFC 9110 12.5.3).
func (a *acceptance) best(e *filecache.Entry) filecache.Coding {
	best, most := filecache.Identity, 0
	for _, c := range byPreference {
		if a[c] > most && e.Offers(c) {
			best, most = c, a[c]
		}
	}
	return best
}

// ofCoded reports whether a range can be one of a coded form: a condition has the tag of one, which
// alone has a dot, or a date, which is that of all forms.
func ofCoded(r *http1.Request) bool {
	for i := range r.Fields {
		id, value := r.Fields[i].ID, r.Fields[i].Value
		if (id == http1.IfRange || id == http1.IfMatch) && bytes.IndexByte(value, '.') >= 0 || id == http1.IfRange && bytes.IndexByte(value, '"') < 0 {
			return true
		}
	}
	return false
}

// negotiate answers with the form of a file that the client prefers. The entry's reference passes
// to it.
func (s *Site) negotiate(x *session.Exchange, e *filecache.Entry) {
	a := acceptanceOf(x.Request())
	coding := a.best(e)
	if v, ok := s.cache.LookupVariant(e, coding); ok {
		s.send(x, v)
		return
	}
	s.code(x, e, coding)
}

// code answers with a form that is not in the cache, once it is read or made. What is parked for a
// client that has left is not run.
func (s *Site) code(x *session.Exchange, e *filecache.Entry, coding filecache.Coding) {
	if x.Left() {
		e.Release()
		return
	}
	x.Park(offload.Compress, func() { e = s.cache.LoadVariant(e, coding) }, func() { s.send(x, e) })
}

// load reads a file, and the form of it that the client prefers.
func (s *Site) load(name string, a acceptance, now clock.Time) (*filecache.Entry, error) {
	e, err := s.cache.Load(name, now)
	if err != nil {
		return nil, err
	}
	return s.cache.LoadVariant(e, a.best(e)), nil
}
