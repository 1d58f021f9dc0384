package conformance

// What holds for every answer of every case, whatever was asked.
//
// The checks run on the goroutine of the exchange, and tell it what they find. What must not be
// done: a check must not depend on the case, since whoever adds a case counts on all of them; and
// what only our own policy asks for must be judged at the level HOUSE, since other servers are
// measured too.

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// secret stands in files that no request may reach. Any answer that holds it is a
// fault, whichever case it came in.
const secret = "four-ways-secret-5b1f0c"

// private stands in files below the root that our policy does not serve: hidden ones
// and those of other types. Other servers may.
const private = "four-ways-private-c0a87e"

// clockSkew is how far a Date may be from this machine's clock, in seconds.
const clockSkew = 5

// serverName is what our servers call themselves.
const serverName = "fourways"

// singletons are fields that may stand once only (RFC 9110 5.3).
var singletons = []string{
	"Content-Type", "Content-Range", "Content-Disposition", "Date", "ETag", "Last-Modified", "Location", "Retry-After", "Server",
}

// inspect runs the generic checks. minor is the minor version of the request.
func (x *exchange) inspect(r *Response, minor int) {
	x.wide = true
	defer func() { x.wide = false }()
	x.inspectFraming(r, minor)
	x.inspectDate(r)
	x.inspectFields(r)
	if bytes.Contains(r.Body, []byte(secret)) {
		x.breaks(avoidNames, r.BodyAt, "the answer gives away a file that is not below the root")
	}
	if bytes.Contains(r.Body, []byte(private)) {
		x.at(HOUSE, "", r.BodyAt, "the answer gives away a file that is not for serving")
	}
}

func (x *exchange) inspectFraming(r *Response, minor int) {
	if r.Minor != 1 {
		x.at(SHOULD, "9112 2.3", r.At, "the answer's version is not the server's highest, HTTP/1.1")
	}
	if minor == 0 && r.Status < 200 {
		x.breaks(noInterim, r.StatusAt, "a 1xx answer was sent to HTTP/1.0")
	}
	if minor == 0 && r.Chunked {
		x.breaks(codingToHTTP10, r.At, "Transfer-Encoding was sent to HTTP/1.0")
	}
	if r.Status >= 200 && r.Status != 204 {
		return
	}
	for _, f := range r.All("Content-Length") {
		x.breaks(lengthless, f.At, "a %d answer has Content-Length", r.Status)
	}
	for _, f := range r.All("Transfer-Encoding") {
		x.breaks(codingless, f.At, "a %d answer has Transfer-Encoding", r.Status)
	}
}

// inspectDate wants a Date in the preferred form and near the truth (RFC 9110 6.6.1). An answer may
// have been dated at any time since the exchange began: a client that is slow to read it finds it
// old and not wrong. An RFC lets only 5xx answers do without.
func (x *exchange) inspectDate(r *Response) {
	if r.Status < 200 {
		return
	}
	if !r.Has("Date") {
		if r.Status >= 500 {
			x.at(HOUSE, dated.rfc, r.StatusAt, "the answer has no Date")
		} else {
			x.breaks(dated, r.StatusAt, "the answer has no Date")
		}
		return
	}
	date, err := http.ParseTime(r.Get("Date"))
	if at := r.All("Date")[0].At; err != nil || date.UTC().Format(http.TimeFormat) != r.Get("Date") {
		x.breaks(fixdate, at, "Date is not an IMF-fixdate")
	} else if off := max(x.began.Sub(date), time.Until(date)); off > clockSkew*time.Second && x.server.local() {
		x.at(SHOULD, "9110 6.6.1", at, "Date is %v off", off.Round(time.Second))
	} else if mod, err := http.ParseTime(r.Get("Last-Modified")); err == nil && mod.After(date) {
		x.breaks(notLater, r.All("Last-Modified")[0].At, "Last-Modified is later than Date")
	}
}

func (x *exchange) inspectFields(r *Response) {
	for _, name := range singletons {
		if all := r.All(name); len(all) > 1 {
			x.breaks(oneFieldLine, all[1].At, "%s stands twice", name)
		}
	}
	if r.Has("ETag") && !validTag(r.Get("ETag")) {
		x.breaks(grammar, r.All("ETag")[0].At, "ETag is not an entity tag (RFC 9110 8.8.3)")
	}
	switch {
	case r.Status < 200:
		return
	case r.Status == 405 && !r.Has("Allow"):
		x.breaks(allowOf405, r.StatusAt, "a 405 has no Allow")
	case r.Status == 416 && !strings.HasPrefix(r.Get("Content-Range"), "bytes */"):
		x.at(SHOULD, "9110 15.5.17", r.StatusAt, "a 416 does not say the length in Content-Range")
	case r.Status/100 == 3 && r.Status != 304 && !r.Has("Location"):
		x.at(SHOULD, "9110 15.4", r.StatusAt, "a redirect has no Location")
	case r.Status == 426 && !r.Has("Upgrade"):
		x.breaks(upgradeOf426, r.StatusAt, "a 426 has no Upgrade")
	}
	if len(r.Body) > 0 && !r.Has("Content-Type") {
		x.at(SHOULD, "9110 8.3", r.StatusAt, "a body has no Content-Type")
	}
	if r.Get("Server") != serverName {
		x.at(HOUSE, "9110 10.2.4", r.StatusAt, "Server is %q, not %q", r.Get("Server"), serverName)
	}
	html := strings.HasPrefix(r.Get("Content-Type"), "text/html")
	if (html || r.Status >= 400) && r.Get("X-Content-Type-Options") != "nosniff" {
		x.at(HOUSE, "", r.StatusAt, "X-Content-Type-Options is not nosniff")
	}
	if n := r.Get("Content-Length"); r.Status >= 400 && len(r.Body) > 0 && n != strconv.Itoa(len(r.Body)) {
		x.at(HOUSE, "9112 6.2", r.StatusAt, "an error has no Content-Length")
	}
}

// validTag is RFC 9110 8.8.3's entity-tag.
func validTag(tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	if len(tag) < 2 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		return false
	}
	for _, b := range []byte(tag[1 : len(tag)-1]) {
		if b <= ' ' || b == '"' || b == 0x7f {
			return false
		}
	}
	return true
}
