// Package update holds the one flag that the tests of this module share.
//
// `go test ./docs/... -update` hands the flag to the test binary of every package below docs, and a
// binary that does not know it stops. So each package with tests imports this one, if only for its
// flag:
//
//	import _ "fourways/docs/book/update"
//
// It is imported by test files only: a command that imported it would grow a flag it has no use
// for.
package update

import "flag"

// Wanted reports whether the run is to rewrite what it finds out of date instead of failing on it.
var Wanted = flag.Bool("update", false, "rewrite listings, outputs and numbers in the chapters that are out of date")
