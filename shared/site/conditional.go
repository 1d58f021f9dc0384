package site

import (
	"bytes"

	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/filecache"
	"fourways/shared/http1"
	"fourways/shared/session"
	"fourways/shared/syntax"
)

// Conditional requests (RFC 9110 13). Fields are looked at in the order of RFC 9110 13.2.2, and
// only one of each pair: If-Match before If-Unmodified-Since, then If-None-Match before
// If-Modified-Since. If-Range is last.

type verdict uint8

const (
	goOn            verdict = iota
	conditionFailed         // 412
	notModified             // 304
)

// precondition decides for a GET or HEAD of an existing file. now is in seconds since 1970. A file
// of the future is compared by the time that it says: it was changed since any date that has been.
func precondition(r *http1.Request, e *filecache.Entry, now int64) verdict {
	if r.Has(http1.IfMatch) {
		if !anyTag(r, http1.IfMatch, e.ETag, strongly) {
			return conditionFailed
		}
	} else if since, ok := dateOf(r, http1.IfUnmodifiedSince, now); ok && dated(e) && e.Modified > since {
		return conditionFailed
	}
	if r.Has(http1.IfNoneMatch) {
		if anyTag(r, http1.IfNoneMatch, e.ETag, weakly) {
			return notModified
		}
	} else if since, ok := dateOf(r, http1.IfModifiedSince, now); ok && dated(e) && e.Modified <= since {
		return notModified
	}
	return goOn
}

// halted answers a request whose conditions do not hold for what is made anew each time: it is
// there, has no date, and no tag that a list could have (RFC 9110 13.1). begin begins the answer.
func halted(x *session.Exchange, begin func(status int, length int64) *http1.Head, cacheControl string) bool {
	r := x.Request()
	if r.Has(http1.IfMatch) && !anyTag(r, http1.IfMatch, nil, strongly) {
		x.Fail(fault.Of(fault.PreconditionFailed))
		return true
	}
	if !anyTag(r, http1.IfNoneMatch, nil, weakly) {
		return false
	}
	h := begin(304, 0)
	h.Field("Cache-Control", cacheControl)
	h.End()
	x.Finish()
	return true
}

// wantsRange reports whether the Range field counts: on GET, once, and if there is an If-Range,
// only where it names the very bytes we have (RFC 9110 13.1.5 and 14.2).
func wantsRange(r *http1.Request, e *filecache.Entry, now int64) bool {
	if r.Method != http1.GET || count(r, http1.Range) != 1 {
		return false
	}
	switch count(r, http1.IfRange) {
	case 0:
		return true
	case 1:
	default:
		return false
	}
	value := r.Get(http1.IfRange)
	// The first letters tell a tag from a date, which may be one of a Wednesday (RFC 9110 13.1.5).
	if bytes.HasPrefix(value, []byte(`"`)) || bytes.HasPrefix(value, []byte("W/")) {
		tag, weak, rest, ok := cutTag(value)
		return ok && !weak && len(rest) == 0 && bytes.Equal(tag, e.ETag)
	}
	// A date is as strong as a tag only where the file cannot have changed twice within its second
	// (RFC 9110 8.8.2.2), and where no other form of it has the same date (RFC 9110 8.8.1).
	since, ok := clock.ParseDate(value, now)
	return ok && dated(e) && !e.Varies && since == e.Modified && e.Modified < now
}

// dated reports whether the file has a date to compare with. Without one, a condition about dates
// is ignored (RFC 9110 13.1.3 and 13.1.4).
func dated(e *filecache.Entry) bool { return e.LastModified != nil }

// dateOf is the field's date. A field that is not a date, or that is there twice, counts as missing
// (RFC 9110 13.1.3 and 13.1.4).
func dateOf(r *http1.Request, id http1.FieldID, now int64) (since int64, ok bool) {
	if count(r, id) != 1 {
		return 0, false
	}
	return clock.ParseDate(r.Get(id), now)
}

func count(r *http1.Request, id http1.FieldID) (n int) {
	if !r.Has(id) {
		return 0 // as in nearly every request
	}
	for i := range r.Fields {
		if r.Fields[i].ID == id {
			n++
		}
	}
	return n
}

// How two tags are compared (RFC 9110 8.8.3.2): strongly, a weak one equals none.
const (
	strongly = false
	weakly   = true
)

// anyTag reports whether the field, over all its lines, lists the tag or is "*".
func anyTag(r *http1.Request, id http1.FieldID, tag []byte, weaklyCompared bool) bool {
	for i := range r.Fields {
		if r.Fields[i].ID == id && listsTag(r.Fields[i].Value, tag, weaklyCompared) {
			return true
		}
	}
	return false
}

// listsTag looks through a list of entity tags (RFC 9110 8.8.3). Commas may stand inside a tag, so
// it is not a list of tokens. What follows a malformed tag is not looked at.
func listsTag(list, tag []byte, weaklyCompared bool) bool {
	if string(list) == "*" {
		return true
	}
	for {
		for len(list) > 0 && (list[0] == ',' || list[0] == ' ' || list[0] == '\t') {
			list = list[1:]
		}
		one, weak, rest, ok := cutTag(list)
		if !ok {
			return false
		}
		if bytes.Equal(one, tag) && (weaklyCompared || !weak) {
			return true
		}
		rest = syntax.TrimOWS(rest)
		if len(rest) == 0 || rest[0] != ',' {
			return false
		}
		list = rest
	}
}

// cutTag takes the entity tag at the front of b off: its opaque part with the
// quotation marks, and whether W/ stands before it.
func cutTag(b []byte) (tag []byte, weak bool, rest []byte, ok bool) {
	if bytes.HasPrefix(b, []byte("W/")) {
		weak, b = true, b[2:]
	}
	if len(b) < 2 || b[0] != '"' {
		return nil, false, nil, false
	}
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return b[:i+1], weak, b[i+1:], true
		case c < '!' || c == 0x7f:
			return nil, false, nil, false
		}
	}
	return nil, false, nil, false
}
