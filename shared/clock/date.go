package clock

// Dates as HTTP has them (RFC 9110 5.6.7), to and from seconds since 1970.
//
// All of it is arithmetic on its arguments, for any thread: no clock, no time zone, no locale. What
// must not be done: ParseDate must not guess. A date that is not exactly in one of the three forms
// is none, and its field is ignored.

import "strings"

// DateLen is the length of an IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT".
const DateLen = 29

const (
	dayNames   = "SunMonTueWedThuFriSat"
	monthNames = "JanFebMarAprMayJunJulAugSepOctNovDec"
)

// AppendDate appends unix (seconds since 1970, years 0 to 9999) as an IMF-fixdate (RFC 9110 5.6.7).
func AppendDate(b []byte, unix int64) []byte {
	days := floorDiv(unix, 86400)
	sec := int(unix - days*86400)
	year, month, day := civil(days)
	weekday := int(((days+4)%7 + 7) % 7) // 1970-01-01 was a Thursday
	b = append(b, dayNames[3*weekday:3*weekday+3]...)
	b = append(b, ", "...)
	b = append2(b, day)
	b = append(b, ' ')
	b = append(b, monthNames[3*month-3:3*month]...)
	b = append(b, ' ')
	b = append2(append2(b, year/100), year%100)
	b = append(b, ' ')
	b = append2(b, sec/3600)
	b = append(b, ':')
	b = append2(b, sec/60%60)
	b = append(b, ':')
	b = append2(b, sec%60)
	return append(b, " GMT"...)
}

// AppendStamp appends unix as YYYYMMDD_HHMMSS in UTC, the form used in the
// names of uploaded files.
func AppendStamp(b []byte, unix int64) []byte {
	days := floorDiv(unix, 86400)
	sec := int(unix - days*86400)
	year, month, day := civil(days)
	b = append2(append2(b, year/100), year%100)
	b = append2(append2(b, month), day)
	b = append(b, '_')
	return append2(append2(append2(b, sec/3600), sec/60%60), sec%60)
}

func append2(b []byte, n int) []byte {
	return append(b, byte('0'+n/10), byte('0'+n%10))
}

// ParseDate reads a date in any of the three forms a recipient must accept (RFC 9110 5.6.7):
// IMF-fixdate, the obsolete RFC 850 form with its two-digit year, and C's asctime. now (seconds
// since 1970) settles the century: a two-digit year more than 50 years ahead is in the past. It
// reports false for anything else; a recipient then ignores the field.
func ParseDate(s []byte, now int64) (unix int64, ok bool) {
	p := dateParser{s: string(s)}
	switch {
	case len(s) == DateLen && s[3] == ',':
		p.oneOf(dayNames)
		p.lit(", ")
		day := p.num(2)
		p.lit(" ")
		month := p.oneOf(monthNames)
		p.lit(" ")
		year := p.num(4)
		p.lit(" ")
		return p.finish(year, month, day, p.clock(), " GMT")
	case len(s) == 24:
		p.oneOf(dayNames)
		p.lit(" ")
		month := p.oneOf(monthNames)
		p.lit(" ")
		if strings.HasPrefix(p.s, " ") {
			p.s = "0" + p.s[1:] // asctime pads the day with a space
		}
		day := p.num(2)
		p.lit(" ")
		sec := p.clock()
		p.lit(" ")
		return p.finish(p.num(4), month, day, sec, "")
	default:
		p.longDay()
		p.lit(", ")
		day := p.num(2)
		p.lit("-")
		month := p.oneOf(monthNames)
		p.lit("-")
		year := century(p.num(2), now)
		p.lit(" ")
		return p.finish(year, month, day, p.clock(), " GMT")
	}
}

// dateParser takes a date apart from the left. After the first mismatch it
// only fails.
type dateParser struct {
	s   string
	bad bool
}

func (p *dateParser) lit(want string) {
	if !strings.HasPrefix(p.s, want) {
		p.bad = true
		return
	}
	p.s = p.s[len(want):]
}

func (p *dateParser) num(digits int) (n int) {
	if len(p.s) < digits {
		p.bad = true
		return 0
	}
	for i := range digits {
		d := p.s[i]
		if d < '0' || d > '9' {
			p.bad = true
			return 0
		}
		n = 10*n + int(d-'0')
	}
	p.s = p.s[digits:]
	return n
}

// oneOf reads one of the three-letter names, and returns its number from 1.
func (p *dateParser) oneOf(names string) int {
	for i := 0; i < len(names); i += 3 {
		if strings.HasPrefix(p.s, names[i:i+3]) {
			p.s = p.s[3:]
			return i/3 + 1
		}
	}
	p.bad = true
	return 1
}

func (p *dateParser) longDay() {
	for _, name := range [...]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"} {
		if strings.HasPrefix(p.s, name) {
			p.s = p.s[len(name):]
			return
		}
	}
	p.bad = true
}

// clock reads HH:MM:SS as seconds into the day. A leap second is allowed.
func (p *dateParser) clock() int {
	h := p.num(2)
	p.lit(":")
	m := p.num(2)
	p.lit(":")
	s := p.num(2)
	if h > 23 || m > 59 || s > 60 {
		p.bad = true
	}
	return h*3600 + m*60 + s
}

func (p *dateParser) finish(year, month, day, sec int, rest string) (int64, bool) {
	if p.bad || p.s != rest || day < 1 || day > daysIn(year, month) {
		return 0, false
	}
	return fromCivil(year, month, day)*86400 + int64(sec), true
}

func century(yy int, now int64) int {
	thisYear, _, _ := civil(floorDiv(now, 86400))
	year := thisYear - thisYear%100 + yy
	if year > thisYear+50 {
		year -= 100
	}
	return year
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// civil turns days since 1970-01-01 into a date of the Gregorian calendar.
// Years are counted from March, so that the leap day is a year's last, and
// eras are the calendar's full cycle of 400 years or 146,097 days.
func civil(days int64) (year, month, day int) {
	days += 719468 // from 0000-03-01
	era := floorDiv(days, 146097)
	doe := int(days - era*146097)
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153 // March is 0
	day = doy - (153*mp+2)/5 + 1
	month = mp + 3
	year = yoe + int(era)*400
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

// fromCivil is the inverse of civil.
func fromCivil(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := floorDiv(int64(year), 400)
	yoe := year - int(era)*400
	doy := (153*(month-3)+2)/5 + day - 1
	return era*146097 + int64(yoe*365+yoe/4-yoe/100+doy) - 719468
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
