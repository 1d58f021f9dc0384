package conformance

// Error pages: what every refusal looks like.
//
// Each row is one case; see doc.go. A row that wants JSON or HTML must send Accept, since without
// it the choice is the server's.

import "strings"

func errorCases() []Case {
	jsonError := func(accept string) Case {
		return house("json-"+strings.NewReplacer("/", "-", "*", "any", ";", "-", ",", "-", "=", "", ".", "", " ", "", "+", "-").Replace(accept), "9110 12.5.1",
			"Accept: "+accept+" prefers JSON", get("/not-there.txt", "Accept: "+accept), answer("404", begins("Content-Type", "application/json"), isJSON))
	}
	htmlError := func(name, accept string) Case {
		return house("html-"+name, "9110 12.5.1", "Accept: "+accept+" prefers HTML", get("/not-there.txt", "Accept: "+accept), answer("404", begins("Content-Type", "text/html")))
	}
	return topic("errors", []Case{
		house("html", "9110 15.5", "an error is a small page that names its status", get("/not-there.txt"), answer("404", begins("Content-Type", "text/html"), names("404"))),
		jsonError("application/json"),
		jsonError("application/json, text/html;q=0.5"),
		jsonError("text/html;q=0.1,application/json;q=0.2"),
		htmlError("browser", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
		htmlError("any", "*/*"),
		htmlError("json-refused", "application/json;q=0, text/html"),
		htmlError("html-better", "application/json;q=0.3, text/html;q=0.9"),
		house("html-400", "9110 15.5.1", "a malformed request gets a page too", "GET / HTTP/1.1\r\n\r\n", bad("400", begins("Content-Type", "text/html"), names("400"))),
		house("escaped", "9110 17", "what was asked for is not echoed unescaped", get("/%3Cscript%3Ealert(1)%3C/script%3E.txt"), bad("4xx", without("<script>alert"))),
		house("escaped-query", "9110 17", "a query is not echoed unescaped", get("/not-there.txt?%3Cscript%3E<script>alert(1)"), bad("400|404", without("<script>alert"))),
		house("no-version", "9110 10.2.4", "an error page does not tell the server's version", get("/not-there.txt"), answer("404", without("go1."))),
		house("no-store", "", "an error page names no file of the machine", get("/not-there.txt"), answer("404", without("/site"), without("no such file"))),
	}, each([]struct {
		status, bytes string
		once          bool // its bytes are too many, or announce more than they bring
	}{
		{"403", get("/../x.txt"), false},
		{"404", get("/not-there.txt"), false},
		{"405", request("PUT", sample, "Content-Length: 0"), false},
		{"415", get("/script.php"), false},
		{"501", request("BREW", sample), false},
		{"505", "GET / HTTP/3.0\r\n\r\n", false},
		{"414", get("/" + strings.Repeat("x", 9000)), true},
		{"431", get(sample, "X: "+strings.Repeat("x", 9000)), true},
		{"413", uploadRaw("Content-Length: 99999999\r\n", ""), true},
		{"417", upload(doc, "Expect: miracles"), false},
	}, func(r struct {
		status, bytes string
		once          bool
	}) Case {
		c := house("status-"+r.status, "9110 15", "a "+r.status+" has its page, and every field that an answer has", r.bytes, bad(r.status, begins("Content-Type", "text/html"), names(r.status)))
		if r.once {
			return c.once()
		}
		return c
	}))
}

// names wants the status in the body.
func names(status string) check {
	return func(x *exchange, r *Response) {
		if !strings.Contains(string(r.Body), status) {
			x.complain(r, "the page does not name the status %s", status)
		}
	}
}
