package config

// Fields that the user adds to every response. They are checked here, once, so that the code that
// writes responses may copy them as they are: a line break in one would be a response of the user's
// own making (response splitting).

import (
	"fmt"
	"slices"
	"strings"
)

// owned are the fields that the server writes itself. A second one would contradict the first: a
// wrong Content-Length makes two readers see two messages (RFC 9112 6.3).
var owned = []string{
	"accept-ranges", "allow", "cache-control", "connection", "content-disposition", "content-encoding", "content-length",
	"content-range", "content-type", "date", "etag", "keep-alive", "last-modified", "location", "proxy-connection",
	"retry-after", "server", "te", "trailer", "transfer-encoding", "upgrade", "vary", "x-content-type-options",
	"x-request-id",
}

// header takes `Name: value`, checked by RFC 9110 5.1 and 5.5.
func header(dst *[]Header) func(string) error {
	return func(line string) error {
		name, value, colon := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		switch lower := strings.ToLower(name); {
		case !colon || !token(name):
			return fmt.Errorf("%q is not a field; give 'Name: value'", line)
		case !printable(value):
			return fmt.Errorf("%q holds a character that a field may not; give printable ASCII", line)
		case slices.Contains(owned, lower) || strings.HasPrefix(lower, "access-control-"):
			return fmt.Errorf("%s is written by the server itself; leave it out", name)
		}
		h := Header{Name: name, Value: value}
		size := h.bytes()
		for _, other := range *dst {
			size += other.bytes()
		}
		if size > maxHeaderBytes {
			return fmt.Errorf("all added fields together are %d bytes; stay under %d", size, maxHeaderBytes)
		}
		*dst = append(*dst, h)
		return nil
	}
}

// bytes is the length of the field on the wire.
func (h Header) bytes() int { return len(h.Name) + len(": ") + len(h.Value) + len("\r\n") }

// fieldValue sets a bare field value.
func fieldValue(dst *string) func(string) error {
	return func(value string) error {
		if !printable(value) {
			return fmt.Errorf("%q holds a character that a field may not; give printable ASCII", value)
		}
		*dst = strings.Trim(value, " \t")
		return nil
	}
}

// token is RFC 9110 5.6.2.
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !alphanumeric(r) && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// printable is field-content of RFC 9110 5.5 without obs-text.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r != '\t' && (r < ' ' || r > '~') })
}
