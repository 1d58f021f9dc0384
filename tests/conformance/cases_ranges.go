package conformance

// Conditional requests and ranges, on the sample file.
//
// Each row is one case; see doc.go. The dates and tags in a row are placeholders, which the play
// replaces by those of the server's own answers.

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"strconv"
	"strings"
)

func conditionalCases() []Case {
	const notModified, failed = "304", "412"
	row := func(name string, on sentence, says, status string, fields ...string) Case {
		w := answer(status, bodyBy(status)...)
		if status == failed { // what is no success has not performed the method
			w = w.rfc("4xx")
		}
		return must(name, on, says, get(sample, fields...), w)
	}
	shouldRow := func(name, rfc, says, status string, fields ...string) Case {
		return should(name, rfc, says, get(sample, fields...), answer(status, bodyBy(status)...))
	}
	return topic("conditional", []Case{
		row("none-match", noneMatchFails, "If-None-Match with the tag is 304", notModified, "If-None-Match: {etag}"),
		row("none-match-other", noneMatchFirst, "If-None-Match with another tag is 200", "200", `If-None-Match: "other"`),
		row("none-match-star", noneMatchFails, "If-None-Match: * is 304 for what is there", notModified, "If-None-Match: *"),
		row("none-match-list", noneMatchFails, "If-None-Match finds the tag in a list", notModified, `If-None-Match: "a", {etag}, "b"`),
		row("none-match-list-tight", noneMatchFails, "a list needs no white space", notModified, `If-None-Match: "a",{etag},"b"`),
		row("none-match-list-empty", emptyElements, "empty items of a list are skipped", notModified, `If-None-Match: "a", , {etag}`),
		row("none-match-lines", fieldRepeats, "If-None-Match finds the tag on a second line", notModified, `If-None-Match: "a"`, "If-None-Match: {etag}"),
		row("none-match-comma", noneMatchFirst, "a comma inside a tag does not separate", "200", `If-None-Match: "a,{size}"`),
		row("none-match-weak", noneMatchWeak, "If-None-Match compares weakly", notModified, "If-None-Match: W/{etag}"),
		shouldRow("none-match-unquoted", "9110 8.8.3", "a tag without quotation marks is none", "200", "If-None-Match: unquoted"),
		must("none-match-missing", conditionsOn2xx, "a condition does not change a 404", get("/not-there.txt", "If-None-Match: *"), answer("404").rfc(notServed)),
		shouldRow("modified-since", "9110 13.1.3", "If-Modified-Since its own date is 304", notModified, "If-Modified-Since: {date}"),
		shouldRow("modified-since-later", "9110 13.1.3", "If-Modified-Since a later date is 304", notModified, "If-Modified-Since: {later}"),
		row("modified-since-earlier", sinceEarlier, "If-Modified-Since an earlier date is 200", "200", "If-Modified-Since: {earlier}"),
		shouldRow("modified-since-rfc850", "9110 5.6.7", "dates of RFC 850 are read", notModified, "If-Modified-Since: {rfc850}"),
		shouldRow("modified-since-asctime", "9110 5.6.7", "dates of asctime are read", notModified, "If-Modified-Since: {asctime}"),
		row("modified-since-invalid", sinceInvalid, "an invalid date is ignored", "200", "If-Modified-Since: yesterday"),
		row("modified-since-number", sinceInvalid, "a number is no date", "200", "If-Modified-Since: 9999999999"),
		row("modified-since-no-day", sinceInvalid, "the 32nd of a month is no date", "200", "If-Modified-Since: Fri, 32 Mar 2034 10:00:00 GMT"),
		row("none-match-first", sinceIgnored, "If-None-Match beats If-Modified-Since: no match", "200", `If-None-Match: "other"`, "If-Modified-Since: {later}"),
		row("none-match-first-304", sinceIgnored, "If-None-Match beats If-Modified-Since: match", notModified, "If-None-Match: {etag}", "If-Modified-Since: {earlier}"),
		row("match", matchFirst, "If-Match with the tag is 200", "200", "If-Match: {etag}"),
		row("match-other", matchFails, "If-Match with another tag is 412", failed, `If-Match: "other"`),
		row("match-star", matchFirst, "If-Match: * is 200 for what is there", "200", "If-Match: *"),
		row("match-list", matchFirst, "If-Match finds the tag in a list", "200", `If-Match: "a", {etag}`),
		row("match-lines", fieldRepeats, "If-Match finds the tag on a second line", "200", `If-Match: "a"`, "If-Match: {etag}"),
		row("match-weak", matchStrong, "If-Match compares strongly", failed, "If-Match: W/{etag}"),
		row("unmodified-since", unmodifiedFirst, "If-Unmodified-Since its own date is 200", "200", "If-Unmodified-Since: {date}"),
		row("unmodified-since-earlier", unmodifiedFails, "If-Unmodified-Since an earlier date is 412", failed, "If-Unmodified-Since: {earlier}"),
		row("unmodified-since-rfc850", threeDates, "If-Unmodified-Since reads RFC 850's dates", failed, "If-Unmodified-Since: {rfc850-earlier}"),
		row("unmodified-since-invalid", unmodifiedInvalid, "If-Unmodified-Since ignores an invalid date", "200", "If-Unmodified-Since: yesterday"),
		row("match-first", unmodifiedIgnored, "If-Match beats If-Unmodified-Since: match", "200", "If-Match: {etag}", "If-Unmodified-Since: {earlier}"),
		row("match-first-412", conditionOrder, "If-Match beats If-Unmodified-Since: no match", failed, `If-Match: "other"`, "If-Unmodified-Since: {later}"),
		row("match-then-none-match", conditionOrder, "If-None-Match is looked at after If-Match", notModified, "If-Match: {etag}", "If-None-Match: {etag}"),
		row("match-412-none-match", conditionOrder, "If-Match is looked at before If-None-Match", failed, `If-Match: "other"`, "If-None-Match: {etag}"),
		row("unmodified-then-none-match", conditionOrder, "If-Unmodified-Since is looked at before If-None-Match", failed, "If-Unmodified-Since: {earlier}", "If-None-Match: {etag}"),
		row("range-after-condition", conditionOrder, "a condition is looked at before Range", notModified, "If-None-Match: {etag}", "Range: bytes=0-1"),
		must("head", noneMatchFails, "HEAD has the conditions of GET", head(sample, "If-None-Match: {etag}"), answer(notModified, empty)),
		must("304-fields", fieldsOf304, "a 304 has the fields that its 200 would have", get(sample, "If-None-Match: {etag}"),
			answer(notModified, sameAs(sample, "ETag", "Cache-Control", "Vary", "Content-Location", "Expires"))),
		house("etag-nanoseconds", "9110 8.8.1", "files of one second and size have different tags", get("/sub/inner.txt"), ok(func(x *exchange, r *Response) {
			if tag := r.Get("ETag"); tag == "" || tag == x.ref(sample).Get("ETag") {
				x.complainAt(r, "ETag", "ETag is %q", tag)
			}
		})).withFixtures(),
		house("last-modified", "9110 8.8.2", "Last-Modified is the file's, without its fraction", get(sample), ok(field("Last-Modified", "Fri, 15 Mar 2024 10:30:00 GMT"))).withFixtures(),
	})
}

// bodyBy wants the whole file after a 200 and nothing after a 304.
func bodyBy(status string) []check {
	switch status {
	case "200":
		return []check{bodyOf(sample)}
	case "304":
		return []check{empty}
	}
	return nil
}

func rangeCases() []Case {
	part := func(name, says, set string, from, to int) Case {
		return must(name, onePart, says, get(sample, "Range: "+set), partial(partOf(from, to)))
	}
	ignored := func(name, says, set string) Case {
		return must(name, unknownUnit, says, get(sample, "Range: "+set), ok(bodyOf(sample), lacks("Content-Range")))
	}
	// A malformed range may be ignored or the request refused (RFC 9110 14.2); we ignore it.
	malformed := func(name, says, set string) Case {
		return house(name, "9110 14.2", says, get(sample, "Range: "+set), ok(bodyOf(sample), lacks("Content-Range")))
	}
	beyond := func(name, says, set string) Case {
		return should(name, "9110 14.2", says, get(sample, "Range: "+set), answer("416", field("Content-Range", "bytes */{size}")).rfc("416|200"))
	}
	const last = -1 // counted from the end
	return topic("range", []Case{
		part("first-byte", "bytes=0-0 is the first byte", "bytes=0-0", 0, 0),
		part("middle", "a range is from its first to its last byte", "bytes=5-9", 5, 9),
		part("open", "an open range goes to the end", "bytes=5-", 5, last),
		part("whole", "bytes=0- is a part, if the whole one", "bytes=0-", 0, last),
		part("suffix", "a suffix is the last bytes", "bytes=-5", -5, last),
		part("suffix-long", "a suffix longer than the file is the file", "bytes=-99999999", 0, last),
		part("end-beyond", "an end beyond the file's is the file's", "bytes=5-99999999", 5, last),
		must("end-beyond-63-bits", largeRange, "an end beyond 63 bits is the file's", get(sample, "Range: bytes=5-99999999999999999999999"), answer("206", partOf(5, last)).rfc("200|206")),
		part("last-byte", "the last byte can be asked for", "bytes={size-1}-", -1, last),
		part("last-byte-closed", "the last byte can be asked for by number", "bytes={size-1}-{size-1}", -1, last),
		part("unit-case", "the unit is case-insensitive", "BYTES=0-3", 0, 3),
		must("list-of-one", emptyElements, "empty items of a list are skipped", get(sample, "Range: bytes=,0-3,"), answer("206", partOf(0, 3)).rfc("200|206")),
		part("satisfiable-beside", "what lies beyond the end is left out of a list", "bytes=0-3,99999999-", 0, 3),

		beyond("beyond", "a range that begins at the end is 416", "bytes={size}-"),
		beyond("far-beyond", "a range that begins beyond the end is 416", "bytes=99999999-99999999"),
		beyond("beyond-63-bits", "a range that begins beyond 63 bits is 416", "bytes=99999999999999999999999-"),
		beyond("suffix-zero", "a suffix of no bytes is 416", "bytes=-0"),
		beyond("all-beyond", "a list that lies beyond the end is 416", "bytes=99999999-,-0"),

		ignored("unit", "an unknown unit is ignored", "lines=0-1"),
		malformed("no-unit", "a range without unit is ignored", "0-1"),
		malformed("no-equals", "a range without equals sign is ignored", "bytes 0-1"),
		malformed("reversed", "a range that ends before it begins is ignored", "bytes=5-2"),
		malformed("letters", "a range of letters is ignored", "bytes=a-b"),
		malformed("empty", "an empty set is ignored", "bytes="),
		malformed("minus", "a mere minus sign is ignored", "bytes=-"),
		malformed("double-minus", "a negative start is ignored", "bytes=--5"),
		malformed("plus", "a plus sign is ignored", "bytes=+0-1"),
		malformed("hex", "hexadecimal digits are ignored", "bytes=0x0-0x1"),
		malformed("inner-space", "a blank inside a number is ignored", "bytes=0 1-2"),
		malformed("one-bad", "one malformed range spoils the list", "bytes=0-1,x"),
		malformed("reversed-beside", "one reversed range spoils the list", "bytes=0-1,5-2"),

		must("on-head", rangeOfGet, "Range is for GET only", head(sample, "Range: bytes=0-1"), ok(empty, lacks("Content-Range"))),
		must("on-head-beyond", rangeOfGet, "a range beyond the end is nothing to HEAD", head(sample, "Range: bytes=99999999-"), ok(empty)),
		must("on-missing", rangeOf200, "a range does not change a 404", get("/not-there.txt", "Range: bytes=0-1"), answer("404").rfc(notServed)),
		must("206-fields", fieldsOf206, "a 206 has the fields that its 200 would have", get(sample, "Range: bytes=0-1"),
			answer("206", sameAs(sample, "ETag", "Cache-Control", "Vary", "Expires", "Content-Location")).rfc("200|206")),
		should("accept-ranges", "9110 14.3", "Accept-Ranges says that there are ranges", get(sample), ok(field("Accept-Ranges", "bytes"))),

		must("if-range", onePart, "If-Range with the tag is the part", get(sample, "Range: bytes=0-1", "If-Range: {etag}"), partial(partOf(0, 1))),
		must("if-range-other", ifRangeFalse, "If-Range with another tag is the whole file", get(sample, "Range: bytes=0-1", `If-Range: "other"`), ok(bodyOf(sample))),
		must("if-range-weak", ifRangeFalse, "If-Range with a weak tag is the whole file", get(sample, "Range: bytes=0-1", "If-Range: W/{etag}"), ok(bodyOf(sample))),
		must("if-range-date", onePart, "If-Range with its date is the part", get(sample, "Range: bytes=0-1", "If-Range: {date}"), partial(partOf(0, 1))),
		must("if-range-earlier", ifRangeFalse, "If-Range with an earlier date is the whole file", get(sample, "Range: bytes=0-1", "If-Range: {earlier}"), ok(bodyOf(sample))),
		must("if-range-later", ifRangeFalse, "If-Range with a later date is the whole file: dates must be the same", get(sample, "Range: bytes=0-1", "If-Range: {later}"), ok(bodyOf(sample))),
		must("if-range-invalid", ifRangeFalse, "If-Range with nonsense is the whole file", get(sample, "Range: bytes=0-1", "If-Range: nonsense"), ok(bodyOf(sample))),
		must("if-range-beyond", ifRangeFalse, "a range beyond the end is ignored when If-Range fails", get(sample, "Range: bytes=99999999-", `If-Range: "other"`), ok(bodyOf(sample))),
		must("if-range-alone", ifRangeAlone, "If-Range without Range is nothing", get(sample, `If-Range: "other"`), ok(bodyOf(sample))),

		must("several", severalParts, "several ranges are a multipart", get(sample, "Range: bytes=0-3,8-11"), partial(partsOf(0, 3, 8, 11))),
		must("several-suffix", severalParts, "a suffix may be one of several", get(sample, "Range: bytes=0-0,-4"), partial(partsOf(0, 0, -4, last))),
		must("several-spaces", severalParts, "white space may stand in a list of ranges", get(sample, "Range: bytes=0-3 ,\t8-11"), partial(partsOf(0, 3, 8, 11))),
		must("several-reversed-order", severalParts, "ranges may come in any order", get(sample, "Range: bytes=20-23,0-3"), partial(partsOf(20, 23, 0, 3))),
		must("several-keep-open", severalParts, "a multipart's length is right", get(sample, "Range: bytes=1-2,4-5,7-8"), partial(partsOf(1, 2, 4, 5, 7, 8))),
		should("overlapping", "9110 14.2", "ranges that overlap and ask for more than the file never multiply it", get(sample, "Range: bytes=0-,0-,0-,0-"), bad("200|206|416", notMultiplied)),
		should("flood", "9110 14.2", "a flood of ranges never multiplies the bytes sent", get(sample, "Range: bytes="+strings.Repeat("0-,", 200)+"0-"), bad("200|206|416|431", notMultiplied)),
		house("seventeen", "9110 14.2", "more than sixteen ranges are the whole file", get(sample, "Range: bytes="+strings.Join(singleBytes(17), ",")), ok(bodyOf(sample))),
		house("sixteen", "9110 14.2", "sixteen ranges are served", get(sample, "Range: bytes="+strings.Join(singleBytes(16), ",")), answer("206", begins("Content-Type", "multipart/byteranges; boundary="))),

		mustScript("past-4-gib", largeRange, "a range beyond 4 GiB is served", func(x *exchange) {
			x.needRanges()
			x.open()
			x.send(get("/sparse.txt", fmt.Sprintf("Range: bytes=%d-", sparseSize-int64(len(sparseTail)))))
			r := x.expect(answer("206", field("Content-Range", fmt.Sprintf("bytes %d-%d/%d", sparseSize-int64(len(sparseTail)), int64(sparseSize)-1, int64(sparseSize)))), 1)
			x.sameBody(r, []byte(sparseTail))
		}).ofStreams(),
		mustScript("across-4-gib", largeRange, "a range across 4 GiB is served", func(x *exchange) {
			x.needRanges()
			x.open()
			x.send(get("/sparse.txt", "Range: bytes=4294967290-4294967301"))
			r := x.expect(answer("206"), 1)
			x.sameBody(r, make([]byte, 12))
		}).ofStreams(),
		must("large-middle", onePart, "a range in the middle of a large file is served", get("/big.txt", "Range: bytes=1600000-1600015"), answer("206", func(x *exchange, r *Response) {
			if r.Status == 206 {
				x.sameBody(r, []byte("00000001600000.\n"))
			}
		}).rfc("200|206")).withFixtures(),
		should("empty-file", "9110 14.2", "no range of an empty file can be satisfied", get("/empty.txt", "Range: bytes=0-"), answer("416").rfc("200|416")).withFixtures(),
		house("empty-file-suffix", "9110 14.1.3", "a suffix of an empty file is 416, or the empty whole", get("/empty.txt", "Range: bytes=-5"), answer("200|206|416")).withFixtures(),
	})
}

// needRanges ends the play where the server ignores Range, as it may: the whole file would come.
func (x *exchange) needRanges() {
	if r := x.ask(bad("200|206"), get(sample, "Range: bytes=0-0")); r.Status != 206 {
		x.skipped("the server ignores Range, as it may")
	}
}

// singleBytes is n ranges of one byte each that do not touch.
func singleBytes(n int) []string {
	ranges := make([]string, n)
	for i := range ranges {
		ranges[i] = fmt.Sprintf("%d-%d", 2*i, 2*i)
	}
	return ranges
}

// span turns offsets, of which negative ones count from the end, into real ones.
func span(size, from, to int) (int, int) {
	if from < 0 {
		from += size
	}
	if to < 0 {
		to += size
	}
	return from, to
}

// partial is the answer to a range that can be satisfied. A server should send the part (RFC 9110
// 14.2), may ignore the range, and has to be right about what it sends.
func partial(checks ...check) want {
	return answer("206", checks...).rfc("200|206|4xx").ideally("200|206")
}

// partOf wants bytes from to to of the sample file. A server that ignores Range sends the whole
// file instead. What Content-Range says of the bytes that come must be true; that they are all of
// those that were asked for is recommended only (RFC 9110 14.2 and 15.3.7).
func partOf(from, to int) check {
	return func(x *exchange, r *Response) {
		whole := x.sampleRef().Body
		if r.Status == 200 {
			x.sameBody(r, whole)
		}
		if r.Status != 206 {
			return
		}
		from, to := span(len(whole), from, to)
		p, err := newPart(r.Get("Content-Range"), r.Body)
		if err != nil || !p.isOf(whole) {
			x.complainAt(r, "Content-Range", "Content-Range is %q, with %d bytes that are not those of the file", r.Get("Content-Range"), len(r.Body))
		} else if p.from != from || p.to != to {
			x.at(SHOULD, "9110 14.2", r.StatusAt, "the part is %d-%d, and %d-%d was asked for", p.from, p.to, from, to)
		}
	}
}

// part is a piece of a file, from its first to its last byte.
type part struct {
	from, to int
	size     string // of the whole file as Content-Range has it, "*" where it does not say
	bytes    []byte
	kind     string // its Content-Type
}

// isOf reports whether the part has the bytes of the file that it says it has.
func (p part) isOf(whole []byte) bool {
	return p.from >= 0 && p.from <= p.to && p.to < len(whole) && bytes.Equal(p.bytes, whole[p.from:p.to+1]) &&
		(p.size == "*" || p.size == strconv.Itoa(len(whole)))
}

// partsOf wants those pairs of offsets, in parts. A server may send what touches, overlaps or is
// near as one (RFC 9110 15.3.7.2), and leave some for another request (15.3.7); that it sends them
// as they were asked for is our policy.
func partsOf(offsets ...int) check {
	return func(x *exchange, r *Response) {
		whole := x.sampleRef().Body
		if r.Status == 200 {
			x.sameBody(r, whole)
		}
		if r.Status != 206 {
			return
		}
		parts, several := x.parts(r)
		for _, p := range parts {
			if !p.isOf(whole) {
				x.complain(r, "the part %d-%d is %q", p.from, p.to, p.bytes)
				return
			}
			if want := x.ref(sample).Get("Content-Type"); several && want != "" && p.kind != want {
				x.at(SHOULD, severalParts.rfc, r.StatusAt, "a part's Content-Type is %q, not %q", p.kind, want)
			}
		}
		var asked []part
		for i := 0; i < len(offsets); i += 2 {
			from, to := span(len(whole), offsets[i], offsets[i+1])
			asked = append(asked, part{from: from, to: to})
			if !slices.ContainsFunc(parts, func(p part) bool { return p.from <= from && to <= p.to }) {
				x.at(SHOULD, "9110 14.2", r.StatusAt, "no part has the bytes %d-%d", from, to)
			}
		}
		if !slices.EqualFunc(parts, asked, func(p, q part) bool { return p.from == q.from && p.to == q.to }) {
			x.at(HOUSE, "9110 15.3.7.2", r.StatusAt, "the parts are not those that were asked for, in their order")
		}
	}
}

// parts are the pieces of a 206, of which there may be one alone. several says that they came as a
// multipart (RFC 9110 14.6).
func (x *exchange) parts(r *Response) (parts []part, several bool) {
	if value := r.Get("Content-Range"); value != "" && !strings.HasPrefix(r.Get("Content-Type"), "multipart/byteranges") {
		p, err := newPart(value, r.Body)
		if err != nil {
			x.complainAt(r, "Content-Range", "%v", err)
		}
		return []part{p}, false
	}
	kind, params, err := mime.ParseMediaType(r.Get("Content-Type"))
	if err != nil || kind != "multipart/byteranges" || params["boundary"] == "" {
		x.complainAt(r, "Content-Type", "Content-Type is %q, not multipart/byteranges with a boundary", r.Get("Content-Type"))
		return nil, true
	}
	if r.Has("Content-Range") {
		x.complainAt(r, "Content-Range", "a multipart answer has Content-Range itself")
	}
	pieces := multipart.NewReader(bytes.NewReader(r.Body), params["boundary"])
	for {
		piece, err := pieces.NextRawPart()
		if err == io.EOF {
			return parts, true
		}
		if err != nil {
			x.complain(r, "part %d of the multipart: %v", len(parts)+1, err)
			return parts, true
		}
		body, _ := io.ReadAll(piece) // what is missing of it does not fit its range
		p, err := newPart(piece.Header.Get("Content-Range"), body)
		if err != nil {
			x.complain(r, "part %d of the multipart: %v", len(parts)+1, err)
		}
		p.kind = piece.Header.Get("Content-Type")
		parts = append(parts, p)
	}
}

// newPart reads a Content-Range (RFC 9110 14.4).
func newPart(value string, body []byte) (p part, err error) {
	p.bytes = body
	if n, err := fmt.Sscanf(value, "bytes %d-%d/%s", &p.from, &p.to, &p.size); n != 3 {
		return p, fmt.Errorf("Content-Range is %q: %w", value, err)
	}
	return p, nil
}

// notMultiplied wants no more bytes than the file has, and a little for the heads of
// parts.
func notMultiplied(x *exchange, r *Response) {
	if whole := len(x.sampleRef().Body); len(r.Body) > 2*whole+1024 {
		x.complain(r, "a file of %s bytes became %d", strconv.Itoa(whole), len(r.Body))
	}
}
