package conformance

// Paths that lead, or seem to lead, where nobody may go. An RFC only says that a server
// needs to avoid them (RFC 9110 17.3): that is judged for every server, by the secret that each
// answer is searched for. Which status says no is our policy.

import "strings"

func pathCases() []Case {
	rows := []struct{ name, path, status, says string }{
		{"dot-dot", "/../site-secret/secret.txt", "403", "a parent folder"},
		{"dot-dot-deep", "/../../../../../../../../etc/hostname.txt", "403", "eight parent folders"},
		{"dot-dot-inside", "/sub/../sample.txt", "403", "a parent folder that stays inside"},
		{"dot-dot-end", "/sub/..", "403", "a parent folder at the end"},
		{"dot-dot-alone", "/..", "403", "a parent folder alone"},
		{"dot", "/./sample.txt", "403", "the folder itself"},
		{"dot-end", "/sub/.", "403", "the folder itself at the end"},
		{"three-dots", "/.../sample.txt", "403", "three dots"},
		{"four-dots", "/..../sample.txt", "403", "four dots"},
		{"four-dots-slashes", "/....//....//site-secret/secret.txt", "403", "dots that a filter would turn into a parent folder"},
		{"encoded", "/%2e%2e/site-secret/secret.txt", "403", "an encoded parent folder"},
		{"encoded-capitals", "/%2E%2E/site-secret/secret.txt", "403", "a parent folder encoded in capitals"},
		{"encoded-half", "/.%2e/site-secret/secret.txt", "403", "a half encoded parent folder"},
		{"encoded-other-half", "/%2e./site-secret/secret.txt", "403", "the other half of a parent folder encoded"},
		{"encoded-slash", "/..%2fsite-secret%2fsecret.txt", "403", "encoded slashes"},
		{"encoded-slash-capitals", "/..%2Fsite-secret%2Fsecret.txt", "403", "slashes encoded in capitals"},
		{"encoded-all", "/%2e%2e%2fsite-secret%2fsecret.txt", "403", "everything encoded"},
		{"encoded-slash-inside", "/sub%2finner.txt", "403", "an encoded slash in a good path"},
		{"encoded-dot", "/%2e/sample.txt", "403", "an encoded dot"},
		{"encoded-in-name", "/sub/%2e%2e%2f%2e%2e%2fsite-secret/secret.txt", "403", "a segment that decodes to a way out"},
		{"double-slash", "//sample.txt", "403", "an empty segment at the start"},
		{"double-slash-inside", "/sub//inner.txt", "403", "an empty segment inside"},
		{"double-slash-secret", "//site-secret/secret.txt", "403", "a network path"},
		{"backslash-encoded", "/..%5csite-secret%5csecret.txt", "403", "encoded backslashes"},
		{"backslash-encoded-capitals", "/..%5Csite-secret%5Csecret.txt", "403", "backslashes encoded in capitals"},
		{"backslash-inside", "/sub%5cinner.txt", "403", "an encoded backslash in a good path"},
		{"nul", "/sample.txt%00", "403", "NUL behind a good name"},
		{"nul-type", "/script.php%00.txt", "403", "NUL before a type that is served"},
		{"nul-inside", "/sam%00ple.txt", "403", "NUL inside a name"},
		{"newline", "/sample.txt%0a", "403", "an encoded line feed"},
		{"header-injection", "/x%0d%0aX-Injected:%20yes.txt", "403", "an encoded field line"},
		{"delete", "/sample%7f.txt", "403", "an encoded DEL"},
		{"escape", "/%1b[31m.txt", "4xx", "an encoded escape sequence"},

		{"percent-alone", "/%", "400", "a percent sign alone"},
		{"percent-one", "/%2", "400", "one digit behind a percent sign"},
		{"percent-letters", "/%zz.txt", "400", "letters behind a percent sign"},
		{"percent-end", "/sample.txt%", "400", "a percent sign at the end"},
		{"percent-u", "/%u002e%u002e/secret.txt", "400", "the encoding that was never a standard"},
		{"overlong-dot", "/%c0%ae%c0%ae/site-secret/secret.txt", "400", "overlong dots of two bytes"},
		{"overlong-slash", "/..%c0%afsite-secret/secret.txt", "400", "an overlong slash of two bytes"},
		{"overlong-three", "/..%e0%80%afsite-secret/secret.txt", "400", "an overlong slash of three bytes"},
		{"overlong-four", "/..%f0%80%80%afsite-secret/secret.txt", "400", "an overlong slash of four bytes"},
		{"overlong-six", "/..%fc%80%80%80%80%afsite-secret/secret.txt", "400", "an overlong slash of six bytes"},
		{"utf8-invalid", "/%ff.txt", "400", "a byte that UTF-8 never has"},
		{"utf8-cut", "/%c3.txt", "400", "a cut UTF-8 sequence"},
		{"utf8-surrogate", "/%ed%a0%80.txt", "400", "a surrogate"},
		{"utf8-too-large", "/%f4%90%80%80.txt", "400", "a code point beyond Unicode"},

		{"double-encoded", "/%252e%252e/site-secret/secret.txt", "404", "a doubly encoded parent folder"},
		{"double-encoded-slash", "/..%252fsite-secret%252fsecret.txt", "403|404", "doubly encoded slashes"},
		{"full-width", "/%ef%bc%8e%ef%bc%8e/site-secret/secret.txt", "404", "full-width dots"},
		{"two-dot-leader", "/%e2%80%a5/site-secret/secret.txt", "404", "a two-dot leader"},
		{"division-slash", "/..%e2%88%95site-secret/secret.txt", "403|404", "a division slash"},
		{"sibling", "/site-secret/secret.txt", "404", "a sibling whose name begins with the root's"},
		{"sibling-joined", "-secret/secret.txt", "400", "a target that would be glued to the root's name"},
		{"drive", "/C:/site-secret/secret.txt", "404", "a drive"},
		{"stream", "/sample.txt::$DATA", "404|415", "an alternate data stream"},
		{"tilde", "/~root/secret.txt", "404", "a home folder"},
		{"parameter", "/..;/site-secret/secret.txt", "403|404", "a path parameter behind dots"},
		{"file-slash", "/sample.txt/", "404", "a slash behind a file"},
		{"file-as-folder", "/sample.txt/x.txt", "404", "a file used as a folder"},
		{"file-dot-dot", "/sample.txt/../about.html", "403", "a parent folder of a file"},
		{"trailing-dot", "/sample.txt.", "404|415", "a dot behind the name"},
		{"trailing-space", "/sample.txt%20", "404|415", "a space behind the name"},
		{"name-300", "/" + strings.Repeat("n", 300) + ".txt", "404|414", "a name that is too long for the file system"},
		{"path-5000", "/" + strings.Repeat("d/", 2500) + "x.txt", "404|414", "a path that is too long for the system"},
		{"hidden-page", "/.hidden.html", "403", "a hidden page"},
		{"hidden-text", "/.secret.txt", "403", "a hidden text"},
		{"hidden-encoded", "/%2esecret.txt", "403", "a hidden text with its dot encoded"},
		{"hidden-folder", "/.git/x.txt", "403", "a hidden folder"},
		{"hidden-missing", "/.not-there.txt", "403", "a hidden name that is not there"},
		{"hidden-env", "/.env", "415", "a hidden name of no type"},
	}
	cases := each(rows, func(r struct{ name, path, status, says string }) Case {
		c := should(r.name, "9110 17.3", r.says+" leads nowhere", get(r.path), bad(r.status, lacks("X-Injected")).rfc("2xx|3xx|4xx|5xx|closed").ideally("2xx|3xx|4xx|closed"))
		if len(r.path) > 1000 {
			return c.once()
		}
		return c
	})
	cases = append(cases,
		house("link-outside", "9110 17.3", "a symbolic link that leaves the root is refused", get("/outside.txt"), bad("403")).withFixtures(),
		house("link-folder-outside", "9110 17.3", "a symbolic link to a folder outside is refused", get("/outside-dir/secret.txt"), bad("403")).withFixtures(),
		house("link-absolute", "9110 17.3", "an absolute symbolic link is refused", get("/absolute.txt"), bad("403")).withFixtures(),
		house("fifo", "9110 15.5.5", "a FIFO is no file, and opening it blocks nobody", get("/fifo.txt"), bad("403|404").rfc("4xx")).withFixtures(),
		house("fifo-head", "9110 15.5.5", "a FIFO is no file for HEAD either", head("/fifo.txt"), bad("403|404").rfc("4xx")).withFixtures(),
		house("socket", "9110 15.5.5", "a socket is no file", get("/socket.txt"), bad("403|404").rfc("4xx|500").ideally("4xx")).withFixtures(),
		script(HOUSE, "fifo-not-held", "9110 15.5.5", "a FIFO asked for is not held open", func(x *exchange) {
			x.ask(bad("4xx"), get("/fifo.txt"))
			if x.server.holdsOpen(x.server.inRoot("fifo.txt")) {
				x.fail(HOUSE, "the server holds the FIFO open")
			}
		}).withFixtures().withProcess(),
		script(HOUSE, "fifos-block-nobody", "9110 15.5.5", "many requests for a FIFO leave the server working", func(x *exchange) {
			x.storm(15, func() { x.send(get("/fifo.txt")) })
		}).withFixtures(),
	)
	return topic("path", cases)
}
