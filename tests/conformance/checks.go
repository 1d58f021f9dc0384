package conformance

// Checks that many topics use. Each complains at the weight of the case, unless
// weighing gives it another.

import (
	"bytes"
	"net/url"
	"os"
	"strings"

	"fourways/shared/plural"
)

// weighing gives checks a weight of their own.
func weighing(l Level, checks ...check) check {
	return func(x *exchange, r *Response) {
		before := x.weight
		x.weight = min(l, before)
		for _, c := range checks {
			c(x, r)
		}
		x.weight = before
	}
}

// has wants a field, whatever its value.
func has(name string) check {
	return func(x *exchange, r *Response) {
		if !r.Has(name) {
			x.complain(r, "the answer has no %s", name)
		}
	}
}

// lacks wants a field not to be there.
func lacks(name string) check {
	return func(x *exchange, r *Response) {
		if r.Has(name) {
			x.complainAt(r, name, "the answer has %s: %s", name, r.Get(name))
		}
	}
}

// field wants a field with that value, in which names are filled in.
func field(name, value string) check {
	return func(x *exchange, r *Response) {
		if want := x.expand(value); r.Get(name) != want {
			x.complainAt(r, name, "%s is %q, not %q", name, r.Get(name), want)
		}
	}
}

// lists wants tokens in a comma-separated field.
func lists(name string, tokens ...string) check {
	return func(x *exchange, r *Response) {
		for _, token := range tokens {
			if !r.Lists(name, token) {
				x.complainAt(r, name, "%s does not list %s", name, token)
			}
		}
	}
}

// begins wants a field whose value begins so.
func begins(name, prefix string) check {
	return func(x *exchange, r *Response) {
		if !strings.HasPrefix(r.Get(name), prefix) {
			x.complainAt(r, name, "%s is %q and does not begin with %q", name, r.Get(name), prefix)
		}
	}
}

// bodyOf wants the body that a plain GET of the path has. Where that has another
// status there is nothing to compare with.
func bodyOf(path string) check {
	return func(x *exchange, r *Response) {
		if ref := x.ref(path); ref.Status == r.Status {
			x.sameBody(r, ref.Body)
		}
	}
}

// sameBody complains of the first byte that differs.
func (x *exchange) sameBody(r *Response, want []byte) {
	if bytes.Equal(r.Body, want) {
		return
	}
	at := 0
	for at < len(want) && at < len(r.Body) && want[at] == r.Body[at] {
		at++
	}
	x.complain(r, "the body is wrong from byte %d on: %d bytes came, %d were expected", at, len(r.Body), len(want))
	if !r.Chunked {
		x.faults[len(x.faults)-1].At = r.BodyAt + at
	}
}

// empty wants no body. The reader takes none after an answer that may have none: what
// came with such a head, and begins no other answer, was meant for one.
func empty(x *exchange, r *Response) {
	if len(r.Body) > 0 {
		x.complain(r, "the body has %s and should have none", plural.Of(len(r.Body), "byte", "bytes"))
	}
	if rest := x.in.buf[x.in.pos:]; len(rest) > 0 && !bytes.HasPrefix(rest, []byte("HTTP/")[:min(len(rest), 5)]) {
		if x.before == "HEAD" {
			x.kind = HeadBody
		}
		x.at(x.weight, x.c.RFC, x.in.pos, "a body follows a head that has none")
	}
}

// sameAs wants the value that a field has in the plain GET of the path, be it none.
func sameAs(path string, names ...string) check {
	return func(x *exchange, r *Response) {
		for _, name := range names {
			if want := x.ref(path).Get(name); r.Get(name) != want {
				x.complainAt(r, name, "%s is %q, and %q in the answer to GET %s", name, r.Get(name), want, path)
			}
		}
	}
}

// sameIfSent is sameAs where the answer has the field at all.
func sameIfSent(path, name string) check {
	return func(x *exchange, r *Response) {
		if r.Has(name) {
			sameAs(path, name)(x, r)
		}
	}
}

// fieldIfSent is field where the answer has it at all.
func fieldIfSent(name, value string) check {
	return func(x *exchange, r *Response) {
		if r.Has(name) {
			field(name, value)(x, r)
		}
	}
}

// location wants Location to point at a path of this server, whole or relative.
func location(path string) check {
	return func(x *exchange, r *Response) {
		got := r.Get("Location")
		if u, err := url.Parse(got); err != nil || u.RequestURI() != path || u.Host != "" && u.Hostname() != "localhost" {
			x.complainAt(r, "Location", "Location is %q, not %q", got, path)
		}
	}
}

// notElsewhere wants a Location, if there is one, on this server.
func notElsewhere(x *exchange, r *Response) {
	if u, err := url.Parse(r.Get("Location")); err != nil || u.Host != "" && u.Hostname() != "localhost" && u.Host != x.server.addr {
		x.complainAt(r, "Location", "Location leads away to %q", r.Get("Location"))
	}
}

// onDisk wants the bytes of a file of the site.
func onDisk(name string) check {
	return func(x *exchange, r *Response) {
		want, err := os.ReadFile(x.server.inRoot(name))
		if err != nil {
			x.fail(x.c.Level, "the suite's own file: %v", err)
		}
		x.sameBody(r, want)
	}
}

// without wants a text not to be in the body.
func without(text string) check {
	return func(x *exchange, r *Response) {
		if at := bytes.Index(r.Body, []byte(text)); at >= 0 {
			x.complain(r, "the body has %q", text)
			x.faults[len(x.faults)-1].At = r.BodyAt + at
		}
	}
}

// strongTag wants a strong entity tag.
func strongTag(x *exchange, r *Response) {
	if !strings.HasPrefix(r.Get("ETag"), `"`) {
		x.complainAt(r, "ETag", "ETag %q is not strong", r.Get("ETag"))
	}
}

// isChunked wants a chunked body.
func isChunked(x *exchange, r *Response) {
	if !r.Chunked {
		x.complain(r, "the body is not chunked")
	}
}

// chunksOf wants chunks of n bytes each, except the last.
func chunksOf(n int) check {
	return func(x *exchange, r *Response) {
		isChunked(x, r)
		for i, size := range r.Chunks {
			if size > n || size < n && i < len(r.Chunks)-1 {
				x.complain(r, "chunk %d of %d has %d bytes, not %d", i+1, len(r.Chunks), size, n)
				return
			}
		}
	}
}
