package conformance

// Uploads: what is stored, what is refused, and what must not be left behind.
//
// Each row is one case; see doc.go. A case that looks into the folder compares it with what lay
// there before, since others have stored files as well.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
)

func uploadCases() []Case {
	refusal := func(name, says, body, status string) Case {
		return house(name, "9110 15.5.1", says, upload(body), bad(status))
	}
	return topic("upload", []Case{
		house("created", "9110 15.3.2", "a document is stored, and the answer says where", upload(doc), answer("201", uploadAnswer)),
		house("chunked", "9112 7.1", "a chunked document is stored", uploadChunks(chunked(doc, 2)), answer("201", uploadAnswer)),
		house("parameters", "9110 8.3.1", "the type may have parameters",
			request("POST", "/upload", "Content-Type: application/json; charset=utf-8", "Content-Length: 7")+doc, answer("201", uploadAnswer)),
		house("type-case", "9110 8.3.1", "the type is case-insensitive",
			request("POST", "/upload", "Content-Type: Application/JSON", "Content-Length: 7")+doc, answer("201", uploadAnswer)),
		house("query", "9112 3.2.1", "a query does not matter", request("POST", "/upload?a=b", "Content-Type: application/json", "Content-Length: 7")+doc, answer("201", uploadAnswer)),
		house("scalar", "8259 3", "a scalar is a document too", upload("42"), answer("201")),
		house("white-space", "8259 2", "white space may stand around a document", upload(" \r\n\t"+doc+"\n"), answer("201")),
		house("utf8", "8259 8.1", "UTF-8 is kept", upload(`{"name":"Jörg 🙂"}`), answer("201")),
		house("http10", "9112 6.3", "HTTP/1.0 may upload", "POST /upload HTTP/1.0\r\n"+localhost+jsonType+"Content-Length: 7\r\n\r\n"+doc, refused("201")),
		refusal("invalid", "what is no JSON is 400", `{"a":`, "400"),
		refusal("text", "mere text is 400", "hello", "400"),
		refusal("two-documents", "two documents are not one", `{} {}`, "400"),
		refusal("trailing", "text behind a document is 400", doc+"x", "400"),
		refusal("single-quotes", "single quotes are no JSON", `{'a':1}`, "400"),
		refusal("trailing-comma", "a comma at the end is no JSON", `[1,2,]`, "400"),
		refusal("leading-zero", "a number has no leading zero", `[01]`, "400"),
		refusal("nan", "NaN is no JSON", `NaN`, "400"),
		refusal("control", "a control character in a string is no JSON", "\"a\x01b\"", "400"),
		refusal("open", "brackets that stay open are no JSON", strings.Repeat("[", 900), "400"),
		refusal("utf8-invalid", "invalid UTF-8 is no JSON, or is kept as it is", "\"\xff\"", "201|400"),
		refusal("empty", "an empty body is 400", "", "400"),
		refusal("white-space-only", "white space alone is 400", "  \r\n", "400"),
		house("no-body", "9110 15.5.1", "no body at all is 400 or 411", request("POST", "/upload", "Content-Type: application/json"), bad("400|411")),
		house("empty-chunked", "9110 15.5.1", "an empty chunked body is 400", uploadChunks("0\r\n\r\n"), bad("400")),
		house("no-type", "9110 15.5.16", "a body without type is 415", request("POST", "/upload", "Content-Length: 7")+doc, bad("415")),
		house("other-type", "9110 15.5.16", "another type is 415", request("POST", "/upload", "Content-Type: text/plain", "Content-Length: 7")+doc, bad("415")),
		house("two-types", "9110 5.3", "two types are none: 400", upload(doc, "Content-Type: text/plain"), bad("400")),
		house("list-of-types", "9110 8.3", "a list of types is no type", request("POST", "/upload", "Content-Type: application/json; a=b, text/plain", "Content-Length: 7")+doc, bad("400|415")),
		house("similar-type", "9110 15.5.16", "a type that only begins like JSON's is 415", request("POST", "/upload", "Content-Type: application/jsonx", "Content-Length: 7")+doc, bad("415")),
		house("form", "9110 15.5.16", "a form is 415", request("POST", "/upload", "Content-Type: multipart/form-data; boundary=x", "Content-Length: 7")+doc, bad("415")),
		house("encoded", "9110 15.5.16", "a body in a content coding is 415, and the answer names the codings that are taken",
			upload(doc, "Content-Encoding: gzip"), bad("415", lists("Accept-Encoding", "identity"))),
		house("not-encoded", "9110 8.4.1", "identity is no coding", upload(doc, "Content-Encoding: identity"), answer("201")),
		house("too-large", "9110 15.5.14", "a length over the limit is 413 at once", uploadRaw("Content-Length: 1048577\r\n", ""), refused("413")).alone(),
		script(HOUSE, "too-large-chunked", "9110 15.5.14", "chunks over the limit are 413 as soon as they pass it", func(x *exchange) {
			x.open()
			part := fmt.Sprintf("%x\r\n%s\r\n", 64<<10, strings.Repeat("1", 64<<10))
			x.send(uploadChunks(""))
			for range 17 {
				x.write(part)
			}
			x.expect(want{method: "POST", status: "413"}, 1)
		}),
		script(HOUSE, "largest", "9110 15.5.14", "a document of exactly the limit is stored", func(x *exchange) {
			x.open()
			x.send(upload(`"` + strings.Repeat("x", 1<<20-2) + `"`))
			x.expect(answer("201", uploadAnswer), 1)
		}),
		script(HOUSE, "stored", "9110 15.3.2", "what is stored is what was sent, and nothing else is left behind", func(x *exchange) {
			text := fmt.Sprintf(`{"id":"%p","text":"%s"}`, x, strings.Repeat("ab\\n", 5000))
			x.open()
			x.send(upload(text))
			x.storedAs(x.expect(answer("201", uploadAnswer), 1), text)
		}).withFixtures(),
		script(HOUSE, "stored-chunked", "9110 15.3.2", "what came in chunks is stored without them", func(x *exchange) {
			text := fmt.Sprintf(`{"id":"%p","text":"%s"}`, x, strings.Repeat("ab\\n", 5000))
			x.open()
			x.send(uploadChunks(chunked(text, 1000)))
			x.storedAs(x.expect(answer("201", uploadAnswer), 1), text)
		}).withFixtures(),
		script(HOUSE, "no-collision", "9110 15.3.2", "uploads of the same second have different names", func(x *exchange) {
			x.open()
			x.send(strings.Repeat(upload(doc), 20))
			seen := map[string]bool{}
			for range 20 {
				r := x.expect(answer("201", uploadAnswer).to("POST"), 1)
				if seen[r.Get("Location")] {
					x.complainAt(r, "Location", "%s was given twice", r.Get("Location"))
				}
				seen[r.Get("Location")] = true
			}
		}),
		script(HOUSE, "nothing-left", "9110 15.5.1", "a refused or broken upload leaves nothing behind", func(x *exchange) {
			before, err := x.server.uploads()
			if err != nil {
				x.fail(HOUSE, "%v", err)
			}
			x.ask(bad("400"), upload(`{"a":`))
			x.open()
			x.send(uploadRaw("Content-Length: 8\r\n", doc))
			_ = x.conn.CloseWrite()
			x.expectCloseAfterAnything()
			after, err := x.server.uploads()
			if err != nil || len(after) != len(before) {
				x.fail(HOUSE, "the upload folder has %d entries, before it had %d: %v", len(after), len(before), err)
			}
		}).in(Inline).withFixtures(), // whose server nobody else uploads to
	})
}

// uploadPath is the form of the names that uploads are given.
var uploadPath = regexp.MustCompile(`^/uploads/upload_\d{8}_\d{6}_[0-9a-z]{4,}\.json$`)

// uploadAnswer wants the answer to a stored upload.
func uploadAnswer(x *exchange, r *Response) {
	if r.Status != 201 {
		return
	}
	var got struct{ Status, Message, Filepath string }
	dec := json.NewDecoder(bytes.NewReader(r.Body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&got); err != nil {
		x.complain(r, "the answer's body: %v", err)
		return
	}
	begins("Content-Type", "application/json")(x, r)
	switch {
	case got.Status != "success" || got.Message != "File created successfully":
		x.complain(r, "the answer says status %q, message %q", got.Status, got.Message)
	case !uploadPath.MatchString(got.Filepath):
		x.complain(r, "filepath is %q", got.Filepath)
	case r.Get("Location") != got.Filepath:
		x.complainAt(r, "Location", "Location is %q, filepath %q", r.Get("Location"), got.Filepath)
	}
}

// storedAs wants the file that an answer names to hold the text, and no temporary
// one beside it.
func (x *exchange) storedAs(r *Response, text string) {
	got, err := os.ReadFile(x.server.inRoot(r.Get("Location")))
	if err != nil || string(got) != text {
		x.complain(r, "the file has %d bytes, and %d were sent: %v", len(got), len(text), err)
	}
}

// expectCloseAfterAnything reads to the end of the connection.
func (x *exchange) expectCloseAfterAnything() {
	deadline := time.Now().Add(answerWait)
	for x.in.end == nil {
		if x.in.fill(deadline) == errSilent {
			x.fail(x.c.Level, "the connection stays open")
		}
	}
}
