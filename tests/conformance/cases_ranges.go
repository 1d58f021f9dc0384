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
	"net/textproto"
	"strconv"
	"strings"
)

func conditionalCases() []Case {
	const notModified, failed = "304", "412"
	row := func(l Level, name, rfc, says, status string, fields ...string) Case {
		w := answer(status, bodyBy(status)...)
		c := must(name, rfc, says, get(sample, fields...), w)
		c.Level = l
		return c
	}
	return topic("conditional", []Case{
		row(MUST, "none-match", "9110 13.1.2", "If-None-Match with the tag is 304", notModified, "If-None-Match: {etag}"),
		row(MUST, "none-match-other", "9110 13.1.2", "If-None-Match with another tag is 200", "200", `If-None-Match: "other"`),
		row(MUST, "none-match-star", "9110 13.1.2", "If-None-Match: * is 304 for what is there", notModified, "If-None-Match: *"),
		row(MUST, "none-match-list", "9110 13.1.2", "If-None-Match finds the tag in a list", notModified, `If-None-Match: "a", {etag}, "b"`),
		row(MUST, "none-match-list-tight", "9110 5.6.1", "a list needs no white space", notModified, `If-None-Match: "a",{etag},"b"`),
		row(MUST, "none-match-list-empty", "9110 5.6.1", "empty items of a list are skipped", notModified, `If-None-Match: "a", , {etag}`),
		row(MUST, "none-match-lines", "9110 5.3", "If-None-Match finds the tag on a second line", notModified, `If-None-Match: "a"`, "If-None-Match: {etag}"),
		row(MUST, "none-match-comma", "9110 8.8.3", "a comma inside a tag does not separate", "200", `If-None-Match: "a,{size}"`),
		row(MUST, "none-match-weak", "9110 13.1.2", "If-None-Match compares weakly", notModified, "If-None-Match: W/{etag}"),
		row(SHOULD, "none-match-unquoted", "9110 8.8.3", "a tag without quotation marks is none", "200", "If-None-Match: unquoted"),
		row(MUST, "none-match-missing", "9110 13.2.1", "a condition does not change a 404", "404").with(get("/not-there.txt", "If-None-Match: *")),
		row(SHOULD, "modified-since", "9110 13.1.3", "If-Modified-Since its own date is 304", notModified, "If-Modified-Since: {date}"),
		row(SHOULD, "modified-since-later", "9110 13.1.3", "If-Modified-Since a later date is 304", notModified, "If-Modified-Since: {later}"),
		row(MUST, "modified-since-earlier", "9110 13.1.3", "If-Modified-Since an earlier date is 200", "200", "If-Modified-Since: {earlier}"),
		row(MUST, "modified-since-rfc850", "9110 5.6.7", "dates of RFC 850 are read", notModified, "If-Modified-Since: {rfc850}"),
		row(MUST, "modified-since-asctime", "9110 5.6.7", "dates of asctime are read", notModified, "If-Modified-Since: {asctime}"),
		row(MUST, "modified-since-invalid", "9110 13.1.3", "an invalid date is ignored", "200", "If-Modified-Since: yesterday"),
		row(MUST, "modified-since-number", "9110 13.1.3", "a number is no date", "200", "If-Modified-Since: 9999999999"),
		row(MUST, "modified-since-no-day", "9110 13.1.3", "the 32nd of a month is no date", "200", "If-Modified-Since: Fri, 32 Mar 2034 10:00:00 GMT"),
		row(MUST, "none-match-first", "9110 13.2.2", "If-None-Match beats If-Modified-Since: no match", "200", `If-None-Match: "other"`, "If-Modified-Since: {later}"),
		row(MUST, "none-match-first-304", "9110 13.2.2", "If-None-Match beats If-Modified-Since: match", notModified, "If-None-Match: {etag}", "If-Modified-Since: {earlier}"),
		row(MUST, "match", "9110 13.1.1", "If-Match with the tag is 200", "200", "If-Match: {etag}"),
		row(MUST, "match-other", "9110 13.1.1", "If-Match with another tag is 412", failed, `If-Match: "other"`),
		row(MUST, "match-star", "9110 13.1.1", "If-Match: * is 200 for what is there", "200", "If-Match: *"),
		row(MUST, "match-list", "9110 13.1.1", "If-Match finds the tag in a list", "200", `If-Match: "a", {etag}`),
		row(MUST, "match-lines", "9110 5.3", "If-Match finds the tag on a second line", "200", `If-Match: "a"`, "If-Match: {etag}"),
		row(MUST, "match-weak", "9110 13.1.1", "If-Match compares strongly", failed, "If-Match: W/{etag}"),
		row(MUST, "unmodified-since", "9110 13.1.4", "If-Unmodified-Since its own date is 200", "200", "If-Unmodified-Since: {date}"),
		row(MUST, "unmodified-since-earlier", "9110 13.1.4", "If-Unmodified-Since an earlier date is 412", failed, "If-Unmodified-Since: {earlier}"),
		row(MUST, "unmodified-since-rfc850", "9110 5.6.7", "If-Unmodified-Since reads RFC 850's dates", "200", "If-Unmodified-Since: {rfc850}"),
		row(MUST, "unmodified-since-invalid", "9110 13.1.4", "If-Unmodified-Since ignores an invalid date", "200", "If-Unmodified-Since: yesterday"),
		row(MUST, "match-first", "9110 13.2.2", "If-Match beats If-Unmodified-Since: match", "200", "If-Match: {etag}", "If-Unmodified-Since: {earlier}"),
		row(MUST, "match-first-412", "9110 13.2.2", "If-Match beats If-Unmodified-Since: no match", failed, `If-Match: "other"`, "If-Unmodified-Since: {later}"),
		row(MUST, "match-then-none-match", "9110 13.2.2", "If-None-Match is looked at after If-Match", notModified, "If-Match: {etag}", "If-None-Match: {etag}"),
		row(MUST, "match-412-none-match", "9110 13.2.2", "If-Match is looked at before If-None-Match", failed, `If-Match: "other"`, "If-None-Match: {etag}"),
		row(MUST, "unmodified-then-none-match", "9110 13.2.2", "If-Unmodified-Since is looked at before If-None-Match", failed, "If-Unmodified-Since: {earlier}", "If-None-Match: {etag}"),
		row(MUST, "range-after-condition", "9110 13.2.2", "a condition is looked at before Range", notModified, "If-None-Match: {etag}", "Range: bytes=0-1"),
		must("head", "9110 13.2.1", "HEAD has the conditions of GET", head(sample, "If-None-Match: {etag}"), answer(notModified, empty)),
		must("304-fields", "9110 15.4.5", "a 304 has the fields that its 200 would have", get(sample, "If-None-Match: {etag}"),
			answer(notModified, sameAs(sample, "ETag", "Cache-Control", "Vary", "Content-Location", "Expires"))),
		house("etag-nanoseconds", "9110 8.8.1", "files of one second and size have different tags", get("/sub/inner.txt"), ok(func(x *exchange, r *Response) {
			if tag := r.Get("ETag"); tag == "" || tag == x.ref(sample).Get("ETag") {
				x.complainAt(r, "ETag", "ETag is %q", tag)
			}
		})).withFixtures(),
		house("last-modified", "9110 8.8.2", "Last-Modified is the file's, without its fraction", get(sample), ok(field("Last-Modified", "Fri, 15 Mar 2024 10:30:00 GMT"))).withFixtures(),
	})
}

// with replaces what the case sends.
func (c Case) with(bytes string) Case { c.bytes = bytes; return c }

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
		return must(name, "9110 14.2", says, get(sample, "Range: "+set), answer("206", partOf(from, to)).rfc("200|206"))
	}
	ignored := func(name, says, set string) Case {
		return must(name, "9110 14.2", says, get(sample, "Range: "+set), ok(bodyOf(sample), lacks("Content-Range")))
	}
	// A malformed range may be ignored or the request refused; we ignore it.
	malformed := func(name, says, set string) Case {
		return must(name, "9110 14.2", says, get(sample, "Range: "+set), ok(weighing(HOUSE, bodyOf(sample), lacks("Content-Range"))).rfc("200|400|416").freely())
	}
	beyond := func(name, says, set string) Case {
		return must(name, "9110 15.5.17", says, get(sample, "Range: "+set), answer("416", field("Content-Range", "bytes */{size}")).rfc("416|200"))
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
		part("end-beyond-63-bits", "an end beyond 63 bits is the file's", "bytes=5-99999999999999999999999", 5, last),
		part("last-byte", "the last byte can be asked for", "bytes={size-1}-", -1, last),
		part("last-byte-closed", "the last byte can be asked for by number", "bytes={size-1}-{size-1}", -1, last),
		part("unit-case", "the unit is case-insensitive", "BYTES=0-3", 0, 3),
		part("list-of-one", "empty items of a list are skipped", "bytes=,0-3,", 0, 3),
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

		must("on-head", "9110 14.2", "Range is for GET only", head(sample, "Range: bytes=0-1"), ok(empty, lacks("Content-Range"))),
		must("on-head-beyond", "9110 14.2", "a range beyond the end is nothing to HEAD", head(sample, "Range: bytes=99999999-"), ok(empty)),
		must("on-missing", "9110 14.2", "a range does not change a 404", get("/not-there.txt", "Range: bytes=0-1"), answer("404")),
		must("206-fields", "9110 15.3.7", "a 206 has the fields that its 200 would have", get(sample, "Range: bytes=0-1"),
			answer("206", sameAs(sample, "ETag", "Cache-Control", "Vary", "Expires", "Content-Location")).rfc("200|206")),
		should("accept-ranges", "9110 14.3", "Accept-Ranges says that there are ranges", get(sample), ok(field("Accept-Ranges", "bytes"))),

		must("if-range", "9110 13.1.5", "If-Range with the tag is the part", get(sample, "Range: bytes=0-1", "If-Range: {etag}"), answer("206", partOf(0, 1)).rfc("200|206")),
		must("if-range-other", "9110 13.1.5", "If-Range with another tag is the whole file", get(sample, "Range: bytes=0-1", `If-Range: "other"`), ok(bodyOf(sample))),
		must("if-range-weak", "9110 13.1.5", "If-Range with a weak tag is the whole file", get(sample, "Range: bytes=0-1", "If-Range: W/{etag}"), ok(bodyOf(sample))),
		must("if-range-date", "9110 13.1.5", "If-Range with its date is the part", get(sample, "Range: bytes=0-1", "If-Range: {date}"), answer("206", partOf(0, 1)).rfc("200|206")),
		must("if-range-earlier", "9110 13.1.5", "If-Range with an earlier date is the whole file", get(sample, "Range: bytes=0-1", "If-Range: {earlier}"), ok(bodyOf(sample))),
		must("if-range-later", "9110 13.1.5", "If-Range with a later date is the whole file: dates must be the same", get(sample, "Range: bytes=0-1", "If-Range: {later}"), ok(bodyOf(sample))),
		must("if-range-invalid", "9110 13.1.5", "If-Range with nonsense is the whole file", get(sample, "Range: bytes=0-1", "If-Range: nonsense"), ok(bodyOf(sample))),
		must("if-range-beyond", "9110 13.1.5", "a range beyond the end is ignored when If-Range fails", get(sample, "Range: bytes=99999999-", `If-Range: "other"`), ok(bodyOf(sample))),
		must("if-range-alone", "9110 13.1.5", "If-Range without Range is nothing", get(sample, `If-Range: "other"`), ok(bodyOf(sample))),

		must("several", "9110 14.6", "several ranges are a multipart", get(sample, "Range: bytes=0-3,8-11"), answer("206", partsOf(0, 3, 8, 11)).rfc("200|206")),
		must("several-suffix", "9110 14.6", "a suffix may be one of several", get(sample, "Range: bytes=0-0,-4"), answer("206", partsOf(0, 0, -4, last)).rfc("200|206")),
		must("several-spaces", "9110 5.6.1", "white space may stand in a list of ranges", get(sample, "Range: bytes=0-3 ,\t8-11"), answer("206", partsOf(0, 3, 8, 11)).rfc("200|206")),
		must("several-reversed-order", "9110 14.2", "ranges may come in any order", get(sample, "Range: bytes=20-23,0-3"), answer("206", partsOf(20, 23, 0, 3)).rfc("200|206")),
		must("several-keep-open", "9110 14.6", "a multipart's length is right", get(sample, "Range: bytes=1-2,4-5,7-8"), answer("206", partsOf(1, 2, 4, 5, 7, 8)).rfc("200|206")),
		should("overlapping", "9110 14.2", "ranges that overlap and ask for more than the file never multiply it", get(sample, "Range: bytes=0-,0-,0-,0-"), bad("200|206|416", notMultiplied)),
		should("flood", "9110 14.2", "a flood of ranges never multiplies the bytes sent", get(sample, "Range: bytes="+strings.Repeat("0-,", 200)+"0-"), bad("200|206|416|431", notMultiplied)),
		house("seventeen", "9110 14.2", "more than sixteen ranges are the whole file", get(sample, "Range: bytes="+strings.Join(singleBytes(17), ",")), ok(bodyOf(sample))),
		house("sixteen", "9110 14.2", "sixteen ranges are served", get(sample, "Range: bytes="+strings.Join(singleBytes(16), ",")), answer("206", begins("Content-Type", "multipart/byteranges; boundary="))),

		script(MUST, "past-4-gib", "9110 14.1.2", "a range beyond 4 GiB is served", func(x *exchange) {
			x.open()
			x.send(get("/sparse.txt", fmt.Sprintf("Range: bytes=%d-", sparseSize-int64(len(sparseTail)))))
			r := x.expect(answer("206", field("Content-Range", fmt.Sprintf("bytes %d-%d/%d", sparseSize-int64(len(sparseTail)), int64(sparseSize)-1, int64(sparseSize)))), 1)
			x.sameBody(r, []byte(sparseTail))
		}).withFixtures(),
		script(MUST, "across-4-gib", "9110 14.1.2", "a range across 4 GiB is served", func(x *exchange) {
			x.open()
			x.send(get("/sparse.txt", "Range: bytes=4294967290-4294967301"))
			r := x.expect(answer("206"), 1)
			x.sameBody(r, make([]byte, 12))
		}).withFixtures(),
		must("large-middle", "9110 14.2", "a range in the middle of a large file is served", get("/big.txt", "Range: bytes=1600000-1600015"), answer("206", func(x *exchange, r *Response) {
			x.sameBody(r, []byte("00000001600000.\n"))
		})).withFixtures(),
		must("empty-file", "9110 15.5.17", "no range of an empty file can be satisfied", get("/empty.txt", "Range: bytes=0-"), answer("416").rfc("200|416")).withFixtures(),
		must("empty-file-suffix", "9110 14.1.3", "a suffix of an empty file is 416, or the empty whole", get("/empty.txt", "Range: bytes=-5"), answer("200|206|416")).withFixtures(),
	})
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

// partOf wants bytes from to to of the sample file, and Content-Range to say so. A
// server that ignores Range sends the whole file instead.
func partOf(from, to int) check {
	return func(x *exchange, r *Response) {
		whole := x.sampleRef().Body
		if r.Status == 200 {
			x.sameBody(r, whole)
			return
		}
		from, to := span(len(whole), from, to)
		field("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(whole)))(x, r)
		x.sameBody(r, whole[from:to+1])
	}
}

// partsOf wants a multipart/byteranges of those pairs of offsets (RFC 9110 14.6).
func partsOf(offsets ...int) check {
	return func(x *exchange, r *Response) {
		whole := x.sampleRef().Body
		if r.Status == 200 {
			x.sameBody(r, whole)
			return
		}
		kind, params, err := mime.ParseMediaType(r.Get("Content-Type"))
		if err != nil || kind != "multipart/byteranges" || params["boundary"] == "" {
			x.complainAt(r, "Content-Type", "Content-Type is %q, not multipart/byteranges with a boundary", r.Get("Content-Type"))
			return
		}
		if r.Has("Content-Range") {
			x.complainAt(r, "Content-Range", "a multipart answer has Content-Range itself")
		}
		parts := multipart.NewReader(bytes.NewReader(r.Body), params["boundary"])
		for i := 0; i < len(offsets); i += 2 {
			from, to := span(len(whole), offsets[i], offsets[i+1])
			part, err := parts.NextRawPart()
			if err != nil {
				x.complain(r, "part %d of the multipart: %v", i/2+1, err)
				return
			}
			x.comparePart(r, part.Header, part, whole, from, to)
		}
		if _, err := parts.NextRawPart(); err != io.EOF {
			x.complain(r, "the multipart does not end after %d parts: %v", len(offsets)/2, err)
		}
	}
}

func (x *exchange) comparePart(r *Response, h textproto.MIMEHeader, part io.Reader, whole []byte, from, to int) {
	if want := fmt.Sprintf("bytes %d-%d/%d", from, to, len(whole)); h.Get("Content-Range") != want {
		x.complain(r, "a part's Content-Range is %q, not %q", h.Get("Content-Range"), want)
	}
	if want := x.ref(sample).Get("Content-Type"); want != "" && h.Get("Content-Type") != want {
		x.at(MUST, "9110 15.3.7.2", r.StatusAt, "a part's Content-Type is %q, not %q", h.Get("Content-Type"), want)
	}
	if got, err := io.ReadAll(part); err != nil || !bytes.Equal(got, whole[from:to+1]) {
		x.complain(r, "the part %d-%d is %q", from, to, got)
	}
}

// notMultiplied wants no more bytes than the file has, and a little for the heads of
// parts.
func notMultiplied(x *exchange, r *Response) {
	if whole := len(x.sampleRef().Body); len(r.Body) > 2*whole+1024 {
		x.complain(r, "a file of %s bytes became %d", strconv.Itoa(whole), len(r.Body))
	}
}
