package conformance

// Content codings: files compressed beforehand and on the way.
//
// Each row is one case; see doc.go. What must not be done: no row may require that a file is
// compressed, only that an answer is right if it is.

import (
	"bytes"
	"compress/gzip"
	"io"
)

func encodingCases() []Case {
	coded := func(name, accept, coding string) Case {
		return house("neighbour-"+name, "9110 12.5.3", "Accept-Encoding: "+accept+" gets "+coding,
			get("/neighbours.html", "Accept-Encoding: "+accept), ok(hasCoding(coding), lists("Vary", "Accept-Encoding"))).withFixtures()
	}
	return topic("coding", []Case{
		house("none-asked", "9110 12.5.3", "without Accept-Encoding a file is sent as it is", get("/contact.html"), ok(lacks("Content-Encoding"))),
		should("identity", "9110 12.5.3", "Accept-Encoding: identity gets the file as it is", get("/contact.html", "Accept-Encoding: identity"), ok(lacks("Content-Encoding"), bodyOf("/contact.html"))),
		should("refused", "9110 12.5.3", "a coding with q=0 is not used", get("/contact.html", "Accept-Encoding: gzip;q=0, br;q=0, zstd;q=0"), ok(lacks("Content-Encoding"), bodyOf("/contact.html"))),
		should("unknown", "9110 12.5.3", "an unknown coding is not used", get("/contact.html", "Accept-Encoding: fancy"), ok(lacks("Content-Encoding"))),
		coded("gzip", "gzip", "gzip"),
		coded("br", "br", "br"),
		coded("zstd", "zstd", "zstd"),
		coded("case", "GZIP", "gzip"),
		coded("q", "br;q=0.1, gzip;q=0.9", "gzip"),
		coded("q-zero", "br;q=0, gzip", "gzip"),
		coded("q-thousandths", "gzip;q=0.001, br;q=0.002", "br"),
		coded("star-refused", "*;q=0, gzip", "gzip"),
		coded("identity-better", "identity, gzip;q=0.5", ""),
		coded("nothing", "identity;q=1", ""),
		house("neighbour-tag", "9110 8.8.3.3", "a coded variant has a tag of its own", get("/neighbours.html", "Accept-Encoding: gzip"), ok(hasCoding("gzip"), func(x *exchange, r *Response) {
			if tag := r.Get("ETag"); tag == "" || tag == x.ref("/neighbours.html").Get("ETag") {
				x.complainAt(r, "ETag", "ETag is %q, as without coding", tag)
			}
		})).withFixtures(),
		house("neighbour-vary-304", "9110 15.4.5", "a 304 has Vary too", get("/neighbours.html", "If-None-Match: *"), answer("304", lists("Vary", "Accept-Encoding"))).withFixtures(),
		house("neighbour-vary-206", "9110 15.3.7", "a 206 has Vary too", get("/neighbours.html", "Range: bytes=0-3"), answer("206", lists("Vary", "Accept-Encoding"))).withFixtures(),
		house("neighbour-type", "9110 8.4", "a coded variant keeps the type", get("/neighbours.html", "Accept-Encoding: gzip"), ok(field("Content-Type", "text/html; charset=utf-8"))).withFixtures(),
		house("neighbour-not-served", "", "a neighbour is no file of its own", get("/neighbours.html.gz"), bad("415")).withFixtures(),
		house("gzip-html", "9110 8.4.1.3", "a long page is compressed", get("/long.html", "Accept-Encoding: gzip"), ok(gunzipsTo("long.html"), lists("Vary", "Accept-Encoding"))).withFixtures(),
		house("gzip-twice", "9110 8.8.3", "a compressed page is the same the next time", get("/long.html", "Accept-Encoding: gzip")+get("/long.html", "Accept-Encoding: gzip"), ok(gunzipsTo("long.html")), ok(gunzipsTo("long.html"))).withFixtures(),
		must("gzip-not-image", codingsListed, "an image is whole, compressed or not", get("/logo.png", "Accept-Encoding: gzip"), ok(gunzipsTo("logo.png"))).withFixtures(),
		must("gzip-small", codingsListed, "a small page is whole, compressed or not", get("/contact.html", "Accept-Encoding: gzip"), ok(gunzipsTo("contact.html"))).withFixtures(),
		must("gzip-range", onePart, "a part is of the bytes that its tag stands for", get("/long.html", "Accept-Encoding: identity", "Range: bytes=0-14"), answer("206", func(x *exchange, r *Response) {
			if r.Status == 206 {
				x.sameBody(r, []byte("<!DOCTYPE html>"))
			}
		}).rfc("200|206")).withFixtures(),
		must("gzip-http10", codingToHTTP10, "HTTP/1.0 gets a compressed page without chunks", "GET /long.html HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n", refused("200", gunzipsTo("long.html"))).withFixtures(),
	})
}

// hasCoding wants the neighbour file of a coding, or the file itself for "".
func hasCoding(coding string) check {
	suffix := map[string]string{"gzip": ".gz", "br": ".br", "zstd": ".zst"}[coding]
	return func(x *exchange, r *Response) {
		field("Content-Encoding", coding)(x, r)
		onDisk("neighbours.html"+suffix)(x, r)
	}
}

// gunzipsTo wants a file, compressed if the answer says so.
func gunzipsTo(name string) check {
	return func(x *exchange, r *Response) {
		plain := *r
		if r.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(bytes.NewReader(r.Body))
			if err == nil {
				plain.Body, err = io.ReadAll(z)
			}
			if err != nil {
				x.complain(r, "the body does not decompress: %v", err)
				return
			}
		}
		onDisk(name)(x, &plain)
	}
}
