// Package plural says numbers with what they count, as somebody reads them.
package plural

import "fmt"

// Of is a number with what it counts: "1 worker process", "2 worker processes".
func Of[N int | int64 | uint64](n N, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
