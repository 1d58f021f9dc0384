package conformance

// A case that cannot fail judges nothing. This test demands of every case, and of each
// thing that its row expects, a proof that it can fail: an edit of what a sound server
// sends (package flawed) of which it complains.
//
// A new case needs nothing here as long as it notices one of the edits. Where it does not,
// the test names the case and what of it cannot fail: look at the case first, and add an
// edit second.

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/tests/conformance/internal/flawed"
)

// provenAtOnce bounds how many cases are played at a time. Some wait for seconds.
const provenAtOnce = 24

// framing is the fields without which an answer cannot be read, and Date, which other
// checks compare with.
var framing = []string{"Content-Length", "Transfer-Encoding", "Connection", "Date"}

// edits is tried in this order. The first ones are noticed by nearly every case.
var edits = []flawed.Edit{
	{Name: "answers with another status", Head: func(h *flawed.Head) string {
		if h.Status < "400" {
			return withStatus(h, "418")
		}
		return withStatus(h, "200")
	}},
	{Name: "answers once too often", Extra: true},
	{Name: "sends another body", Body: func(b []byte) {
		for i := range b {
			b[i] ^= 1
		}
	}},
	{Name: "leaves fields out", Head: func(h *flawed.Head) string {
		h.Drop(func(name string) bool { return !slices.Contains(framing, name) })
		return ""
	}},
	{Name: "sends fields that should not be there", Head: func(h *flawed.Head) string {
		for _, name := range []string{"Content-Disposition", "Content-Encoding", "Content-Range", "X-Injected"} {
			h.Add(name, "x")
		}
		h.Set("Access-Control-Allow-Origin", "*")
		h.Add("Location", "http://elsewhere.example/")
		return ""
	}},
	{Name: "sends other values", Head: func(h *flawed.Head) string {
		for i, f := range h.Fields {
			if !slices.Contains(framing, f[0]) {
				h.Fields[i][1] = "x" + f[1] + ", GET"
			}
		}
		return ""
	}},
	{Name: "says nothing of the connection", Head: func(h *flawed.Head) string {
		h.Drop(func(name string) bool { return name == "Connection" })
		return ""
	}},
	{Name: "has a longer body", Head: longerBody},
	{Name: "fails", Head: func(h *flawed.Head) string { return withStatus(h, "500") }},
	{Name: "tells what it should not", Body: func(b []byte) {
		const told = ` <script>alert go1. /site no such file c2VjcmV0 src="`
		copy(b, strings.Repeat(told, len(b)/len(told)+1))
	}},
	{Name: "knows no chunks", Head: func(h *flawed.Head) string {
		h.Drop(func(name string) bool { return name == "Transfer-Encoding" })
		return ""
	}, Closes: true},
	{Name: "sends without end", Endless: true},
}

// firstEdit names the edit for cases that wait for so long that only one of the edits
// should be tried.
var firstEdit = map[string]string{
	"timeout/slow-reader": "sends without end",
}

// withStatus gives an answer another status, with which it can be read on.
func withStatus(h *flawed.Head, status string) string {
	h.Status = status
	if h.Get("Transfer-Encoding") == "" {
		h.Add("Content-Length", "0")
	}
	return ""
}

// longerBody puts something before each body, and in its place where there is none.
func longerBody(h *flawed.Head) string {
	stray := strings.Repeat("stray ", 1000)
	if h.Get("Transfer-Encoding") != "" {
		return strconv.FormatInt(int64(len(stray)), 16) + "\r\n" + stray + "\r\n"
	}
	for i, f := range h.Fields {
		if n, err := strconv.Atoi(f[1]); err == nil && f[0] == "Content-Length" {
			h.Fields[i][1] = strconv.Itoa(n + len(stray))
		}
	}
	return stray
}

func TestEveryCaseCanFail(t *testing.T) {
	t.Parallel()
	suite, err := New(Target{Cmd: []string{build(t, "fourways/stage2-poll"), "--port", "{port}", "--root", "{root}"}, Args: FourWays})
	require.NoError(t, err)
	defer suite.Close()
	unedited, edited := startRelay(t, suite, flawed.Edit{}), make([]map[Variant]*server, len(edits))
	for i, e := range edits {
		edited[i] = startRelay(t, suite, e)
	}
	cases := Cases()
	proofs := make([]proof, len(cases))
	slots := make(chan struct{}, provenAtOnce)
	var all sync.WaitGroup
	for i := range cases {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			c := &cases[i]
			without := play(unedited[c.variant], c, Whole).faults
			proofs[i] = prove(c, func(e int) *exchange { return play(edited[e][c.variant], c, Whole) })
			proofs[i].without = without
		})
	}
	all.Wait()
	needed := map[string]bool{}
	for i, c := range cases {
		if len(proofs[i].without) > 0 { // beside so many others it may have waited too long
			proofs[i].without = play(unedited[c.variant], &cases[i], Whole).faults
		}
		maps.Copy(needed, proofs[i].by)
		for _, e := range proofs[i].missing {
			assert.Fail(t, "a case cannot fail", "%s: %s", c.ID, e)
		}
		assert.Empty(t, proofs[i].without, "%s fails on a sound server", c.ID)
	}
	require.Empty(t, suite.Finish(), "the sound server is not")
	for _, e := range edits {
		assert.True(t, needed[e.Name], "an edit proves nothing: a server that %s", e.Name)
	}
}

// startRelay puts relays with an edit before the servers of all variants.
func startRelay(t *testing.T, suite *Suite, e flawed.Edit) map[Variant]*server {
	t.Helper()
	relays := map[Variant]*server{}
	for v := range FourWays {
		sound, err := suite.server(v)
		require.NoError(t, err)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { l.Close() })
		go (&flawed.Relay{To: sound.addr, Edit: e}).Serve(l)
		relays[v] = sound.behind(l.Addr().String())
	}
	return relays
}

// behind is the same server, reached by a relay.
func (s *server) behind(relay string) *server {
	r := newServer(s.variant, s.addr, s.root)
	r.relay, r.house, r.cmd, r.exited = relay, s.house, s.cmd, s.exited
	return r
}

// proof is what is known of a case.
type proof struct {
	missing []expectation   // were never seen to fail
	by      map[string]bool // the names of the edits that proved something
	without []Fault         // what the case complains of without an edit
}

// prove plays a case with one edit after the other, until each of its expectations has
// been seen to fail. What every case complains of proves nothing of this one.
func prove(c *Case, play func(edit int) *exchange) proof {
	p := proof{missing: c.expectations(), by: map[string]bool{}}
	for i, edit := range edits {
		if len(p.missing) == 0 {
			break
		}
		if first := firstEdit[c.ID]; first != "" && first != edit.Name {
			continue
		}
		faults := play(i).faults
		before := len(p.missing)
		p.missing = slices.DeleteFunc(p.missing, func(e expectation) bool {
			return slices.ContainsFunc(faults, func(f Fault) bool { return f.wish == e && !f.Wide })
		})
		if len(p.missing) < before {
			p.by[edit.Name] = true
		}
	}
	return p
}
