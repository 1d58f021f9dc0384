//go:build !skeleton

// Package ranges reads the Range field of a request (RFC 9110 14.1.2, 14.2).
//
// Whatever is wrong with any member, the answer is the whole file. Numbers saturate, since they
// may be longer than any integer.
package ranges

import (
	"math"
	"strings"
)

// Most is how many ranges of a list are served.
const Most = 16

// Range is the bytes from First to Last, both included.
type Range struct{ First, Last int64 }

// Verdict is what is to be sent.
type Verdict int

// Whole is a 200 with all of the file, Parts a 206 with the ranges, Nothing a 416.
const (
	Whole Verdict = iota
	Parts
	Nothing
)

const unit = "bytes="

// Parse reads a field's value for a file of that size.
func Parse(value string, size int64) (Verdict, []Range) {
	if len(value) < len(unit) || !strings.EqualFold(value[:len(unit)], unit) {
		return Whole, nil
	}
	var all []Range
	var sum int64
	members := 0
	for member := range strings.SplitSeq(value[len(unit):], ",") {
		member = strings.Trim(member, " \t")
		if member == "" {
			continue
		}
		members++
		r, ok, sound := parse(member, size)
		if !sound || members > Most {
			return Whole, nil
		}
		if ok {
			if sum += r.Last - r.First + 1; sum > size {
				return Whole, nil
			}
			all = append(all, r)
		}
	}
	switch {
	case members == 0:
		return Whole, nil
	case all == nil:
		return Nothing, nil
	}
	return Parts, all
}

// parse reads one member. It is ok where it can be satisfied.
func parse(member string, size int64) (r Range, ok, sound bool) {
	first, last, dash := strings.Cut(member, "-")
	if !dash || first == "" && last == "" {
		return r, false, false
	}
	from, sound := number(first)
	to, sound2 := number(last)
	switch {
	case !sound || !sound2:
		return r, false, false
	case first == "":
		return Range{max(size-to, 0), size - 1}, to > 0 && size > 0, true
	case last == "":
		return Range{from, size - 1}, from < size, true
	case to < from:
		return r, false, false
	}
	return Range{from, min(to, size-1)}, from < size, true
}

// number reads digits; "" is 0, and what is too large the largest there is.
func number(s string) (n int64, ok bool) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > (math.MaxInt64-9)/10 {
			n = math.MaxInt64
			continue
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
