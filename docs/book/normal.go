package book

import (
	"regexp"
	"strings"
)

// What differs from one run to the next, and from one machine to the next, says nothing about the
// program: it is compared by its kind. Everything else in an output is compared as it is. Of
// durations, those with a fraction or with a unit below the second are measured; "30s" is a setting
// and is compared.
//
// The order matters: a rule sees what the rules above it left.
var varying = []struct {
	what string
	find *regexp.Regexp
	put  string
}{
	{"HTTP dates: Date, Last-Modified", regexp.MustCompile(`\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\b`), "DATE"},
	{"times of the log and of RFC 3339", regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?`), "TIME"},
	{"times of the access log", regexp.MustCompile(`\b\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\b`), "TIME"},
	{"plain dates", regexp.MustCompile(`\b\d{4}-\d\d-\d\d\b`), "DAY"},
	{"names of uploads", regexp.MustCompile(`\bupload_\d{8}_\d{6}_[0-9a-z]+\b`), "UPLOAD"},
	{"entity tags", regexp.MustCompile(`(?i)^(etag: (?:W/)?)"[^"]*"`), `$1"TAG"`},
	{"request ids", regexp.MustCompile(`(?i)^(x-request-id: )\S+`), "${1}ID"},
	{"process ids", regexp.MustCompile(`(?i)\b(pid"?[ =:]+)\d+\b`), "${1}PID"},
	{"ports of this machine", regexp.MustCompile(`(127\.0\.0\.1|\[::1\]|\blocalhost)(:| port )\d+\b`), "$1${2}PORT"},
	{"memory addresses", regexp.MustCompile(`\b0x[0-9a-fA-F]+\b`), "HEX"},
	{"hexadecimal ids", regexp.MustCompile(`\b[0-9a-f]{12,}\b`), "HEX"},
	{"durations in minutes and more", regexp.MustCompile(`\b(\d+h)?\d+m\d+(\.\d+)?s\b`), "DURATION"},
	{"durations under a second", regexp.MustCompile(`\b\d+(\.\d+)? ?(ns|µs|us|ms)\b`), "DURATION"},
	{"durations in fractions of a second", regexp.MustCompile(`\b\d+\.\d+ ?s(econds)?\b`), "DURATION"},
}

// normal gives a line of output with all that varies put by its kind, and without white space at
// its end.
func normal(line string) string {
	line = strings.TrimRight(line, " \t\r")
	for _, v := range varying {
		line = v.find.ReplaceAllString(line, v.put)
	}
	return line
}
