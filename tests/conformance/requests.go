package conformance

// Well-formed requests, for the cases in which the bytes of the framing are not the
// point. Where they are, a case writes them out.

import (
	"fmt"
	"strconv"
	"strings"
)

// localhost is the Host field that any server on this machine accepts.
const localhost = "Host: localhost\r\n"

// jsonType is the one type of body that uploads have.
const jsonType = "Content-Type: application/json\r\n"

// doc is the smallest document that the cases upload.
const doc = `{"a":1}`

// request builds a request without body. Fields come without their CR LF.
func request(method, target string, fields ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n%s", method, target, localhost)
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

func get(target string, fields ...string) string  { return request("GET", target, fields...) }
func head(target string, fields ...string) string { return request("HEAD", target, fields...) }

// upload builds POST /upload with a JSON document.
func upload(body string, fields ...string) string {
	fields = append(fields, "Content-Type: application/json", "Content-Length: "+strconv.Itoa(len(body)))
	return request("POST", "/upload", fields...) + body
}

// uploadRaw builds POST /upload with framing fields and a body as they are.
func uploadRaw(framing, body string) string {
	return "POST /upload HTTP/1.1\r\n" + localhost + jsonType + framing + "\r\n" + body
}

// uploadChunks builds POST /upload with a chunked body as it is.
func uploadChunks(chunks string) string {
	return uploadRaw("Transfer-Encoding: chunked\r\n", chunks)
}

// chunked cuts a body into chunks of n bytes and ends it.
func chunked(body string, n int) string {
	var b strings.Builder
	for ; body != ""; body = body[min(n, len(body)):] {
		part := body[:min(n, len(body))]
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(part), part)
	}
	b.WriteString("0\r\n\r\n")
	return b.String()
}

// created is the answer to an upload that our servers take. A server without uploads
// may refuse it, as long as it stays in step with the stream and does not call a
// well-formed request malformed.
func created(checks ...check) want {
	w := want{status: "2xx|3xx|401|403|404|405|411|415|501", ours: "201"}
	if len(checks) > 0 {
		w.checks = []check{weighing(HOUSE, checks...)}
	}
	return w
}
