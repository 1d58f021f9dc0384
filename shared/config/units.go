package config

// Times and sizes as people type them: 30s, 1h30m, 10M. A number alone is in the unit that the flag
// has had from the beginning, which -h names: SECONDS, BYTES, KIB or MIB.
//
// What must not be done: no unit may mean one thing here and another there, so K, M, G and T are
// powers of 1,024 everywhere, with a B or iB after them or not; and nothing may be rounded in
// silence, except below a nanosecond.

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// timeUnits are the units of times; the longer names come first where one begins another.
var timeUnits = []struct {
	name string
	unit time.Duration
}{
	{"ms", time.Millisecond},
	{"sec", time.Second},
	{"s", time.Second},
	{"min", time.Minute},
	{"m", time.Minute},
	{"h", time.Hour},
	{"d", 24 * time.Hour},
}

// sizeUnits are the units of sizes, from the largest.
var sizeUnits = []struct {
	letter byte
	unit   int64
}{{'T', 1 << 40}, {'G', 1 << 30}, {'M', mib}, {'K', kib}}

// Seconds sets a time: seconds where it is a plain number, as 10 or 0.5, or with units, as 500ms,
// 30s or 1h30m.
func Seconds(dst *time.Duration, lo, hi time.Duration) func(string) error {
	return func(value string) error {
		d, ok := parseTime(value)
		if !ok || d < lo || d > hi {
			return fmt.Errorf("%q does not fit; give a time from %s to %s, as 10 or 0.5 (seconds), 500ms, 30s, 5m, 1h30m or 2d", value, timeText(lo), timeText(hi))
		}
		*dst = d
		return nil
	}
}

// parseTime reads a number of seconds, or numbers with units, each smaller than the one before.
func parseTime(value string) (time.Duration, bool) {
	if n, rest, ok := cutDecimal(value); ok && rest == "" {
		return span(n, time.Second)
	}
	var sum time.Duration
	before := time.Duration(math.MaxInt64)
	for value != "" {
		n, rest, ok := cutDecimal(value)
		if !ok {
			return 0, false
		}
		unit, rest := cutTimeUnit(rest)
		if unit == 0 || unit >= before {
			return 0, false
		}
		part, ok := span(n, unit)
		if sum += part; !ok || sum < 0 {
			return 0, false
		}
		value, before = rest, unit
	}
	return sum, before < math.MaxInt64
}

// cutTimeUnit cuts a unit off that no letter follows; 0 where there is none.
func cutTimeUnit(s string) (time.Duration, string) {
	for _, u := range timeUnits {
		if rest, ok := strings.CutPrefix(s, u.name); ok && (rest == "" || digits(rest[:1])) {
			return u.unit, rest
		}
	}
	return 0, s
}

// span is so many units, where a time can be that long.
func span(n float64, unit time.Duration) (time.Duration, bool) {
	d := math.Round(n * float64(unit))
	return time.Duration(d), d < math.MaxInt64/2
}

// timeText writes a time as Seconds takes it.
func timeText(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Second == 0:
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return fmt.Sprintf("%dms", d.Milliseconds())
}

// Size sets a number of bytes: a plain number counts units of so many bytes, and one with a unit of
// its own is as it says, 512K or 10M. lo and hi are in units.
func Size[T int | int64](dst *T, unit, lo, hi int64) func(string) error {
	return size(dst, unit, lo, hi, "")
}

// Rate is Size for bytes a second, which may be written as such: 10M/s.
func Rate[T int | int64](dst *T, lo, hi int64) func(string) error { return size(dst, 1, lo, hi, "/s") }

func size[T int | int64](dst *T, unit, lo, hi int64, suffix string) func(string) error {
	return func(value string) error {
		n, ok := parseSize(strings.TrimSuffix(value, suffix), unit)
		if !ok || n < lo*unit || n > hi*unit {
			return fmt.Errorf("%q does not fit; give a size from %s to %s, as 512K, 10M or 1G; a number alone counts %s", value, sizeText(lo*unit), sizeText(hi*unit), unitText(unit))
		}
		*dst = T(n)
		return nil
	}
}

// parseSize reads a whole number of units, or a number with a unit of its own.
func parseSize(value string, unit int64) (int64, bool) {
	n, rest, ok := cutDecimal(value)
	if !ok {
		return 0, false
	}
	if rest == "" {
		whole, err := strconv.ParseInt(value, 10, 64)
		return whole * unit, err == nil && whole <= math.MaxInt64/unit
	}
	letter := strings.ToUpper(rest[:1])[0]
	switch rest[1:] { // and no letter that only looks like one of these in capitals, as ı does
	case "", "b", "B", "ib", "iB", "IB", "Ib":
	default:
		return 0, false
	}
	for _, u := range sizeUnits {
		if u.letter == letter {
			b := n * float64(u.unit)
			return int64(b), b == math.Trunc(b) && b < math.MaxInt64/2
		}
	}
	b := n
	return int64(b), letter == 'B' && len(rest) == 1 && b == math.Trunc(b) && b < math.MaxInt64/2
}

// sizeText writes a size as Size takes it.
func sizeText(n int64) string {
	for _, u := range sizeUnits {
		if n > 0 && n%u.unit == 0 {
			return fmt.Sprintf("%d%c", n/u.unit, u.letter)
		}
	}
	return strconv.FormatInt(n, 10)
}

func unitText(unit int64) string {
	switch unit {
	case kib:
		return "KiB"
	case mib:
		return "MiB"
	}
	return "bytes"
}

// cutDecimal cuts a plain decimal number off, as 10 or 0.5.
func cutDecimal(s string) (n float64, rest string, ok bool) {
	end := len(s) - len(strings.TrimLeft(s, "0123456789."))
	whole, fraction, dotted := strings.Cut(s[:end], ".")
	if !digits(whole) || dotted && !digits(fraction) {
		return 0, s, false
	}
	n, err := strconv.ParseFloat(s[:end], 64)
	return n, s[end:], err == nil
}
