//go:build skeleton

// Package chunks decodes a chunked body as it arrives (RFC 9112 7.1).
//
// A chunk is its size in hexadecimal digits, perhaps extensions after a semicolon, CR LF, so many
// bytes, CR LF. One of size 0 ends the data; then come trailer lines, and an empty line ends the
// body. Data need not be kept: Feed returns it as a piece of what it was given.
//
// Be strict, since a body that can be read in two ways is an attack:
//
//   - CR LF ends each line, and nothing else does
//   - a size has 1 to 15 digits, and a line of a size at most MaxLine bytes, without its CR LF
//   - all data together are at most Limit bytes
//   - trailers are at most MaxTrailers bytes together, with their CR LF; they are dropped
//   - after the size comes a semicolon or CR, and nothing else, not even a blank
package chunks

import "errors"

// Bounds, in bytes.
const (
	MaxLine     = 256
	MaxTrailers = 1024
)

// The two faults.
var (
	ErrBad      = errors.New("this is no chunked body")
	ErrTooLarge = errors.New("this is more than the limit")
)

// Decoder is the state between two pieces.
type Decoder struct {
	Limit int64 // bytes of data

	// yours
}

// Feed takes the next bytes of the connection. It returns some data, how many bytes it has used,
// and whether the body is over. Call it again with the rest until all is used or the body is over:
// one call may stop after the data of one chunk.
func (d *Decoder) Feed(b []byte) (data []byte, used int, over bool, err error) {
	return nil, len(b), false, nil
}
