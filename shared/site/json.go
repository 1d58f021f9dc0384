package site

import (
	"encoding/json"
	"io"
	"unicode/utf8"
)

// checkJSON reads r to its end, and returns errInvalidJSON unless it is exactly one JSON
// text (RFC 8259 section 2) in UTF-8 (section 8.1). Other errors are r's own. It holds
// one token in memory at a time, however long the text is.
func checkJSON(r io.Reader) error {
	text := &utf8Reader{r: r}
	dec := json.NewDecoder(text)
	dec.UseNumber() // a number too large for us is still a number
	for depth, first := 0, true; first || depth > 0; first = false {
		token, err := dec.Token()
		if err != nil {
			return text.verdict()
		}
		switch token {
		case json.Delim('['), json.Delim('{'):
			depth++
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
		if depth > maxDepth {
			return errInvalidJSON
		}
	}
	if _, err := dec.Token(); err == io.EOF && text.err == io.EOF {
		return nil
	}
	return text.verdict()
}

// utf8Reader fails when what passes through it is not UTF-8. encoding/json would
// replace such bytes and go on.
type utf8Reader struct {
	r    io.Reader
	open [utf8.UTFMax]byte // the beginning of a character whose rest is still to come
	n    int               // bytes in open
	err  error             // the first that was returned; a decoder may ask again, and forget
}

// verdict is why no more could be read: r's own error, or that the text is not valid.
func (u *utf8Reader) verdict() error {
	if u.err != nil && u.err != io.EOF {
		return u.err
	}
	return errInvalidJSON
}

// Read reads from r.
func (u *utf8Reader) Read(p []byte) (n int, err error) {
	if u.err != nil {
		return 0, u.err
	}
	n, u.err = u.r.Read(p)
	if !u.take(p[:n]) || u.err == io.EOF && u.n > 0 {
		u.err = errInvalidJSON
	}
	return n, u.err
}

// take looks at the next bytes. It reports false where they are not UTF-8.
func (u *utf8Reader) take(p []byte) bool {
	for u.n > 0 && len(p) > 0 {
		u.open[u.n] = p[0]
		u.n++
		p = p[1:]
		if utf8.FullRune(u.open[:u.n]) {
			if !utf8.Valid(u.open[:u.n]) {
				return false
			}
			u.n = 0
		}
	}
	cut := len(p)
	for back := 1; back < utf8.UTFMax && back <= len(p); back++ {
		if utf8.RuneStart(p[len(p)-back]) {
			if !utf8.FullRune(p[len(p)-back:]) {
				cut = len(p) - back
			}
			break
		}
	}
	if cut < len(p) {
		u.n = copy(u.open[:], p[cut:])
	}
	return utf8.Valid(p[:cut])
}
