package proxy

// Bytes that went by a pipe and bytes that were copied are the same bytes: one script, of what both
// sides say and of how much they take, is played with pipes and without, and neither side may see a
// difference.
//
// A script is a list of numbers. The first says what passes, and each of the others has one thing
// happen. What must not be done: no step may depend on whether there are pipes.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/machine/machinetest"
	"fourways/shared/spill"
)

// steps is how many a script has at most.
const steps = 40

// bodies are what passes: what the client asks, and how the target's answer begins.
var bodies = [][2]string{
	{get, pipedAnswer},
	{get, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 300_000)},
	{get, chunked},
	{get, "HTTP/1.1 200 OK\r\n\r\n"},
	{"GET /x HTTP/1.0\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"},
	{upgrade, switched},
	{"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\n\r\n", ""},
	{get + get, hello + pipedAnswer},
}

// played is what there is to be seen of a script.
type played struct {
	client, target string // what they have got
	ends           string // what has become of them
	filled, lent   int    // pipes
}

// play plays a script with so many pipes.
func play(t testing.TB, script []byte, most int) played {
	r := newRig(t, false, func(s *setting) {
		s.queues = spill.Config{Memory: 128 << 10}
		s.up.TunnelTimeout = 3600 * clock.Second
	})
	pipes := r.Pipes(most)
	if r.thread.Pipes = pipes; most == 0 {
		r.thread.Pipes = nil
	}
	kind := 0
	if len(script) > 0 {
		kind, script = int(script[0])%len(bodies), script[1:]
	}
	r.send(r.client, bodies[kind][0])
	target := r.target()
	r.send(target, bodies[kind][1])
	ended := map[*machinetest.Socket]bool{}
	for i := 0; i < steps && len(script) >= 3; i++ {
		happens(r, target, ended, script[0], int(binary.BigEndian.Uint16(script[1:]))*2)
		script = script[3:]
		require.Zero(t, pipes.Lent, "what does not leave at once is in no pipe")
	}
	r.client.Room, target.Room = -1, -1
	r.Run()
	return played{string(r.client.Got), string(target.Got), stateOf(r.client) + " " + stateOf(target) + fmt.Sprint(r.ev.refused, r.targets()), pipes.Filled, pipes.Lent}
}

// happens has one thing happen, with n bytes where it is about some. A side that has ended says
// nothing more.
func happens(r *rig, target *machinetest.Socket, ended map[*machinetest.Socket]bool, what byte, n int) {
	says := func(s *machinetest.Socket, n int) {
		if !ended[s] {
			speaks(s, n)
		}
	}
	switch what % 16 {
	case 0, 1, 2, 3, 4:
		says(target, n)
	case 5, 6:
		says(r.client, n)
	case 7, 8:
		r.client.Room = int64(n)
	case 9:
		r.client.Room = -1
	case 10:
		target.Room = int64(n)
	case 11:
		target.Room = -1
	case 12:
		r.thread.Clock.Set(r.thread.Clock.Now()+clock.Time(n)*clock.Millisecond/64, 1e18)
	case 13:
		target.End()
		ended[target] = true
	case 14:
		r.client.End()
		ended[r.client] = true
	case 15:
		if n%8 != 0 {
			says(target, n%100)
		} else if !ended[target] {
			target.Break()
		}
	}
	r.Run()
}

// speaks has a side say n bytes more, in pieces as they may come at once, which differ.
func speaks(s *machinetest.Socket, n int) {
	const piece = 80_000
	for ; n > 0; n -= piece {
		p := bytes.Repeat([]byte{byte(n), byte(n >> 8), byte(n >> 16), '.'}, min(n, piece)/4+1)
		s.Send(string(p[:min(n, piece)]))
	}
}

// alike plays a script in both ways, and returns what there is to be seen of it with pipes.
func alike(t testing.TB, script []byte) played {
	t.Helper()
	copied, piped := play(t, script, 0), play(t, script, 1+len(script)%2)
	// How long the client of a cut answer is waited for depends on how much of it has left.
	cut := strings.HasPrefix(copied.ends, "reset") || strings.Contains(copied.ends, fault.UpstreamCut.String())
	how, others, _ := strings.Cut(copied.ends, " ")
	pipedHow, pipedOthers, _ := strings.Cut(piped.ends, " ")
	require.Equal(t, others, pipedOthers)
	if !cut || pipedHow == "open" {
		require.Equal(t, how, pipedHow)
	}
	likeness(t, copied.client, piped.client, "the client", cut)
	likeness(t, copied.target, piped.target, "the target", strings.Contains(copied.ends, " reset"))
	require.Zero(t, piped.lent)
	return piped
}

// likeness says that a side gets the same in both ways. Of what is cut the beginnings are the same:
// an end that comes too early is heard while the queue has room, and drops what has not left.
func likeness(t testing.TB, copied, piped, side string, cut bool) {
	t.Helper()
	if n := min(len(copied), len(piped)); cut {
		copied, piped = copied[:n], piped[:n]
	}
	require.True(t, copied == piped, "%d bytes for %s where %d were copied", len(piped), side, len(copied))
}

// scripts are some to begin with. In half of them nothing ends.
func scripts() (all [][]byte) {
	for seed := range byte(2 * len(bodies)) {
		b := make([]byte, 1+3*steps+int(seed/2)%2)
		rand.NewChaCha8([32]byte{seed, 9}).Read(b)
		b[0] = seed / 2
		for i := 1; i < len(b) && seed%2 > 0; i += 3 {
			b[i] %= 13
		}
		all = append(all, b)
	}
	// More comes at once than the answer has left: 100,000 bytes twice, then 131,070 for 100,000.
	return append(all, []byte{1, 0, 0xc3, 0x50, 0, 0xc3, 0x50, 0, 0xff, 0xff})
}

func TestPipesChangeNothing(t *testing.T) {
	filled := 0
	for _, b := range scripts() {
		filled += alike(t, b).filled
	}
	require.Positive(t, filled)
}

func FuzzPipes(f *testing.F) {
	for _, b := range scripts() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { alike(t, b) })
}
