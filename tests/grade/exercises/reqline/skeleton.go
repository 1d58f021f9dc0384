//go:build skeleton

// Package reqline parses the first line of a request as it arrives.
//
// The answer is of three kinds: Done, More and Bad. Bytes come in pieces of any size, also one by
// one, and none may be looked at twice: a client who drips must not make you work with the square
// of what it has sent. The line is METHOD SP TARGET SP HTTP/1.x CR LF (RFC 9112 3):
//
//   - a method is a token: letters, digits and !#$%&'*+-.^_`|~
//   - a target is one or more bytes from 0x21 to 0x7e
//   - the version is HTTP/1. and one digit, in capitals
//   - one space between them, no more; CR LF at the end, and neither alone
//
// What can no more become such a line is Bad at once, at the byte that shows it, and so is a line
// of more than Max bytes (without its CR LF).
package reqline

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

// Parser is the state between two pieces. The zero value is the beginning of a line.
type Parser struct {
	Method, Target, Version string // when it is Done

	// yours
}

// Feed takes the next bytes, and returns how many of them belong to the line.
func (p *Parser) Feed(b []byte) (used int, r Result) { return 0, More }
