package conformance

// Methods, and HEAD, whose answer is GET's without its body.
//
// Each row is one case; see doc.go. A case that compares two answers must allow for what may
// differ: the Date, and the request's id.

import (
	"strings"
	"time"
)

func methodCases() []Case {
	var refusals []Case
	for _, m := range []string{"PUT", "DELETE", "PATCH", "TRACE"} {
		refusals = append(refusals,
			should(strings.ToLower(m), "9110 9.1", m+" on a file is 405 and says what is allowed", request(m, sample), bad("405", allowed("GET", "HEAD")).rfc("4xx|501")))
	}
	return topic("method", refusals, []Case{
		should("post-file", "9110 9.1", "POST on a file is 405", request("POST", sample, "Content-Length: 0"), bad("405", allowed("GET", "HEAD")).rfc("2xx|4xx|501")),
		house("get-upload", "9110 15.5.6", "GET /upload is 405", get("/upload"), bad("405", allowed("POST"))),
		house("head-upload", "9110 15.5.6", "HEAD /upload is 405", head("/upload"), bad("405", allowed("POST"), empty)),
		house("put-upload", "9110 15.5.6", "PUT /upload is 405", request("PUT", "/upload", "Content-Length: 0"), bad("405", allowed("POST"))),
		house("put-missing", "9110 15.5.6", "PUT on what is not there is 405 too", request("PUT", "/not-there.txt", "Content-Length: 0"), bad("405")),
		house("post-health", "9110 15.5.6", "POST /health is 405", request("POST", "/health", "Content-Length: 0"), bad("405", allowed("GET"))),
		should("unknown", "9110 15.6.2", "a method that nobody knows is 501", request("BREW", sample), bad("501").rfc("400|405|501")),
		should("lower-case", "9110 9.1", "methods are case-sensitive", request("‸get", sample), bad("501").rfc("400|405|501")),
		should("mixed-case", "9110 9.1", "Get is not GET", request("‸Get", sample), bad("501").rfc("400|405|501")),
		should("prefix", "9110 9.1", "GE is not GET", request("‸GE", sample), bad("501").rfc("400|405|501")),
		should("suffix", "9110 9.1", "GETS is not GET", request("‸GETS", sample), bad("501").rfc("400|405|501")),
		should("token", "9110 9.1", "any token is a method, if an unknown one", request("!#$%&'*+-.^_`|~", sample), bad("501").rfc("400|405|501")),
		should("long", "9110 9.1", "a method of a hundred letters is unknown", request(strings.Repeat("X", 100), sample), bad("501").rfc("400|405|414|501")),
		house("options", "9110 9.3.7", "OPTIONS on a file says what is allowed", request("OPTIONS", sample), answer("204", allowed("GET", "HEAD", "OPTIONS"), empty)),
		house("options-upload", "9110 9.3.7", "OPTIONS /upload allows POST", request("OPTIONS", "/upload"), answer("204", allowed("POST", "OPTIONS"))),
		house("options-no-get-upload", "9110 9.3.7", "OPTIONS /upload does not allow GET", request("OPTIONS", "/upload"), answer("204", func(x *exchange, r *Response) {
			if r.Lists("Allow", "GET") {
				x.complainAt(r, "Allow", "Allow lists GET")
			}
		})),
		should("trace-secrets", "9110 9.3.8", "TRACE does not send credentials back", request("TRACE", sample, "Authorization: Basic c2VjcmV0", "Cookie: a=b"), bad("405", without("c2VjcmV0")).rfc("2xx|4xx|501")),
	})
}

// allowed wants methods in Allow.
func allowed(methods ...string) check {
	return func(x *exchange, r *Response) {
		if r.Status == 405 || r.Status == 204 {
			lists("Allow", methods...)(x, r)
		}
	}
}

func headCases() []Case {
	same := func(name, path string, fields ...string) Case {
		return script(SHOULD, name, "9110 9.3.2", "HEAD "+path+" has the fields of GET, and no body", func(x *exchange) {
			open := want{status: "2xx|3xx|4xx"}
			got := x.ask(open, get(path, fields...))
			x.sameHead(x.ask(open, head(path, fields...)), got)
			x.expectNothingMore()
		})
	}
	return topic("head", []Case{
		same("html", "/contact.html"),
		same("root", "/"),
		same("text", sample),
		same("image", "/logo.png"),
		same("missing", "/not-there.txt"),
		same("type", "/script.php"),
		same("folder", "/uploads"),
		same("upload", "/upload"),
		same("traversal", "/sub/../../x.txt"),
		same("accept", "/not-there.txt", "Accept: application/json"),
		same("host-refused", "http://not-ours.example/"),
		same("closed", sample, "Connection: close"),
		same("empty-file", "/empty.txt").withFixtures(),
		same("not-modified", sample, "If-None-Match: *"),
		must("no-body", headBody, "HEAD has no body", head(sample), ok(empty)),
		must("no-body-404", headBody, "HEAD has no body on 404", head("/not-there.txt"), answer("404", empty).rfc(notServed)),
		must("no-body-400", headBody, "HEAD has no body on 400", "HEAD / HTTP/1.1\r\n\r\n", bad("400", empty).rfc("4xx")),
		must("length", headLength, "HEAD's Content-Length, if any, is GET's", head(sample), ok(sameIfSent(sample, "Content-Length"))),
		must("http10", headBody, "HEAD has no body in HTTP/1.0", "HEAD "+sample+" HTTP/1.0\r\n\r\n", refused("200", empty)),
		mustScript("large-file", headLength, "HEAD's Content-Length, if any, is right for a file beyond 4 GiB", func(x *exchange) {
			x.open()
			x.send(head("/sparse.txt"))
			r := x.expect(want{method: "HEAD", status: "200", checks: []check{fieldIfSent("Content-Length", "4294967360")}}, 1)
			x.after(ok(), r, 1)
		}).ofStreams(),
		same("chunked", sample).in(Chunked),
	})
}

// sameHead compares the fields of two answers, in order. Date may have moved on, and
// a request's id is its own.
func (x *exchange) sameHead(h, g *Response) {
	if has := h.Get("Content-Length"); has != "" && g.Has("Content-Length") && has != g.Get("Content-Length") {
		x.breaks(headLength, h.All("Content-Length")[0].At, "HEAD's Content-Length is %s, GET's %s", has, g.Get("Content-Length"))
	}
	if h.Status != g.Status {
		x.complain(h, "HEAD is answered with %d and GET with %d", h.Status, g.Status)
		return
	}
	a, b := comparable(h, g), comparable(g, h)
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			x.complain(h, "HEAD has %q where GET has %q", a[i], b[i])
			return
		}
	}
	if len(a) != len(b) {
		x.complain(h, "HEAD has %d fields and GET %d", len(a), len(b))
	}
}

// comparable is the fields of r that another answer must have too. A server may leave the framing
// out of an answer to HEAD.
func comparable(r, other *Response) []string {
	var lines []string
	for _, f := range r.Fields {
		name := strings.ToLower(f.Name)
		framing := name == "content-length" || name == "transfer-encoding"
		if name != "date" && name != "x-request-id" && (!framing || other.Has(name)) {
			lines = append(lines, f.Name+": "+f.Value)
		}
	}
	return lines
}

// expectNothingMore wants the next answer, if the connection is open, to begin where
// the last one ended: a body that HEAD must not have would stand in between.
func (x *exchange) expectNothingMore() {
	x.write(get(probePath, "Connection: close"))
	for x.in.pos == len(x.in.buf) && x.in.fill(time.Now().Add(answerWait)) == nil {
	}
	if rest := string(x.in.buf[x.in.pos:]); rest != "" && !strings.HasPrefix(rest, "HTTP/1.") {
		x.kind = HeadBody
		x.breaks(headBody, x.in.pos, "bytes follow the head of an answer to HEAD")
	}
}
