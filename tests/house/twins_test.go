package house

// Stage 2's and stage 3's socket.go say the same in the same words. What differs must be listed,
// with a reason; so a change in one of the two is a change in both.

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// twins are the two files, and names are what the same things are called in them.
const (
	runner = "../../stage2-poll/socket.go"
	loop   = "../../stage3-epoll/loop/socket.go"
)

var names = []struct{ runner, loop string }{
	{`^package main$`, "package loop"},
	{`\(r \*runner\)`, "(l *Loop)"},
	{`\br\.`, "l."},
	{`\[runner\.`, "[Loop."},
	{`Stage 3's loops`, "Stage 2's runners"},
	{`epoll\(7\)`, "poll(2)"},
	{`\b(a|A|the) runner\b`, "$1 loop"},
}

// differences are the lines that are not the same, and why they need not be. A line that is
// in one of the files alone stands beside "".
var differences = []struct{ runner, loop, why string }{
	{"	slot   int32        // its index in what poll is handed", "	gen    uint32       // tells it from others that have had its descriptor's number",
		"poll is handed a list; an event of epoll's may be about a descriptor's former owner"},
	{"", "	asked  kind         // over io_uring: the requests of it that are under way", "only a loop can be over io_uring"},
	{"", "	notes  note         // and what else is known of it", "the same"},
	{"", "	if l.uring != nil && l.uring.send(s, want) {", "the same"},
	{"", "		return false", "the same"},
	{"", "	}", "the same"},
	{"", "	} else if s.asked&askBytes != 0 {", "what has come may lie with the kernel's loop still: the receive is ended, and then it is read"},
	{"", "		l.uring.cancel(askBytes, s.fd)", "the same"},
	{"	l.load.Add(1)", "", "a runner's connections are counted by the acceptor, which gives them to it"},
	{"	l.load.Add(-1)", "	l.open--", "the acceptor looks at a runner's load; nobody looks into a loop"},
	{"	if l.load.Load() > 0 {", "	if l.open > 0 {", "the same"},
	{"	n, err := sysnet.Read(int(s.fd), s.Recv())", "	n, err := sysnet.ReadNow(int(s.fd), s.Recv())",
		"a loop does not tell Go's scheduler of calls that do not wait: that is chapter 7's"},
}

func lines(t *testing.T, file string) []string {
	// By a path through this folder that is not cleaned: the go command repeats a test that passed
	// only when a file changed that it opened below its own module, and goes by the path's letters.
	here, err := os.Getwd()
	require.NoError(t, err)
	text, err := os.ReadFile(here + "/" + file)
	require.NoError(t, err)
	return strings.Split(string(text), "\n")
}

func TestRunnersAndLoopsHandleASocketInTheSameWords(t *testing.T) {
	ours, theirs := lines(t, runner), lines(t, loop)
	for i := range ours {
		for _, n := range names {
			ours[i] = regexp.MustCompile(n.runner).ReplaceAllString(ours[i], n.loop)
		}
	}
	used := make([]bool, len(differences))
	for len(ours) > 0 && len(theirs) > 0 {
		if ours[0] == theirs[0] {
			ours, theirs = ours[1:], theirs[1:]
			continue
		}
		i := listed(ours[0], theirs[0])
		require.GreaterOrEqual(t, i, 0, "stage 2 has\n%s\nwhere stage 3 has\n%s", ours[0], theirs[0])
		used[i] = true
		if differences[i].runner != "" {
			ours = ours[1:]
		}
		if differences[i].loop != "" {
			theirs = theirs[1:]
		}
	}
	require.Empty(t, ours)
	require.Empty(t, theirs)
	for i, d := range differences {
		require.True(t, used[i], "no longer a difference: %s", d.runner)
	}
}

// listed is the difference that these two lines are, or -1.
func listed(ours, theirs string) int {
	for i, d := range differences {
		if d.runner == ours && (d.loop == theirs || d.loop == "") || d.runner == "" && d.loop == theirs {
			return i
		}
	}
	return -1
}
