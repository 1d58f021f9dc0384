package site

// The answer to every request that is refused: a page, or JSON where the client prefers that.
//
// It runs on the thread that serves. What must not be done: answering an error must not read a
// file, since the disk may be what failed; the administrator's pages are read beforehand. Nor may
// an answer repeat anything that the client sent, except a request id that was checked.

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"fourways/shared/fault"
	"fourways/shared/http1"
	"fourways/shared/session"
	"fourways/shared/syntax"
	"fourways/shared/sysnet"
)

var movedPage = []byte("<!doctype html><title>Moved</title><p>This folder's name ends with a slash.\n")

// challenge asks for a name and a password (RFC 7617 2 and 2.1).
const challenge = "WWW-Authenticate: Basic realm=\"this site\", charset=\"UTF-8\"\r\n"

// Refuse answers a request that was turned away.
func (s *Site) Refuse(x *session.Exchange, f fault.Fault) {
	switch f.Status {
	case 401:
		s.refuse(x, f.Status, challenge) // RFC 9110 15.5.2
	case 405:
		s.refuse(x, f.Status, "Allow: "+s.allowed(x.Path())+"\r\n") // RFC 9110 15.5.6
	case 415:
		lines := ""
		if f.Reason == fault.EncodedBody {
			lines = "Accept-Encoding: identity\r\n" // RFC 9110 15.5.16
		}
		s.refuse(x, f.Status, lines)
	case 429:
		s.refuse(x, f.Status, "Retry-After: "+strconv.FormatInt(wholeSeconds(x.RetryAfter()), 10)+"\r\n")
	case 503:
		s.refuse(x, f.Status, "Retry-After: "+retryAfter+"\r\n")
	case 400:
		if f.Reason == fault.PlainOnTLSPort {
			s.refuseWrongPort(x)
			return
		}
		fallthrough
	default:
		s.refuse(x, f.Status, "")
	}
}

// wholeSeconds rounds nanoseconds up, to one second at least (RFC 9110 10.2.3).
func wholeSeconds(nano int64) int64 { return max((nano+1e9-1)/1e9, 1) }

// refuse answers with an error. lines are further field lines, each with its CR LF. The
// body is a page, or an object where the client prefers JSON.
func (s *Site) refuse(x *session.Exchange, status int, lines string) {
	var scratch [1 << 10]byte
	kind, body, named := htmlType, (*s.pages.Load())[status], true
	switch {
	case prefersJSON(x.Request()):
		kind, body = "application/json", appendErrorJSON(scratch[:0], status, x.ID())
	case body == nil:
		body = appendErrorPage(scratch[:0], status, x.ID())
	default:
		named = false
	}
	h := s.begin(x, status, int64(len(body)))
	h.Field("Content-Type", kind)
	h.Raw([]byte(noSniff + varyAccept)) // RFC 9110 12.5.5
	h.Raw([]byte(lines))
	if !named { // the administrator's page does not show the id, by which the log can be searched
		h.FieldBytes("X-Request-Id", x.ID())
	}
	h.End()
	x.Write(body)
	x.Finish()
}

func appendErrorJSON(b []byte, status int, id []byte) []byte {
	b = strconv.AppendInt(append(b, `{"status":"error","code":`...), int64(status), 10)
	b = append(append(b, `,"message":"`...), http1.StatusText(status)...)
	b = append(append(b, `","request_id":"`...), id...)
	return append(b, "\"}\n"...)
}

// appendErrorPage makes a page that loads nothing else. Neither the status's text nor the id, which
// has letters, digits and - _ . only, can hold markup.
func appendErrorPage(b []byte, status int, id []byte) []byte {
	text := http1.StatusText(status)
	b = append(b, `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">`...)
	b = strconv.AppendInt(append(b, "<title>"...), int64(status), 10)
	b = append(append(append(b, ' '), text...), "</title>"...)
	b = append(b, `<style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:20vh auto;max-width:32rem;padding:0 1rem}`...)
	b = append(b, `h1{margin:0}small{opacity:.7}</style><h1>`...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(append(append(b, ' '), text...), "</h1><p><small>Request "...)
	return append(append(b, id...), "</small></p></html>\n"...)
}

// prefersJSON reports whether Accept gives JSON a higher quality than HTML (RFC 9110 12.5.1).
func prefersJSON(r *http1.Request) bool {
	if !r.Has(http1.Accept) {
		return false
	}
	return quality(r, "application/json") > quality(r, "text/html")
}

// quality is what Accept says of a media type, in thousandths. Of the ranges that
// match it the most specific counts. Commas inside quoted parameters, which no client
// sends, would cut an item in two.
func quality(r *http1.Request, kind string) (q int) {
	slash := strings.IndexByte(kind, '/')
	best := 0
	for i := range r.Fields {
		if r.Fields[i].ID != http1.Accept {
			continue
		}
		for item := range syntax.ListItems(r.Fields[i].Value) {
			name, params, _ := bytes.Cut(item, []byte(";"))
			name = syntax.TrimOWS(name)
			specific := 0
			switch {
			case syntax.EqualFold(name, kind):
				specific = 3
			case len(name) == slash+2 && name[slash+1] == '*' && syntax.EqualFold(name[:slash+1], kind[:slash+1]):
				specific = 2
			case string(name) == "*/*":
				specific = 1
			}
			if specific > best {
				best, q = specific, weight(params)
			}
		}
	}
	return q
}

// weight is the q parameter in thousandths: 1000 where there is none, 0 where it is malformed (RFC
// 9110 12.4.2).
func weight(params []byte) int {
	for len(params) > 0 {
		var param []byte
		param, params, _ = bytes.Cut(params, []byte(";"))
		param = syntax.TrimOWS(param)
		if len(param) < 2 || param[0] != 'q' && param[0] != 'Q' || param[1] != '=' {
			continue
		}
		return qvalue(param[2:])
	}
	return 1000
}

func qvalue(b []byte) (q int) {
	if len(b) == 0 || len(b) > len("0.000") || b[0] != '0' && b[0] != '1' || len(b) > 1 && b[1] != '.' {
		return 0
	}
	q = 1000 * int(b[0]-'0')
	for i, unit := 2, 100; i < len(b); i, unit = i+1, unit/10 {
		if b[i] < '0' || b[i] > '9' {
			return 0
		}
		q += unit * int(b[i]-'0')
	}
	return min(q, 1000)
}

// readPage reads a page that replaces an error page. It is read once, at the start: when it is
// needed, the disk may be what has failed.
func readPage(root *sysnet.Root, path string) ([]byte, error) {
	var st sysnet.Stat
	fd, err := root.Open([]byte(path[1:]), &st)
	if err != nil {
		return nil, fmt.Errorf("-error-page %q: %w", path, err)
	}
	defer sysnet.CloseFile(fd)
	if st.Folder || st.Size > maxErrorPage {
		return nil, fmt.Errorf("-error-page %q: not a file of at most %d bytes", path, maxErrorPage)
	}
	page := make([]byte, st.Size)
	if _, err := sysnet.Pread(fd, page, 0); err != nil && st.Size > 0 {
		return nil, fmt.Errorf("-error-page %q: %w", path, err)
	}
	return page, nil
}
