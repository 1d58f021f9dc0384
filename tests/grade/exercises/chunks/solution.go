//go:build !skeleton

// Package chunks decodes a chunked body as it arrives (RFC 9112 7.1).
//
// It is a machine that takes one byte at a time, except for data, which goes through as it comes.
// So nothing depends on where a read ends, and no line is ever kept.
package chunks

import "errors"

// Bounds, in bytes.
const (
	MaxLine     = 256
	MaxTrailers = 1024
	maxDigits   = 15
)

// The two faults.
var (
	ErrBad      = errors.New("this is no chunked body")
	ErrTooLarge = errors.New("this is more than the limit")
)

// Where the decoder is.
const (
	inSize = iota
	inExtension
	sizeLF
	inData
	dataCR
	dataLF
	trailerStart
	inTrailer
	trailerLF
	lastLF
	isOver
)

// Decoder is the state between two pieces.
type Decoder struct {
	Limit int64 // bytes of data

	state    int
	size     int64 // of this chunk, or what is left of it
	digits   int
	line     int // bytes of the size line
	trailers int // bytes of all trailer lines
	total    int64
}

// Feed takes the next bytes of the connection.
func (d *Decoder) Feed(b []byte) (data []byte, used int, over bool, err error) {
	for used < len(b) && d.state != isOver {
		if d.state == inData {
			n := int(min(d.size, int64(len(b)-used)))
			data = b[used : used+n]
			if d.size -= int64(n); d.size == 0 {
				d.state = dataCR
			}
			return data, used + n, false, nil
		}
		c := b[used]
		used++
		if err := d.next(c); err != nil {
			return nil, used, false, err
		}
	}
	return nil, used, d.state == isOver, nil
}

// next takes a byte that is no data.
func (d *Decoder) next(c byte) error {
	switch d.state {
	case inSize, inExtension:
		return d.sizeLine(c)
	case sizeLF:
		return d.want(c, '\n', d.afterSize())
	case dataCR:
		return d.want(c, '\r', dataLF)
	case dataLF:
		d.size, d.digits, d.line = 0, 0, 0
		return d.want(c, '\n', inSize)
	case lastLF:
		return d.want(c, '\n', isOver)
	}
	return d.trailer(c)
}

// want goes to the next state if c is what has to stand here.
func (d *Decoder) want(c, expected byte, next int) error {
	if c != expected {
		return ErrBad
	}
	d.state = next
	return nil
}

func (d *Decoder) sizeLine(c byte) error {
	if c == '\r' && d.digits > 0 {
		if d.total += d.size; d.total > d.Limit {
			return ErrTooLarge
		}
		d.state = sizeLF
		return nil
	}
	if d.line++; d.line > MaxLine {
		return ErrBad
	}
	if d.state == inExtension {
		if c < ' ' && c != '\t' {
			return ErrBad
		}
		return nil
	}
	if c == ';' && d.digits > 0 {
		d.state = inExtension
		return nil
	}
	v, ok := hex(c)
	if d.digits++; !ok || d.digits > maxDigits {
		return ErrBad
	}
	d.size = d.size<<4 | int64(v)
	return nil
}

func (d *Decoder) afterSize() int {
	if d.size == 0 {
		return trailerStart
	}
	return inData
}

func (d *Decoder) trailer(c byte) error {
	if d.state == trailerStart && c == '\r' {
		d.state = lastLF
		return nil
	}
	if d.trailers++; d.trailers > MaxTrailers {
		return ErrBad
	}
	switch {
	case d.state == trailerLF:
		return d.want(c, '\n', trailerStart)
	case c == '\r':
		d.state = trailerLF
	case c == '\n':
		return ErrBad
	default:
		d.state = inTrailer
	}
	return nil
}

func hex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
