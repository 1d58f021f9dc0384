// Package exercises is small pieces of servers for readers to write.
//
// Each has a folder: skeleton.go, which says in its package comment what is to be written,
// solution.go, and check.go with the tests. The first is built with the tag skeleton, the second
// without it, so that this project's tests show in one program that each solution passes, and in a
// second one that each test fails on the skeleton. A reader gets skeleton and tests as a module of
// their own, so neither may import anything but the standard library.
package exercises

// Files of an exercise's folder.
const (
	Skeleton = "skeleton.go"
	Solution = "solution.go"
	Tests    = "check.go"
)

// Exercise is one piece.
type Exercise struct {
	Name    string   // of its folder and package
	Chapter []string // words of its chapter's file name; the first that fits counts
	Stars   int      // one for half an hour, three for an evening
	Asks    string
}

// All is the exercises, in the order of the course.
var All = []Exercise{
	{"queue", []string{"overload"}, 1, "a queue that is bounded by length and by time, so that nobody is served who has gone"},
	{"partial", []string{"poll"}, 2, "a chain of what is to be sent, by writes that take as much as they like"},
	{"selfpipe", []string{"woken", "poll"}, 2, "a pipe that wakes a loop, from any thread, and never blocks or forgets"},
	{"epoller", []string{"epoll"}, 2, "epoll in the place of poll, behind the same three methods"},
	{"drain", []string{"corners", "epoll"}, 2, "reading at an edge: until EAGAIN or a budget, and nothing is forgotten"},
	{"reqline", []string{"parser"}, 2, "a request-line parser that never looks at a byte twice"},
	{"chunks", []string{"framing"}, 3, "a decoder of chunked bodies, right at every split"},
	{"ranges", []string{"files"}, 2, "a parser of the Range field, and what of it a server sends"},
	{"fresh", []string{"cache", "sendfile"}, 2, "a cache of files that is never wrong for longer than it says"},
	{"gcra", []string{"floods", "defence"}, 1, "a rate limiter with one number for each client"},
	{"table", []string{"floods", "defence"}, 3, "a table of clients that is bounded, and forgets the right one"},
	{"keeper", []string{"prefork"}, 2, "a keeper that restarts what has died, and backs off from what dies at once"},
	{"watchdog", []string{"watchdog"}, 2, "a watchdog that knows a worker that hangs from a machine that slept"},
	{"proxyv", []string{"proxies"}, 3, "a parser of the PROXY protocol, version 2, that takes no byte too many"},
}
