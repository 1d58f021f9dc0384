package site

// Which scripts of other origins may read answers (Fetch, "CORS protocol"). The server lets them
// read, and no more: whether a request is answered does not depend on its origin.
//
// One origin, or any, is on every answer. Of several only one may be named (Fetch,
// "Access-Control-Allow-Origin"): the one that asks, and then caches have to know that answers
// differ by that. What must not be done: an origin must not be repeated that is not on the list,
// and of what a client sends nothing may go into the answer but names of fields.

import (
	"fourways/shared/http1"
	"fourways/shared/session"
	"fourways/shared/syntax"
)

const (
	allowOrigin = "Access-Control-Allow-Origin: "
	varyOrigin  = "Vary: Origin\r\n"
	// exposed are the fields of our answers that a script of another origin may read in addition to
	// those that it always may (Fetch, "CORS-safelisted response-header name").
	exposed = "Access-Control-Expose-Headers: Accept-Ranges, Allow, Content-Disposition, Content-Encoding, " +
		"Content-Range, Date, ETag, Location, Retry-After, Server, X-Request-Id\r\n"
	// usualFields may be sent by a script that does not say which fields it sends.
	usualFields = "Authorization, Content-Type, Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range"
	// preflightAge is how long a browser may go by the answer to a preflight.
	preflightAge    = "Access-Control-Max-Age: 600\r\n"
	varyPreflight   = "Vary: Access-Control-Request-Method, Access-Control-Request-Headers\r\n"
	maxAskedHeaders = 1 << 10 // bytes of a list of names that is repeated
)

// cors is what answers say of other origins: those of the site, and not reports and probes. A page
// from elsewhere could read these in the browser of whoever may see them.
type cors struct {
	always  []byte            // field lines on every answer
	origins map[string][]byte // the further one for each of several origins
}

func newCORS(origins []string) (c cors) {
	switch len(origins) {
	case 0:
		return c
	case 1:
		c.always = []byte(allowOrigin + origins[0] + "\r\n" + exposed)
		return c
	}
	c.always, c.origins = []byte(varyOrigin+exposed), make(map[string][]byte)
	for _, o := range origins {
		c.origins[o] = []byte(allowOrigin + o + "\r\n")
	}
	return c
}

// lineFor is what an answer says beyond that, because of who asks.
func (c *cors) lineFor(x *session.Exchange) []byte {
	if c.origins == nil {
		return nil
	}
	return c.origins[string(x.Request().Get(http1.Origin))]
}

// preflight answers the question that a browser asks before it lets a script of another origin send
// what a form could not (Fetch, "CORS-preflight request"): with the methods that the path allows,
// and with the fields that the script wants to send, of which none does any harm here.
func (c *cors) preflight(h *http1.Head, r *http1.Request, methods string) {
	if len(c.always) == 0 {
		return
	}
	h.Field("Access-Control-Allow-Methods", methods)
	if asked := r.Get(http1.ACRequestHeaders); isNames(asked) {
		h.FieldBytes("Access-Control-Allow-Headers", asked)
	} else {
		h.Field("Access-Control-Allow-Headers", usualFields)
	}
	h.Raw([]byte(preflightAge + varyPreflight))
}

// isNames reports whether a field is a short list of names, and nothing else.
func isNames(list []byte) bool {
	if len(list) == 0 || len(list) > maxAskedHeaders {
		return false
	}
	for item := range syntax.ListItems(list) {
		if !syntax.IsAll(item, syntax.TokenChar) {
			return false
		}
	}
	return true
}
