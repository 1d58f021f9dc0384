package site

import (
	"math"
	"strconv"

	"fourways/shared/fault"
	"fourways/shared/filecache"
	"fourways/shared/session"
	"fourways/shared/syntax"
)

// Range requests (RFC 9110 14).
//
// Reading a Range field is a pure function of the field and the file's size. The functions that
// answer take the entry's reference and pass it on or release it. What must not be done: no request
// may make us send more bytes of a file than it has, however many ranges it asks for.

// span is a range of a file, in bytes. n is at least 1.
type span struct{ off, n int64 }

type rangeVerdict uint8

const (
	rangeIgnored       rangeVerdict = iota // the whole file is sent
	rangeUnsatisfiable                     // 416
	rangeSatisfiable
)

// parseRange reads a Range field for a file of size bytes. It fills in the ranges that
// the file has, in the order in which they were asked for.
//
// A field that is malformed or in another unit is ignored. So is one with more than maxRanges
// ranges, or whose ranges ask for more bytes than the file has, which only overlapping ones can: no
// request makes us send more than the whole file (RFC 9110 14.2 and 17.15).
func parseRange(value []byte, size int64, spans *[maxRanges]span) (n int, _ rangeVerdict) {
	const unit = "bytes="
	if len(value) < len(unit) || !syntax.EqualFold(value[:len(unit)], unit) {
		return 0, rangeIgnored
	}
	asked, total := 0, int64(0)
	for spec := range syntax.ListItems(value[len(unit):]) {
		sp, valid, there := parseSpec(spec, size)
		asked++
		switch {
		case !valid || asked > maxRanges || there && sp.n > size-total:
			return 0, rangeIgnored
		case there:
			spans[n] = sp
			n++
			total += sp.n
		}
	}
	switch {
	case asked == 0:
		return 0, rangeIgnored
	case n == 0:
		return 0, rangeUnsatisfiable
	case total == 0:
		return 0, rangeIgnored // the last bytes of an empty file: Content-Range cannot express that
	}
	return n, rangeSatisfiable
}

// parseSpec reads first "-" [ last ], or "-" length for the last bytes. there reports
// whether the file has any of them.
func parseSpec(spec []byte, size int64) (sp span, valid, there bool) {
	first, rest, hasFirst := cutNumber(spec)
	if len(rest) == 0 || rest[0] != '-' {
		return span{}, false, false
	}
	last, rest, hasLast := cutNumber(rest[1:])
	switch {
	case len(rest) > 0 || !hasFirst && !hasLast:
		return span{}, false, false
	case !hasFirst:
		n := min(last, size)
		return span{size - n, n}, true, last > 0
	case !hasLast:
		last = math.MaxInt64
	case last < first:
		return span{}, false, false
	}
	if first >= size {
		return span{}, true, false
	}
	return span{first, min(last, size-1) - first + 1}, true, true
}

// cutNumber cuts off the digits at the front of b. All numbers beyond 63 bits are treated alike,
// since they are beyond the end of every file.
func cutNumber(b []byte) (n int64, rest []byte, ok bool) {
	i := 0
	for ; i < len(b) && '0' <= b[i] && b[i] <= '9'; i++ {
		if d := int64(b[i] - '0'); n > (math.MaxInt64-d)/10 {
			n = math.MaxInt64
		} else {
			n = 10*n + d
		}
	}
	return n, b[i:], i > 0
}

// part answers with one range.
func (s *Site) part(x *session.Exchange, e *filecache.Entry, sp span) {
	h := s.begin(x, 206, sp.n)
	h.FieldBytes("Content-Type", e.Type)
	h.Close(appendContentRange(h.Open("Content-Range"), sp, e.Size))
	h.Raw(e.Fields)
	validators(h, x, e)
	h.End()
	appendSpan(x, e, sp)
	x.Finish()
}

// parts answers with several ranges, each with a head of its own (RFC 9110 14.6). Every delimiter
// follows a CR LF. The first need not (RFC 2046 5.1.1), but zsync(1) reads no other, and clients
// have to take it (RFC 9110 15.3.7.2).
func (s *Site) parts(x *session.Exchange, e *filecache.Entry, spans []span) {
	end := "\r\n--" + s.boundary + "--\r\n"
	length := int64(len(end))
	var head []byte
	for _, sp := range spans {
		head = s.appendPartHead(head[:0], e, sp)
		length += int64(len(head)) + sp.n
	}
	h := s.begin(x, 206, length)
	h.Field("Content-Type", "multipart/byteranges; boundary="+s.boundary)
	h.Raw(e.Fields)
	validators(h, x, e)
	h.End()
	for _, sp := range spans {
		head = s.appendPartHead(head[:0], e, sp)
		x.Write(head)
		e.Retain()
		appendSpan(x, e, sp)
	}
	x.Write([]byte(end))
	x.Finish()
	e.Release()
}

func (s *Site) appendPartHead(b []byte, e *filecache.Entry, sp span) []byte {
	b = append(append(b, "\r\n--"...), s.boundary...)
	b = append(append(b, "\r\nContent-Type: "...), e.Type...)
	b = appendContentRange(append(b, "\r\nContent-Range: "...), sp, e.Size)
	return append(b, "\r\n\r\n"...)
}

func appendContentRange(b []byte, sp span, size int64) []byte {
	b = strconv.AppendInt(append(b, "bytes "...), sp.off, 10)
	b = strconv.AppendInt(append(b, '-'), sp.off+sp.n-1, 10)
	return strconv.AppendInt(append(b, '/'), size, 10)
}

// unsatisfiable answers that the file has none of the ranges, and how long it is.
func (s *Site) unsatisfiable(x *session.Exchange, e *filecache.Entry) {
	x.Report(fault.Of(fault.UnsatisfiableRange))
	lines := "Content-Range: bytes */" + strconv.FormatInt(e.Size, 10) + "\r\n"
	if e.Varies {
		lines += varyCoding
	}
	s.refuse(x, 416, lines)
	e.Release()
}
