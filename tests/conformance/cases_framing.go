package conformance

// Where a message ends: Content-Length, Transfer-Encoding, chunks. Whatever two
// recipients could read in two ways is how one request is smuggled inside another.

import (
	"strconv"
	"strings"
)

func lengthCases() []Case {
	return topic("content-length", []Case{
		must("exact", lengthDefines, "a body of its length is read", upload(doc), created()),
		must("zeros", lengthDefines, "leading zeros are digits", uploadRaw("Content-Length: 0007\r\n", doc), created()),
		must("white-space", trimValue, "white space around the value is dropped, tabs too", uploadRaw("Content-Length:\t 7 \t\r\n", doc), created()),
		must("zero", lengthDefines, "a body may be empty on GET", get(sample, "Content-Length: 0"), ok(bodyOf(sample))),
		house("too-large", "9110 15.5.14", "a length beyond the limit is refused at once", uploadRaw("Content-Length: ‸9000000000000000000\r\n", ""), refused("413").rfc("4xx").freely()).alone(),
	}, each([]struct{ name, value, rfc, says string }{
		{"plus", "+7", "400", "a plus sign"},
		{"minus", "-7", "400", "a minus sign"},
		{"hex", "0x7", "400", "hexadecimal digits"},
		{"underscore", "0_7", "400", "an underscore"},
		{"blank", "7 7", "400", "a blank"},
		{"empty", "", "400", "no value"},
		{"letter", "7a", "400", "a letter behind the digits"},
		{"point", "7.0", "400", "a decimal point"},
		{"exponent", "7e0", "400", "an exponent"},
		{"list-different", "7, 8", "400", "a list of different values"},
		{"semicolon", "7;x=y", "400", "a parameter"},
		{"quoted", "\"7\"", "400", "quotation marks"},
		{"vertical-tab", "\v7", "400", "a vertical tab"},
		{"other-digits", "\u0667", "400", "digits of another script"},
	}, func(r struct{ name, value, rfc, says string }) Case {
		return must(r.name, badLength, "a length with "+r.says+" is refused and the connection closed",
			uploadRaw("Content-Length: ‸"+r.value+"\r\n", doc), refused("400").rfc(r.rfc))
	}), each([]struct{ name, value, says string }{
		{"over-63-bits", "9223372036854775808", "63 bits exceeded"},
		{"over-64-bits", "18446744073709551623", "64 bits exceeded, which wraps to 7"},
		{"over-32-bits-wrap", "340282366920938463463374607431768211463", "128 bits exceeded, which wraps to 7"},
	}, func(r struct{ name, value, says string }) Case {
		return must(r.name, largeLength, "a length with "+r.says+" is refused and the connection closed",
			uploadRaw("Content-Length: ‸"+r.value+"\r\n", doc), refused("400").rfc("4xx|501"))
	}), each([]struct{ name, value, says string }{
		{"nul", "7\x00", "NUL"},
		{"comma-first", ",7", "an empty list item before"},
		{"comma-last", "7,", "an empty list item behind"},
	}, func(r struct{ name, value, says string }) Case { // a recipient may mend these (RFC 9110 5.5 and 5.6.1.2)
		return house(r.name, "9112 6.3", "a length with "+r.says+" is refused and the connection closed",
			uploadRaw("Content-Length: ‸"+r.value+"\r\n", doc), refused("400"))
	}), []Case{
		must("twice-different", badLength, "two different lengths are refused", uploadRaw("Content-Length: 7\r\n‸Content-Length: 8\r\n", doc), refused("400")),
		must("twice-different-reversed", badLength, "two different lengths are refused in either order", uploadRaw("Content-Length: 8\r\n‸Content-Length: 7\r\n", doc), refused("400")),
		must("twice-zero", badLength, "a length of 0 does not hide another", uploadRaw("Content-Length: 0\r\n‸Content-Length: 7\r\n", doc), refused("400")),
		house("twice-equal", "9112 6.3", "two equal lengths are refused", uploadRaw("Content-Length: 7\r\n‸Content-Length: 7\r\n", doc), refused("400")),
		house("list-equal", "9112 6.3", "a list of equal lengths is refused", uploadRaw("Content-Length: ‸7, 7\r\n", doc), refused("400")),
		must("get-invalid", badLength, "a false length is refused on GET too", get(sample, "Content-Length: ‸-1"), refused("400")),
	})
}

func codingCases() []Case {
	body := chunked(doc, 4)
	return topic("transfer-encoding", []Case{
		must("chunked", chunkedParse, "a chunked body is read", uploadRaw("Transfer-Encoding: chunked\r\n", body), created()),
		must("case", codingCase, "the name of a coding is case-insensitive", uploadRaw("transfer-encoding: CHUNKED\r\n", body), created()),
		must("white-space", trimValue, "white space around the coding is dropped, tabs too", uploadRaw("Transfer-Encoding:\t chunked \t\r\n", body), created()),
		must("get", readBody, "a chunked body on GET is read to its end, or the connection closed",
			get(sample, "Transfer-Encoding: chunked")+body, bad("200", bodyOf(sample)).rfc("200|4xx")),

		must("with-length", bothLengths, "Content-Length beside Transfer-Encoding ends the connection",
			uploadRaw("Content-Length: 22\r\n‸Transfer-Encoding: chunked\r\n", body), refused("400").rfc("2xx|4xx|501")),
		must("length-behind", bothLengths, "Transfer-Encoding before Content-Length ends the connection too",
			uploadRaw("Transfer-Encoding: chunked\r\n‸Content-Length: 22\r\n", body), refused("400").rfc("2xx|4xx|501")),
		must("with-length-short", bothLengths, "a length that ends before the chunks smuggles nothing",
			uploadRaw("Content-Length: 4\r\n‸Transfer-Encoding: chunked\r\n", body), refused("400").rfc("2xx|4xx|501")),
		must("with-length-zero", bothLengths, "a length of 0 beside chunks smuggles nothing",
			uploadRaw("Content-Length: 0\r\n‸Transfer-Encoding: chunked\r\n", body), refused("400").rfc("2xx|4xx|501")),
		must("with-false-length", bothLengths, "a false length beside chunks smuggles nothing",
			uploadRaw("Content-Length: x\r\n‸Transfer-Encoding: chunked\r\n", body), refused("400").rfc("2xx|4xx|501")),
		must("http10", codingInHTTP10, "Transfer-Encoding in HTTP/1.0 ends the connection",
			"POST /upload HTTP/1.0\r\n"+localhost+jsonType+"‸Transfer-Encoding: chunked\r\n\r\n"+body, refused("2xx|4xx|501")),
		must("http10-keep-alive", codingInHTTP10, "Transfer-Encoding in HTTP/1.0 ends the connection that it wanted kept",
			"POST /upload HTTP/1.0\r\n"+localhost+jsonType+"Connection: keep-alive\r\n‸Transfer-Encoding: chunked\r\n\r\n"+body, refused("2xx|4xx|501")),
	}, each([]struct{ name, field, says, ours string }{
		{"not-last", "chunked, gzip", "chunked that is not last", "400"},
		{"gzip-alone", "gzip", "a coding that does not end in chunked", "400|501"},
		{"unknown", "fancy", "an unknown coding", "400|501"},
		{"identity", "identity", "identity, which is no coding any more", "400|501"},
		{"identity-behind", "chunked, identity", "identity behind chunked", "400|501"},
		{"prefix", "xchunked", "a name that ends in chunked", "400|501"},
		{"suffix", "chunkedx", "a name that begins with chunked", "400|501"},
		{"quoted", "\"chunked\"", "quotation marks", "400|501"},
		{"vertical-tab", "\vchunked", "a vertical tab", "400|501"},
		{"blank", "chunked gzip", "a blank instead of a comma", "400|501"},
		{"utf8", "chun\u212aed", "a letter that only folds to ASCII", "400|501"},
	}, func(r struct{ name, field, says, ours string }) Case {
		return must(r.name, chunkedNotLast, "Transfer-Encoding with "+r.says+" is refused and the connection closed",
			uploadRaw("Transfer-Encoding: ‸"+r.field+"\r\n", body), refused(r.ours).rfc(r.ours+"|501"))
	}), each([]struct{ name, field, says, ours string }{
		{"twice", "chunked, chunked", "chunked twice", "400"},
		{"two-lines", "chunked\r\nTransfer-Encoding: chunked", "chunked on two lines", "400"},
		{"empty", "", "no coding at all", "400|501"},
		{"nul", "chunked\x00", "NUL", "400|501|closed"},
	}, func(r struct{ name, field, says, ours string }) Case { // the last of these is chunked, or may be
		return house(r.name, "9112 6.1", "Transfer-Encoding with "+r.says+" is refused and the connection closed",
			uploadRaw("Transfer-Encoding: ‸"+r.field+"\r\n", body), refused(r.ours))
	}), []Case{
		house("empty-element", "9110 5.6.1", "an empty element before chunked is refused, for some take ,chunked for an unknown coding",
			uploadRaw("Transfer-Encoding: ‸,chunked\r\n", body), refused("400")),
		house("empty-element-behind", "9110 5.6.1", "an empty element behind chunked is refused",
			uploadRaw("Transfer-Encoding: chunked‸,\r\n", body), refused("400")),
		house("empty-line", "9110 5.6.1", "an empty Transfer-Encoding beside another one is refused",
			uploadRaw("Transfer-Encoding: ‸\r\nTransfer-Encoding: chunked\r\n", body), refused("400")),
		should("parameter", "9112 7.1", "Transfer-Encoding with a parameter of chunked is refused and the connection closed",
			uploadRaw("Transfer-Encoding: ‸chunked;q=1\r\n", body), refused("400|501").rfc("4xx|501")),
		should("gzip-chunked", "9112 6.1", "a coding that is not understood is 501",
			uploadRaw("Transfer-Encoding: ‸gzip, chunked\r\n", body), refused("501").rfc("400|415|501").freely()),
		should("gzip-line-chunked-line", "9112 6.1", "codings on two lines are one list",
			uploadRaw("Transfer-Encoding: gzip\r\n‸Transfer-Encoding: chunked\r\n", body), refused("501").rfc("400|415|501").freely()),
		must("space-before-colon", spaceBeforeColon, "white space before Transfer-Encoding's colon is refused",
			uploadRaw("Transfer-Encoding‸ : chunked\r\n", body), refused("400").freely()),
		must("folded", obsFold, "a folded Transfer-Encoding smuggles nothing",
			uploadRaw("Transfer-Encoding:\r\n‸ chunked\r\n", body), refused("400").rfc("2xx|4xx|501").freely()),
		must("bare-cr-name", bareCR, "a bare CR does not hide Transfer-Encoding",
			uploadRaw("X: y‸\rTransfer-Encoding: chunked\r\nContent-Length: 7\r\n", doc), refused("400").rfc("2xx|4xx|501|closed").freely()),
	})
}

func chunkCases() []Case {
	accepted := func(name, says, chunks string) Case {
		return must(name, chunkedParse, says, uploadChunks(chunks), created())
	}
	extended := func(name, says, chunks string) Case {
		return must(name, ignoreExtensions, says, uploadChunks(chunks), created())
	}
	spaced := func(name, says, chunks string) Case {
		return must(name, badWhitespace, says, uploadChunks(chunks), created())
	}
	return topic("chunked", []Case{
		accepted("one", "one chunk is a body", "7\r\n"+doc+"\r\n0\r\n\r\n"),
		accepted("single-bytes", "chunks may be of one byte", chunked(doc, 1)),
		accepted("zeros", "a size may have leading zeros", "00007\r\n"+doc+"\r\n000\r\n\r\n"),
		accepted("upper-case", "sizes are hexadecimal in capitals too", "A\r\n{\"a\":1111}\r\n0\r\n\r\n"),
		accepted("lower-case", "sizes are hexadecimal in small letters too", "a\r\n{\"a\":1111}\r\n0\r\n\r\n"),
		extended("extension", "a chunk extension is ignored", "7;name=value\r\n"+doc+"\r\n0;last\r\n\r\n"),
		extended("extension-quoted", "a chunk extension may be quoted", "7;name=\"a;b\"\r\n"+doc+"\r\n0\r\n\r\n"),
		spaced("extension-space", "white space may stand before an extension", "7 ;name=value\r\n"+doc+"\r\n0\r\n\r\n"),
		spaced("extension-spaces", "white space may stand between the parts of an extension", "7\t ; name = value ;\tother = \"x\"\r\n"+doc+"\r\n0\r\n\r\n"),
		extended("extension-escape", "a quoted extension may escape a quote", "7;name=\"a\\\"b\\\\\"\r\n"+doc+"\r\n0\r\n\r\n"),
		accepted("trailer", "a trailer section is ignored", "7\r\n"+doc+"\r\n0\r\nX-Check: 1\r\nX-More: 2\r\n\r\n"),
		must("trailer-length", trailersApart, "Content-Length in a trailer changes no framing", uploadChunks("7\r\n"+doc+"\r\n0\r\nContent-Length: 500\r\n\r\n"), created()),
		must("trailer-coding", trailersApart, "Transfer-Encoding in a trailer changes no framing", uploadChunks("7\r\n"+doc+"\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"), created()),
		must("trailer-host", trailersApart, "Host in a trailer is no Host", uploadChunks("7\r\n"+doc+"\r\n0\r\nHost: not-ours.example\r\n\r\n"), created()),
		must("empty-on-get", readBody, "an empty chunked body on GET is read", get(sample, "Transfer-Encoding: chunked")+"0\r\n\r\n", bad("200", bodyOf(sample)).rfc("200|4xx")),
		must("trailer-on-get", readBody, "a trailer section on GET is no request",
			get(sample, "Transfer-Encoding: chunked")+"0\r\nX: GET /about.html HTTP/1.1\r\n\r\n", bad("200", bodyOf(sample)).rfc("200|4xx")),
	}, each([]chunkFault{
		{SHOULD, "size-empty", "‸\r\n" + doc + "\r\n0\r\n\r\n", "400", "no size"},
		{SHOULD, "size-letter", "‸g\r\n" + doc + "\r\n0\r\n\r\n", "400", "a size that is not hexadecimal"},
		{SHOULD, "size-tail", "7‸g\r\n" + doc + "\r\n0\r\n\r\n", "400", "a letter behind the size"},
		{SHOULD, "size-plus", "‸+7\r\n" + doc + "\r\n0\r\n\r\n", "400", "a plus sign"},
		{SHOULD, "size-minus", "‸-7\r\n" + doc + "\r\n0\r\n\r\n", "400", "a minus sign"},
		{SHOULD, "size-0x", "0‸x7\r\n" + doc + "\r\n0\r\n\r\n", "400", "0x before the size"},
		{SHOULD, "size-underscore", "0‸_7\r\n" + doc + "\r\n0\r\n\r\n", "400", "an underscore in the size"},
		{SHOULD, "size-space-before", "‸ 7\r\n" + doc + "\r\n0\r\n\r\n", "400", "a space before the size"},
		{SHOULD, "size-comma", "7‸,7\r\n" + doc + "\r\n0\r\n\r\n", "400", "a list as size"},
		{MUST, "size-17-digits", "10000000000000007\r\n" + doc + "\r\n0\r\n\r\n", "400|413", "a size that wraps at 64 bits"},
		{HOUSE, "size-32-bits", "100000007\r\n" + doc + "\r\n0\r\n\r\n", "400|413", "a size that wraps at 32 bits"},
		{HOUSE, "size-negative-64", "‸fffffffffffffff9\r\n" + doc + "\r\n0\r\n\r\n", "400|413", "a size that is negative in 64 bits"},
		{HOUSE, "size-negative-32", "‸fffffff9\r\n" + doc + "\r\n0\r\n\r\n", "400|413", "a size that is negative in 32 bits"},
		{HOUSE, "size-long", "‸" + strings.Repeat("0", 1000) + "7\r\n" + doc + "\r\n0\r\n\r\n", "400", "a thousand zeros before the size"},
		{SHOULD, "data-long", "6\r\n{\"a\":1‸}\r\n0\r\n\r\n", "400", "data longer than the size"},
		{HOUSE, "data-short", "8\r\n" + doc + "\r‸\n0\r\n\r\n", "400", "data shorter than the size"},
		{HOUSE, "data-lf", "7\r\n" + doc + "‸\n0\r\n\r\n", "400", "a bare LF behind the data"},
		{SHOULD, "data-cr", "7\r\n" + doc + "\r‸X0\r\n\r\n", "400", "CR without LF behind the data"},
		{SHOULD, "data-any-two", "7\r\n" + doc + "‸XX0\r\n\r\n", "400", "two other bytes for the CR LF behind the data"},
		{SHOULD, "data-no-end", "7\r\n" + doc + "‸0\r\n\r\n", "400", "no line end behind the data"},
		{HOUSE, "size-lf", "7‸\n" + doc + "\r\n0\r\n\r\n", "400", "a bare LF behind the size"},
		{SHOULD, "size-cr", "7‸\r" + doc + "\r\n0\r\n\r\n", "400", "a bare CR behind the size"},
		{SHOULD, "size-cr-cr", "7\r‸\r\n" + doc + "\r\n0\r\n\r\n", "400", "CR CR LF behind the size"},
		{HOUSE, "last-lf", "7\r\n" + doc + "\r\n0‸\n\r\n", "400", "a bare LF behind the last size"},
		{HOUSE, "end-lf", "7\r\n" + doc + "\r\n0\r\n‸\n", "400", "a bare LF at the body's end"},
		{HOUSE, "extension-no-name", "7;‸\r\n" + doc + "\r\n0\r\n\r\n", "400", "an extension without a name"},
		{HOUSE, "extension-no-second-name", "7;a;‸;b\r\n" + doc + "\r\n0\r\n\r\n", "400", "a second extension without a name"},
		{HOUSE, "extension-name-character", "7;a‸(b\r\n" + doc + "\r\n0\r\n\r\n", "400", "an extension's name that is no token"},
		{HOUSE, "extension-name-quoted", "7;‸\"a\"\r\n" + doc + "\r\n0\r\n\r\n", "400", "an extension's name in quotes"},
		{HOUSE, "extension-no-value", "7;a=‸\r\n" + doc + "\r\n0\r\n\r\n", "400", "an equals sign without a value"},
		{HOUSE, "extension-value-character", "7;a=b‸/c\r\n" + doc + "\r\n0\r\n\r\n", "400", "an extension's value that is no token"},
		{HOUSE, "extension-open-quote", "7;a=\"b‸\r\n" + doc + "\r\n0\r\n\r\n", "400", "a quote that is not closed"},
		{HOUSE, "extension-quote-over-lines", "7;a=\"b‸\r\n" + doc + "\r\n0;c=\"\r\n\r\n", "400", "a quote that a later line closes"},
		{HOUSE, "extension-escaped-quote", "7;a=\"b\\\"‸\r\n" + doc + "\r\n0\r\n\r\n", "400", "a closing quote that is escaped"},
		{HOUSE, "extension-behind-quote", "7;a=\"b\"‸c\r\n" + doc + "\r\n0\r\n\r\n", "400", "text behind a quoted value"},
		{HOUSE, "extension-last-chunk", "7\r\n" + doc + "\r\n0;‸\r\n\r\n", "400", "an extension of the last chunk without a name"},
		{SHOULD, "extension-lf", "7;a‸\nb\r\n" + doc + "\r\n0\r\n\r\n", "400", "a bare LF in an extension"},
		{SHOULD, "extension-cr", "7;a‸\rb\r\n" + doc + "\r\n0\r\n\r\n", "400", "a bare CR in an extension"},
		{HOUSE, "extension-nul", "7;a‸\x00b\r\n" + doc + "\r\n0\r\n\r\n", "400", "NUL in an extension"},
		{HOUSE, "extension-no-semicolon", "7 ‸a=b\r\n" + doc + "\r\n0\r\n\r\n", "400", "an extension without semicolon"},
		{HOUSE, "trailer-lf", "7\r\n" + doc + "\r\n0\r\nX: y‸\n\r\n", "400", "a bare LF in the trailer section"},
		{HOUSE, "trailer-no-colon", "7\r\n" + doc + "\r\n0\r\n‸nonsense\r\n\r\n", "400", "a trailer line without colon"},
		{HOUSE, "trailer-space", "7\r\n" + doc + "\r\n0\r\nX‸ : y\r\n\r\n", "400", "white space before a trailer's colon"},
		{HOUSE, "trailer-request", "7\r\n" + doc + "\r\n0\r\n‸GET /about.html HTTP/1.1\r\nHost: localhost\r\n\r\n", "400", "a request for a trailer section"},
		{SHOULD, "no-last-chunk", "7\r\n" + doc + "\r\n‸GET /about.html HTTP/1.1\r\nHost: localhost\r\n\r\n", "400", "a request for a chunk size"},
	}, chunkRefusal), []Case{
		house("extension-long", "9112 7.1.1", "a chunk extension is bounded", uploadChunks("7;"+strings.Repeat("x", 100_000)+"\r\n"+doc+"\r\n0\r\n\r\n"), refused("400|413|431")).once(),
		house("extensions-many", "9112 7.1.1", "all chunk extensions of a body are bounded", uploadChunks(strings.Repeat("1;"+strings.Repeat("x", 200)+"\r\n1\r\n", 1000)+"0\r\n\r\n"), refused("400|413|431")).once(),
		house("trailer-long", "9112 7.1.2", "a trailer section is bounded", uploadChunks("7\r\n"+doc+"\r\n0\r\nX: "+strings.Repeat("x", 100_000)+"\r\n\r\n"), refused("400|413|431")).once(),
		house("trailers-many", "9112 7.1.2", "the lines of a trailer section are bounded", uploadChunks("7\r\n"+doc+"\r\n0\r\n"+strings.Repeat("X: y\r\n", 1000)+"\r\n"), refused("400|413|431")).once(),
	})
}

// chunkFault is a chunked body that breaks the grammar. No RFC says that it must be refused: what
// does not match the grammar SHOULD be (RFC 9112 2.2). What many recipients are lenient about, with
// reasons, is of level HOUSE: it is held against our servers only.
type chunkFault struct {
	level                Level
	name, chunks, status string
	says                 string
}

// chunkRefusal is the case of such a body. An RFC names no status for it, but a recipient
// that goes on would read the stream in a way of its own.
func chunkRefusal(r chunkFault) Case {
	c := newCase(r.level, r.name, "9112 2.2", "a chunked body with "+r.says+" is refused and the connection closed",
		uploadChunks(r.chunks), []want{refused(r.status).rfc("4xx|501")})
	if r.level == MUST {
		c.RFC = largeChunk.rfc
		return c.quoting(largeChunk)
	}
	return c
}

// bodyCases are bodies that nobody asked for. They are read to their end, or the
// connection is closed: their bytes, a request each, are never taken for one.
func bodyCases() []Case {
	const smuggled = "GET /logo.png HTTP/1.1\r\nHost: localhost\r\n\r\n"
	with := func(method, target string, fields ...string) string {
		return request(method, target, append(fields, "Content-Length: "+strconv.Itoa(len(smuggled)))...) + smuggled
	}
	inChunks := func(method, target string, fields ...string) string {
		return request(method, target, append(fields, "Transfer-Encoding: chunked")...) + chunked(smuggled, len(smuggled))
	}
	rows := []struct {
		name, method, target, status string
		fields                       []string
	}{
		{"get", "GET", sample, "200", nil},
		{"head", "HEAD", sample, "200", nil},
		{"not-found", "GET", "/not-there.txt", "404", nil},
		{"method", "PUT", sample, "405", nil},
		{"delete", "DELETE", sample, "405", nil},
		{"unknown-method", "BREW", sample, "501", nil},
		{"type", "POST", "/upload", "415", []string{"Content-Type: text/plain"}},
		{"post-elsewhere", "POST", sample, "405", nil},
		{"options", "OPTIONS", sample, "204", nil},
		{"expectation", "POST", "/upload", "417", []string{"Content-Type: application/json", "Expect: miracles"}},
		{"conditional", "GET", sample, "304", []string{"If-None-Match: *"}},
		{"range", "GET", sample, "206", []string{"Range: bytes=0-1"}},
		{"redirect", "GET", "/uploads", "301", nil},
	}
	var cases []Case
	for _, r := range rows {
		w := bad(r.status).rfc("2xx|3xx|4xx|501").to(r.method)
		cases = append(cases,
			must(r.name, readBody, "the body of a "+r.method+" answered with "+r.status+" is not taken for a request", with(r.method, r.target, r.fields...), w),
			must(r.name+"-chunked", readBody, "the chunked body of a "+r.method+" answered with "+r.status+" is not taken for a request", inChunks(r.method, r.target, r.fields...), w))
	}
	return topic("unasked-body", cases)
}
