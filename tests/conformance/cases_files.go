package conformance

// Files as they are served, files that change meanwhile, and their types.
//
// Each row is one case; see doc.go. A case that changes a file makes one of its own, and removes
// it: the sample site is everybody's and must stay as it is.

import (
	"bytes"
	"os"
	"strings"
	"time"
)

func fileCases() []Case {
	return topic("files", []Case{
		should("page", "9110 8.3", "a page is served", get("/contact.html"), ok(begins("Content-Type", "text/html"))),
		must("text", supportGet, "a text file is served whole", get(sample), ok(bodyOf(sample))),
		must("image", supportGet, "an image is served byte for byte", get("/logo.png"), ok(bodyOf("/logo.png"))),
		should("missing", "9110 15.5.5", "what is not there is 404", get("/not-there.txt"), answer("404")),
		house("missing-no-type", "9110 15.5.5", "a name without extension is 404", get("/not-there"), bad("404")),
		house("no-type", "9110 15.5.5", "a file without extension is not served", get("/noext"), bad("404")),
		house("folder", "9110 15.4.2", "a folder without its slash is redirected to it", get("/uploads"), answer("301", location("/uploads/"))),
		house("folder-query", "9110 15.4.2", "the redirect keeps the query", get("/uploads?a=b"), answer("301", location("/uploads/?a=b"))),
		house("folder-no-listing", "9110 15.5.5", "a folder without index is 404, no listing", get("/uploads/"), bad("404")),
		house("redirect-stays", "9110 10.2.2", "a redirect does not lead to another host", get("//example.org/%2e%2e"), bad("403", notElsewhere).rfc("2xx|3xx|4xx")),

		must("content", getMeans, "a file's bytes are what lies on the disk", get("/logo.png"), ok(onDisk("logo.png"))).withFixtures(),
		should("empty", "9110 8.6", "an empty file has length 0", get("/empty.txt"), ok(empty, field("Content-Length", "0"))).withFixtures(),
		should("one-byte", "9110 8.6", "a file of one byte has length 1", get("/one.txt"), ok(field("Content-Length", "1"), lengthIs(1))).withFixtures(),
		must("large", getMeans, "a file of 3 MiB is served whole", get("/big.txt"), ok(onDisk("big.txt"))).withFixtures().once(),
		house("sub-index", "9110 9.3.1", "a folder's index is served", get("/sub/"), ok(onDisk("sub/index.html"))).withFixtures(),
		house("sub-redirect", "9110 15.4.2", "a folder with index is redirected too", get("/sub"), answer("301", location("/sub/"))).withFixtures(),
		house("no-index", "9110 15.5.5", "a folder with files and no index is 404", get("/noindex/"), bad("404")).withFixtures(),
		should("space", "9110 4.2.3", "an encoded space is a space", get("/with%20space.txt"), ok(onDisk("with space.txt"))).withFixtures(),
		should("plus", "9110 4.2.3", "a plus sign in a path is a plus sign", get("/plus+sign.txt"), ok(onDisk("plus+sign.txt"))).withFixtures(),
		should("percent", "9110 4.2.3", "an encoded percent sign is decoded once", get("/per%25cent.txt"), ok(onDisk("per%cent.txt"))).withFixtures(),
		should("utf8", "9110 4.2.3", "encoded UTF-8 is decoded", get("/%C3%BCn%c3%afcode.txt"), ok(onDisk("ünïcode.txt"))).withFixtures(),
		should("semicolon", "9110 4.2.3", "a semicolon is part of the name", get("/semi;colon.txt"), ok(onDisk("semi;colon.txt"))).withFixtures(),
		should("encoded-letter", "9110 4.2.3", "an encoded letter is the letter", get("/s%61mple.txt"), ok(bodyOf(sample))),
		house("link-inside", "9110 9.3.1", "a symbolic link inside the root is followed", get("/inside.txt"), ok(onDisk("sample.txt"))).withFixtures(),
		house("link-folder-inside", "9110 9.3.1", "a symbolic link to a folder inside the root is followed", get("/inside-dir/inner.txt"), ok(onDisk("sub/inner.txt"))).withFixtures(),
		should("link-dangling", "9110 15.5.5", "a link to nowhere is not served", get("/dangling.txt"), answer("404").rfc("4xx")).withFixtures(),
		should("link-loop", "9110 15.5.5", "a link to itself is not served", get("/loop.txt"), bad("403|404|500").rfc("4xx|5xx").ideally("4xx")).withFixtures(),
		house("folder-named-file", "9110 15.5.5", "a folder that is called like a file is no file", get("/folder.txt"), bad("3xx|4xx")).withFixtures(),
		house("well-known", "8615 3", ".well-known is not hidden", get("/.well-known/info.txt"), ok(onDisk(".well-known/info.txt"))).withFixtures(),
		house("cache-control", "9111 5.2.2", "files may be kept but are asked for again", get(sample), ok(field("Cache-Control", "no-cache"))),
		house("validators", "9110 8.8", "a file has both validators", get(sample), ok(has("ETag"), has("Last-Modified"), strongTag)),
		house("chunked", "9112 7.1", "a file in chunks is whole", get("/big.txt"), ok(onDisk("big.txt"), isChunked)).in(Chunked).withFixtures().once(),
		house("chunks-8k", "9112 7.1", "chunks are of 8 KiB", get("/big.txt"), ok(chunksOf(8<<10))).in(Chunked).withFixtures().once(),
		house("chunked-empty", "9112 7.1", "an empty file in chunks is the last chunk", get("/empty.txt"), ok(empty)).in(Chunked).withFixtures(),
		must("chunked-http10", codingToHTTP10, "HTTP/1.0 gets no chunks", "GET "+sample+" HTTP/1.0\r\n\r\n", refused("200", onDisk("sample.txt"))).in(Chunked).withFixtures(),
		must("chunked-range", onePart, "a part in chunks is the part", get(sample, "Range: bytes=3-9"), answer("206", partOf(3, 9))).in(Chunked).withFixtures(),
		must("chunked-keep-alive", inOrder, "answers in chunks keep their order", get(sample)+get("/logo.png"), ok(onDisk("sample.txt")), ok(onDisk("logo.png"))).in(Chunked).withFixtures(),
	})
}

// changingSize is the size of files that change while they are sent, in bytes: more
// than the buffers between server and client hold.
const changingSize = longestAwait

// changeCases are about files that do not stay as they are.
func changeCases() []Case {
	cases := []Case{
		script(HOUSE, "shrinks", "9112 8", "a file that shrinks while it is sent ends the connection and is never filled up", func(x *exchange) {
			path := x.makeFile("shrinks.txt", "x", changingSize)
			x.beginGet("/shrinks.txt")
			if err := os.Truncate(path, 1); err != nil {
				x.fail(HOUSE, "%v", err)
			}
			if r, err := x.in.response("GET", time.Now().Add(answerWait)); err == nil {
				x.complain(r, "the answer is whole, and the file was not any more")
			}
			if at := strings.IndexByte(string(x.in.buf), 0); at >= 0 && !x.server.zeroCopy {
				x.at(HOUSE, "9112 8", at, "NULs stand for what was no longer there")
			}
			x.in.buf = x.in.buf[:min(len(x.in.buf), shownTranscript)]
		}),
		script(HOUSE, "replaced", "9110 8.8", "a file that is replaced while it is sent is sent as it was", func(x *exchange) {
			path := x.makeFile("replaced.txt", "o", changingSize)
			// It is made first: a client that does not read while a disk is busy is cut off.
			replacement := x.makeFile("replacement.txt", "n", changingSize)
			x.beginGet("/replaced.txt")
			if err := os.Rename(replacement, path); err != nil {
				x.fail(HOUSE, "%v", err)
			}
			r := x.expect(want{method: "GET", status: "200", checks: []check{lengthIs(changingSize)}}, 1)
			if len(bytes.Trim(r.Body, "o")) > 0 {
				x.complain(r, "the old file's bytes are not all that came")
			}
			x.in.buf = x.in.buf[:min(len(x.in.buf), shownTranscript)]
		}),
		mustScript("new-tag", markedWeak, "another content has another tag", func(x *exchange) {
			x.makeFile("new-tag.txt", "1", 100)
			first := x.ask(ok(), get("/new-tag.txt")).Get("ETag")
			if !strings.HasPrefix(first, `"`) {
				x.skipped("the server has no strong ETag")
			}
			// The two are made within a tick of the file system's clock, perhaps; that is not
			// what this is about.
			later := time.Now().Add(50 * time.Millisecond)
			if err := os.Chtimes(x.makeFile("new-tag.tmp", "2", 100), later, later); err != nil {
				x.fail(x.c.Level, "%v", err)
			}
			if err := os.Rename(x.server.inRoot("new-tag.tmp"), x.server.inRoot("new-tag.txt")); err != nil {
				x.fail(x.c.Level, "%v", err)
			}
			// A cache may take a moment to see it; what it must not do is to send the
			// new bytes under the old tag.
			for deadline := time.Now().Add(answerWait); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
				r := x.ask(ok(), get("/new-tag.txt"))
				isNew := strings.Trim(string(r.Body), "2") == ""
				if isNew == (r.Get("ETag") == first) {
					x.complainAt(r, "ETag", "ETag is %s for the old content and %s for this", first, r.Get("ETag"))
				}
				if isNew {
					return
				}
			}
			x.fail(HOUSE, "the old content is still sent %v after it was replaced", answerWait)
		}),
		script(SHOULD, "appears", "9110 9.3.1", "a file that was missing is found once it is there", func(x *exchange) {
			x.ask(answer("404"), get("/appears.txt"))
			x.makeFile("appears.txt", "a", 10)
			x.ask(ok(lengthIs(10)), get("/appears.txt"))
		}),
		script(SHOULD, "disappears", "9110 9.3.1", "a file that was removed is not found any more", func(x *exchange) {
			path := x.makeFile("disappears.txt", "d", 10)
			x.ask(ok(lengthIs(10)), get("/disappears.txt"))
			if err := os.Remove(path); err != nil {
				x.fail(x.c.Level, "%v", err)
			}
			for deadline := time.Now().Add(answerWait); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
				if x.ask(bad("200|404"), get("/disappears.txt")).Status == 404 {
					return
				}
			}
			x.fail(x.c.Level, "the file is still sent %v after it was removed", answerWait)
		}),
	}
	for i := range cases {
		cases[i] = cases[i].withFixtures()
	}
	return topic("changing-files", cases)
}

// makeFile makes a file of n times the same letter in the root, and returns its path.
// It is removed after the play.
func (x *exchange) makeFile(name, letter string, n int) string {
	path := x.server.inRoot(name)
	x.made = append(x.made, path)
	if err := os.WriteFile(path, []byte(strings.Repeat(letter, n)), 0o644); err != nil {
		x.fail(x.c.Level, "the suite's own file: %v", err)
	}
	return path
}

// beginGet asks for a file and reads until its body has begun.
func (x *exchange) beginGet(path string) {
	x.open()
	x.send(get(path, "Connection: close"))
	for !strings.Contains(string(x.in.buf), "\r\n\r\n") {
		if err := x.in.fill(time.Now().Add(answerWait)); err != nil {
			x.fail(x.c.Level, "no answer began: %v", err)
		}
	}
}

// shownTranscript is how much of a large answer is kept for a report, in bytes.
const shownTranscript = 4 << 10

func typeCases() []Case {
	download := func(name string) check {
		return func(x *exchange, r *Response) {
			field("Content-Type", "application/octet-stream")(x, r)
			field("Content-Disposition", `attachment; filename="`+name+`"`)(x, r)
		}
	}
	var refused []Case
	for _, path := range []string{"/script.php", "/server.py", "/app.js", "/.env", "/not-there.php", "/style.css", "/archive.tar.gz", "/sub/x.exe", "/a.php.bak", "/index.html.orig"} {
		refused = append(refused, house("refused-"+strings.ReplaceAll(strings.Trim(path, "/."), "/", "-"), "", path+" is not of a type that is served", get(path), bad("415")))
	}
	return topic("types", refused, []Case{
		house("html", "9110 8.3", "HTML is UTF-8 and shown", get("/index.html"), ok(field("Content-Type", "text/html; charset=utf-8"), lacks("Content-Disposition"))),
		house("text", "6266 4", "a text file is a download", get(sample), ok(download("sample.txt"))),
		house("png", "6266 4", "a PNG is a download", get("/logo.png"), ok(download("logo.png"))),
		house("jpg", "6266 4", "a JPEG is a download", get("/photo.jpg"), ok(download("photo.jpg"))),
		house("jpeg", "6266 4", "a JPEG may end in jpeg", get("/photo.jpeg"), ok(download("photo.jpeg"))).withFixtures(),
		house("quoted", "6266 4.1", "a quotation mark in a file name is escaped", get("/quo%22te.txt"), ok(begins("Content-Disposition", `attachment; filename="quo\"te.txt"`))).withFixtures(),
		house("utf8", "6266 4.3", "a name beyond ASCII is told as filename*", get("/%c3%bcn%c3%afcode.txt"), ok(begins("Content-Disposition", "attachment; filename="), func(x *exchange, r *Response) {
			if !strings.Contains(strings.ToLower(r.Get("Content-Disposition")), "filename*=utf-8''%c3%bcn%c3%afcode.txt") {
				x.complainAt(r, "Content-Disposition", "Content-Disposition is %q, without filename*", r.Get("Content-Disposition"))
			}
		})).withFixtures(),
		house("query-no-type", "9110 8.3", "the query has no say in the type", get(sample+"?x=.html"), ok(download("sample.txt"))),
		house("inline-text", "9110 8.3", "-inline shows a text file", get(sample), ok(begins("Content-Type", "text/plain"), lacks("Content-Disposition"))).in(Inline),
		house("inline-png", "9110 8.3", "-inline shows a PNG", get("/logo.png"), ok(field("Content-Type", "image/png"), lacks("Content-Disposition"))).in(Inline),
		house("inline-jpg", "9110 8.3", "-inline shows a JPEG", get("/photo.jpg"), ok(field("Content-Type", "image/jpeg"), lacks("Content-Disposition"))).in(Inline),
		house("inline-html", "9110 8.3", "-inline changes nothing for HTML", get("/index.html"), ok(field("Content-Type", "text/html; charset=utf-8"))).in(Inline),
		house("inline-types", "", "-inline serves no further types", get("/app.js"), bad("415")).in(Inline),
	})
}
