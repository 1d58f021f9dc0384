package conformance

// The request line, its target, Host, and field lines.
//
// Each row is one case; see doc.go. The mark stands before the byte that the case is about, so that
// a failure shows where a server should have stopped.

import "strings"

func requestLineCases() []Case {
	const rest = " HTTP/1.1\r\n" + localhost + "\r\n"
	return topic("request-line", []Case{
		must("plain", supportGet, "a plain GET is answered", get(sample), ok(bodyOf(sample))),
		must("http10", closesElse, "HTTP/1.0 is answered, and the connection closed", "GET "+sample+" HTTP/1.0\r\n\r\n", refused("200", bodyOf(sample))),
		should("http12", "9110 2.5", "a higher minor version is served as HTTP/1.1", "GET "+sample+" HTTP/1.2\r\n"+localhost+"\r\n", bad("200", bodyOf(sample))),
		should("empty-line-before", "9112 2.2", "an empty line before the request line is skipped", "\r\n"+get(sample), ok()),
		house("empty-lines-before", "9112 2.2", "a few empty lines before the request line are skipped", "\r\n\r\n\r\n"+get(sample), ok()),
		should("line-8000", "9112 3", "a request line of 8,000 bytes works",
			get(sample+"?"+strings.Repeat("q", 8000-len("GET "+sample+"? HTTP/1.1"))), ok(bodyOf(sample))),

		house("two-spaces", "9112 3", "two spaces behind the method are refused", "GET ‸ "+sample+rest, refused("400")),
		house("two-spaces-before-version", "9112 3", "two spaces before the version are refused", "GET "+sample+" ‸"+rest, refused("400")),
		house("tab", "9112 3", "a tab does not separate", "GET‸\t"+sample+rest, refused("400")),
		house("leading-space", "9112 3", "no space stands before the method", "‸ GET "+sample+rest, refused("400")),
		house("trailing-space", "9112 3", "no space stands behind the version", "GET "+sample+" HTTP/1.1‸ \r\n"+localhost+"\r\n", refused("400")),
		should("four-words", "9112 3", "a word behind the version is refused", "GET "+sample+" HTTP/1.1‸ extra\r\n"+localhost+"\r\n", bad("400|414|505")),
		should("space-in-target", "9112 3.2", "a space in the target is no part of it", "GET /about‸ us.html"+rest, bad("400|505").freely()),
		house("no-version", "9112 2.3", "HTTP/0.9 is not spoken", "GET /\r\n\r\n", refused("400|505")),
		should("no-target", "9112 3", "a request line without target is refused", "GET"+rest, bad("400|505")),
		should("no-method", "9112 3", "a request line without method is refused", " "+sample+rest, bad("400|501")),
		should("method-character", "9110 9.1", "a method is a token", "G‸(T "+sample+rest, bad("400|405|501")),
		should("method-nul", "9112 2.2", "NUL is no part of a method", "GE‸\x00T "+sample+rest, bad("400|501|closed")),

		house("bare-lf", "9112 2.2", "a request line ends in CR LF, not in LF alone", "GET "+sample+" HTTP/1.1‸\n"+localhost+"\r\n", refused("400")),
		must("bare-cr", bareCR, "a bare CR does not end the request line", "GET "+sample+" HTTP/1.1‸\rHost: localhost\r\n\r\n", bad("400|505|closed")),
		must("cr-in-target", bareCR, "a bare CR in the target is refused", "GET /sample‸\r.txt"+rest, bad("400|404|closed").rfc("301|4xx|505|closed")),
	}, each([]struct{ name, version string }{
		{"lower-case", "http/1.1"},
		{"two-digits", "HTTP/1.10"},
		{"leading-zero", "HTTP/01.1"},
		{"no-minor", "HTTP/1"},
		{"empty-minor", "HTTP/1."},
		{"no-dot", "HTTP/11"},
		{"comma", "HTTP/1,1"},
		{"space", "HTTP/ 1.1"},
		{"sign", "HTTP/+1.1"},
		{"letter", "HTTP/1.x"},
		{"name", "HTPP/1.1"},
		{"https", "HTTPS/1.1"},
	}, func(v struct{ name, version string }) Case {
		return should("version-"+v.name, "9112 2.3", "the version is HTTP/DIGIT.DIGIT, in capitals, and "+v.version+" is not",
			"GET "+sample+" ‸"+v.version+"\r\n"+localhost+"\r\n", bad("400").rfc("400|505"))
	}), each([]string{"2.0", "3.0", "0.9", "9.9"}, func(v string) Case {
		return should("major-"+v, "9110 15.6.6", "major version "+v+" is not spoken here",
			"GET "+sample+" HTTP/‸"+v+"\r\n"+localhost+"\r\n", bad("505").rfc("400|505"))
	}))
}

func targetCases() []Case {
	return topic("target", []Case{
		house("origin-query", "9112 3.2.1", "a query does not change which file is meant", get(sample+"?a=b/../c&d=%zz"), ok(bodyOf(sample))),
		house("origin-empty-query", "9112 3.2.1", "a query may be empty", get(sample+"?"), ok(bodyOf(sample))),
		should("root", "9112 3.2.1", "/ is the index page", get("/"), ok(bodyOf("/index.html")).rfc("2xx|3xx")),
		must("absolute", absoluteForm, "an absolute target is served", get("http://localhost"+sample), ok(bodyOf(sample))),
		must("absolute-case", hostCase, "scheme and host are case-insensitive", get("HTTP://LocalHost"+sample), ok(bodyOf(sample))),
		must("absolute-port", absoluteForm, "an absolute target may name the port", get("http://localhost:{port}"+sample), ok(bodyOf(sample))),
		must("absolute-no-path", absoluteForm, "an absolute target without path means /", get("http://localhost"), ok(bodyOf("/")).rfc("2xx|3xx")),
		must("absolute-query-only", absoluteForm, "an absolute target may have a query and no path", get("http://localhost?x=1"), ok(bodyOf("/")).rfc("2xx|3xx|404")),
		must("absolute-beats-host", absoluteHost, "an absolute target's authority beats Host",
			"GET http://localhost"+sample+" HTTP/1.1\r\nHost: not-ours.example\r\n\r\n", ok(bodyOf(sample))),
		must("absolute-without-host", oneHost, "an absolute target does not replace the Host field",
			"GET http://localhost"+sample+" HTTP/1.1\r\n\r\n", refused("400").freely()),
		house("absolute-foreign", "9112 3.2.2", "an absolute target for another host is refused",
			get("http://‸not-ours.example"+sample), bad("403")),
		must("absolute-empty-authority", emptyAuthority, "an empty authority is refused", get("http://‸"+sample), bad("400|403|404").rfc("4xx|closed")),
		should("absolute-userinfo", "9110 4.2.4", "user information in an authority is refused", get("http://‸me@localhost"+sample), bad("400").rfc("4xx|closed")),
		should("absolute-traversal", "9110 17.3", "an absolute target's path is checked too", get("http://localhost/../site-secret/secret.txt"), bad("403").rfc("3xx|4xx")),
		should("asterisk", "9112 3.2.4", "OPTIONS * is answered for the server as a whole", request("OPTIONS", "*"), answer("204").rfc("2xx|4xx|501").freely()),
		should("asterisk-get", "9112 3.2.4", "an asterisk is for OPTIONS only", get("‸*"), bad("400").rfc("4xx")),
		should("authority-get", "9112 3.2.3", "an authority as target is for CONNECT only", get("‸localhost:80"), bad("400").rfc("3xx|4xx")),
		house("connect", "9110 9.3.6", "CONNECT opens no tunnel here", request("CONNECT", "localhost:80"), bad("405|400").rfc("4xx|501")),
		should("relative", "9112 3.2", "a relative target is refused", get("‸sample.txt"), bad("400").rfc("4xx")),
		house("other-scheme", "9112 3.2.2", "another scheme is not served", get("‸ftp://localhost"+sample), bad("400|403|404|421").rfc("4xx|200")),
		house("fragment", "9112 3.2", "a fragment is no part of a target", get("/sample.txt‸#part"), bad("400").rfc("4xx|200")),
	}, each([]struct{ name, bytes, says string }{
		{"raw-utf8", "/ünïcode.txt", "raw UTF-8"},
		{"raw-latin1", "/\xfc.txt", "raw Latin-1"},
		{"control", "/sample\x01.txt", "a control character"},
		{"delete", "/sample\x7f.txt", "DEL"},
		{"nul", "/sample.txt\x00.html", "NUL"},
		{"quote", "/sample\".txt", "a quotation mark"},
		{"angle", "/<sample>.txt", "an angle bracket"},
		{"backslash", "/sub\\inner.txt", "a backslash"},
	}, func(r struct{ name, bytes, says string }) Case {
		return should("character-"+r.name, "9112 3.2", r.says+" in a target is refused", get(r.bytes), bad("400|403").rfc("4xx|closed"))
	}))
}

func hostCases() []Case {
	with := func(host string) string { return "GET " + sample + " HTTP/1.1\r\n" + host + "\r\n" }
	return topic("host", []Case{
		must("missing", oneHost, "a request without Host is refused", with(""), refused("400").freely()),
		must("missing-http10", supportGet, "HTTP/1.0 may do without Host", "GET "+sample+" HTTP/1.0\r\n\r\n", refused("200")),
		must("twice", oneHost, "two Host fields are refused", with("Host: localhost\r\n‸Host: other.example\r\n"), refused("400").freely()),
		must("twice-equal", oneHost, "two Host fields are refused even if they agree", with("Host: localhost\r\n‸Host: localhost\r\n"), refused("400").freely()),
		must("twice-http10", oneHost, "two Host fields are refused in HTTP/1.0 too",
			"GET "+sample+" HTTP/1.0\r\nHost: localhost\r\n‸Host: localhost\r\n\r\n", refused("400")),
		must("port", interpret, "Host may name the port", with("Host: localhost:{port}\r\n"), ok(bodyOf(sample))),
		must("case", hostCase, "the host is case-insensitive", with("HOST: LOCALHOST\r\n"), ok(bodyOf(sample))),
		must("tab", trimValue, "white space around Host's value is dropped, tabs too", with("Host:\t localhost \t\r\n"), ok(bodyOf(sample))),
		must("no-space", interpret, "no white space is needed behind the colon", with("Host:localhost\r\n"), ok(bodyOf(sample))),
		house("address", "9110 7.2", "the loopback address is ours", with("Host: 127.0.0.1\r\n"), ok()),
		house("ipv6", "9110 7.2", "the loopback address of IPv6 is ours", with("Host: [::1]\r\n"), ok()),
		house("foreign", "9110 7.4", "a foreign Host is refused", with("Host: ‸not-ours.example\r\n"), bad("403")),
		house("suffix", "9110 7.4", "a name that only begins like ours is refused", with("Host: localhost‸.evil.example\r\n"), bad("403")),
		house("port-large", "9110 7.4", "a port beyond 65535 is refused", with("Host: localhost:‸99999\r\n"), bad("400|403")),
		house("dot", "9110 4.2.3", "a dot at a name's end changes nothing", with("Host: localhost.\r\n"), ok(bodyOf(sample))),
		house("dot-port", "9110 4.2.3", "a dot before the port changes nothing", with("Host: localhost.:{port}\r\n"), ok(bodyOf(sample))),
		house("other-port", "9110 7.4", "another port than ours is refused", with("Host: localhost:‸1\r\n"), bad("403")),
	}, each([]struct{ name, value, says string }{
		{"userinfo", "user@localhost", "user information"},
		{"path", "localhost/x", "a path"},
		{"list", "localhost, localhost", "a list"},
		{"space", "local host", "a space"},
		{"port-letters", "localhost:x", "a port of letters"},
		{"port-sign", "localhost:+80", "a port with a sign"},
		{"two-ports", "localhost:80:80", "two ports"},
		{"bracket", "[::1", "an open bracket"},
		{"bracket-text", "[::1]x", "text behind the bracket"},
		{"ipv6-letters", "[::g]", "a false IPv6 address"},
		{"question", "localhost?x", "a query"},
		{"hash", "localhost#x", "a fragment"},
		{"backslash", "local\\host", "a backslash"},
		{"angle", "<localhost>", "angle brackets"},
		{"percent", "localhost%zz", "a false percent-encoding"},
		{"nul", "local\x00host", "NUL"},
		{"control", "local\x01host", "a control character"},
		{"utf8", "löcalhost", "raw UTF-8"},
	}, func(r struct{ name, value, says string }) Case {
		return must("invalid-"+r.name, oneHost, "a Host with "+r.says+" is no uri-host [\":\" port]", with("Host: ‸"+r.value+"\r\n"), refused("400").rfc("4xx|closed").freely())
	}), []Case{
		house("empty", "9112 3.2", "an empty Host is not ours", with("Host: \r\n"), bad("400|403").rfc("200|4xx")),
	})
}

func fieldCases() []Case {
	with := func(line string) string { return "GET " + sample + " HTTP/1.1\r\n" + localhost + line + "\r\n" }
	return topic("fields", []Case{
		should("unknown", "9110 5.1", "unknown fields are ignored", get(sample, "X-Unknown: yes", "Another: \"quoted, text\""), ok(bodyOf(sample))),
		should("empty-value", "9110 5.1", "a field's value may be empty", get(sample, "X-Empty:"), ok()),
		should("obs-text", "9110 5.5", "bytes beyond ASCII in a value are data", get(sample, "X-Name: J\xf6rg"), ok()),
		should("all-token-characters", "9110 5.6.2", "every token character may stand in a name", get(sample, "!#$%&'*+-.^_`|~09azAZ: x"), ok()),
		should("many-same", "9110 5.1", "the same name may stand on many lines", get(sample, strings.Repeat("X-Many: 1\r\n", 50)+"X-Last: 1"), ok()),

		must("space-before-colon", spaceBeforeColon, "white space before the colon is refused", with("X-Name‸ : x\r\n"), bad("400")),
		must("tab-before-colon", spaceBeforeColon, "a tab before the colon is refused", with("X-Name‸\t: x\r\n"), bad("400")),
		must("host-space-before-colon", spaceBeforeColon, "white space before Host's colon is refused", "GET "+sample+" HTTP/1.1\r\nHost‸ : localhost\r\n\r\n", bad("400")),
		must("length-space-before-colon", spaceBeforeColon, "white space before Content-Length's colon is refused", uploadRaw("Content-Length‸ : 7\r\n", doc), refused("400").freely()),
		must("first-line-space", leadingSpace, "white space before the first field line is refused", "GET "+sample+" HTTP/1.1\r\n‸ X-First: x\r\n"+localhost+"\r\n", bad("400").rfc("200|4xx|closed")),
		house("obs-fold", "9112 5.2", "a folded line is refused", with("X-Name: a\r\n‸ b\r\n"), refused("400")),
		house("obs-fold-tab", "9112 5.2", "a line folded by a tab is refused", with("X-Name: a\r\n‸\tb\r\n"), refused("400")),
		must("obs-fold-smuggle", obsFold, "a folded line is no field of its own", with("X-Name: a\r\n‸ Content-Length: 500\r\n"), bad("400").rfc("200|400")),
		should("no-colon", "9112 2.2", "a line without colon is no field", with("‸NoColon\r\n"), bad("400")),
		should("empty-name", "9112 2.2", "a field has a name", with("‸: x\r\n"), bad("400")),
		must("bare-cr", bareCR, "a bare CR in a value is refused", with("X-Name: a‸\rb\r\n"), bad("400").rfc("200|400|closed")),
		must("nul", badFieldBytes, "NUL in a value is refused", with("X-Name: a‸\x00b\r\n"), bad("400").rfc("200|400|closed")),
		house("bare-lf", "9112 2.2", "a field line ends in CR LF, not in LF alone", with("X-Name: a‸\n"), refused("400")),
		house("lf-end", "9112 2.2", "the head ends in CR LF, not in LF alone", "GET "+sample+" HTTP/1.1\r\n"+localhost+"‸\n", refused("400")),
		house("cr-cr-lf", "9112 2.2", "CR CR LF ends no line", with("X-Name: a‸\r\r\n"), refused("400")),
	}, each([]struct{ name, char string }{
		{"paren", "("}, {"at", "@"}, {"slash", "/"}, {"quote", "\""}, {"brace", "{"}, {"equals", "="}, {"utf8", "ü"}, {"nul", "\x00"}, {"control", "\x0b"}, {"space", " "},
	}, func(r struct{ name, char string }) Case {
		return should("name-"+r.name, "9112 2.2", "a field's name is a token", with("X‸"+r.char+"Name: x\r\n"), bad("400").rfc("400|closed"))
	}), each([]struct{ name, char string }{
		{"bell", "\a"}, {"escape", "\x1b"}, {"delete", "\x7f"}, {"vertical-tab", "\v"}, {"form-feed", "\f"},
	}, func(r struct{ name, char string }) Case {
		return house("value-"+r.name, "9110 5.5", "control characters in a value are refused", with("X-Name: a‸"+r.char+"b\r\n"), bad("400"))
	}))
}
