//go:build !skeleton

// Package reqline parses the first line of a request as it arrives.
//
// It is a machine that takes one byte at a time: where it is says which bytes may come. What must
// not be done: it must not look at what it has taken before.
package reqline

import "strings"

// Max is how long a line may be.
const Max = 100

// Result is what is known after some bytes.
type Result int

// The three kinds.
const (
	More Result = iota
	Done
	Bad
)

// Where the parser is.
const (
	inMethod = iota
	inTarget
	inVersion
	atLF
)

const version = "HTTP/1."

// Parser is the state between two pieces. The zero value is the beginning of a line.
type Parser struct {
	Method, Target, Version string // when it is Done

	state int
	line  []byte // what has come of it
	from  int    // where the part begins that is being read
}

// Feed takes the next bytes, and returns how many of them belong to the line.
func (p *Parser) Feed(b []byte) (used int, r Result) {
	for i, c := range b {
		if r := p.next(c); r != More {
			return i + 1, r
		}
	}
	return len(b), More
}

func (p *Parser) next(c byte) Result {
	if p.state == atLF {
		if c != '\n' {
			return Bad
		}
		p.Version = string(p.line[p.from:])
		return Done
	}
	if c == '\r' && p.state == inVersion && len(p.line)-p.from == len(version)+1 {
		p.state = atLF
		return More
	}
	if len(p.line) == Max {
		return Bad
	}
	p.line = append(p.line, c)
	at := len(p.line) - 1 - p.from // of c, in its part
	switch p.state {
	case inMethod:
		if c == ' ' && at > 0 {
			p.Method = p.part(inTarget)
		} else if !token(c) {
			return Bad
		}
	case inTarget:
		if c == ' ' && at > 0 {
			p.Target = p.part(inVersion)
		} else if c <= ' ' || c > '~' {
			return Bad
		}
	case inVersion:
		if at < len(version) && c != version[at] || at == len(version) && (c < '0' || c > '9') || at > len(version) {
			return Bad
		}
	}
	return More
}

// part ends the part that is being read, at its space, and begins another one.
func (p *Parser) part(next int) string {
	text := string(p.line[p.from : len(p.line)-1])
	p.state, p.from = next, len(p.line)
	return text
}

func token(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
