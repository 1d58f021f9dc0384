package behaviour

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// Attacks, and what good clients notice of them.
//
// Each attack runs beside a crowd of good clients that ask for small files, from addresses
// of their own: a loopback network has 16 million. What the crowd has to wait is measured
// in the same run without the attack and under it, and logged. It is not asserted here:
// tests share their machine with others, and a figure would tell of those. Asserted is what
// holds however slow all is: every good client gets its answer, the attackers get what they
// are meant to get, the counters of /health agree with what clients saw, and the server is
// afterwards as it was before. [AttackRatios] measures with the machine to itself, and asserts.

// attack is one of them. A benchmark runs it as well as a test.
type attack struct {
	name string
	run  func(testing.TB)
	reach
}

// busyAttacks use all the processor they get. They run one at a time.
func busyAttacks() []attack {
	return []attack{
		{"FloodFromOneAddress", floodFromOneAddress, everywhere},
		{"FloodFromManyAddresses", floodFromManyAddresses, everywhere},
		{"GiantPipelines", giantPipelines, perDriver("sockets")},
		{"RangesOfDeath", rangesOfDeath, perDriver("sendfile")},
		{"GzipOfManyFiles", gzipOfManyFiles, perDriver("offload")},
		{"FloodOfHandshakes", floodOfHandshakes, perDriver("offload")},
	}
}

// slowAttacks mostly wait.
func slowAttacks() []attack {
	return []attack{
		{"HoardedConnections", hoardedConnections, everywhere},
		{"SlowHeads", slowHeads, perDriver("timers")},
		{"SlowBodies", slowBodies, perDriver("timers")},
		{"SlowReaders", slowReaders, perDriver("timers")},
		{"HandshakesThatStall", handshakesThatStall, perDriver("timers")},
	}
}

// loneAttacks are all that run one at a time, and patientAttacks all others. A benchmark runs those
// among them alone that are judged by how good clients fare.
func loneAttacks() []attack {
	return append(busyAttacks(), attack{"FloodLowersTheRate", floodLowersTheRate, everywhere})
}

func patientAttacks() []attack {
	return append(slowAttacks(),
		attack{"ABanEnds", aBanEnds, perProcess("limiter")},
		attack{"LogInjection", logInjection, perProcess("logging")})
}

// Attacks runs every attack: first those that nothing else runs beside, and then the others, which
// mostly wait.
func Attacks(t *testing.T) {
	oneAddress(t)
	for _, a := range loneAttacks() {
		t.Run(a.name, func(t *testing.T) {
			a.skipElsewhere(t, a.name)
			a.run(t)
		})
	}
	t.Parallel()
	patient := patientAttacks()
	if oneThreadEach() {
		patient = append(patient, attack{"TenSlowClientsHoldTenThreads", tenSlowClients, everywhere})
	}
	for _, a := range patient {
		t.Run(a.name, func(t *testing.T) {
			a.skipElsewhere(t, a.name)
			t.Parallel()
			a.run(t)
		})
	}
}

// oneAddress skips the test of an attack where clients cannot have addresses of their own.
func oneAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.66.0.1:0")
	if err != nil {
		t.Skip("this system has one loopback address only: ", err)
	}
	l.Close()
}

// worstRatio is how many times as long a good client may wait under attack, and tries how
// often that is measured before it counts: a virtual machine may stand still for
// milliseconds, which only ever adds.
const (
	worstRatio = 2
	tries      = 3
)

// queueMemory and queueDisk are how many bytes a besieged proxy keeps for a slow reader at most: in
// memory, most of which is on its way into the file, and in the file.
const (
	queueMemory = 1 << 20
	queueDisk   = 1 << 20
)

// busyShare is the share of a benchmark's two processors that other programs may have had for what
// it found to count.
const busyShare = 0.1

// lastRatio is what the last attack of a benchmark told, and lastOthers the share of its processors
// that others had meanwhile. They run one at a time.
var lastRatio, lastOthers float64

// siege is a server with its crowd, and how it was before the attack.
type siege struct {
	t testing.TB
	*harness.Server
	secured     string // its address for TLS, if it has one: then the crowd asks there
	root        string // the folder served
	crowd       *crowd
	calm        fare
	began       int  // answers to the crowd when the attack began
	asked       int  // requests for /health
	told        bool // how it fared under attack
	since       time.Time
	others      time.Duration // that other programs had used by then; since and others are a benchmark's
	descriptors int
	memory      int // KiB
}

// besiege starts the stage and gathers the crowd. Nobody is exempt from the limits of one
// address. attackers is how many connections they will have at once; files come into the
// served folder beside the crowd's.
func besiege(t testing.TB, attackers int, files map[string]string, flags ...string) *siege {
	root := rootWithUploads(t)
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o644))
	}
	write(filepath.Base(smallFile), smallText)
	for name, text := range files {
		write(name, text)
	}
	// The crowd's clients and some who ask for /health come on top.
	flags = append(append(flags, room(attackers+crowdSize+8)...), "-root", root, "-adaptive", "off")
	if !slices.Contains(flags, "-rate-exempt") {
		flags = append(flags, "-rate-exempt", "none")
	}
	if harness.Through() {
		flags = append(flags, "-proxy-buffer", "64", "-proxy-spill", fmt.Sprint(queueDisk>>20))
	}
	a := &siege{t: t, root: root}
	if b, ok := t.(*testing.B); ok {
		a.Server = serverApart(b, flags...)
	} else {
		a.Server = harness.Start(t, flags...)
	}
	addr := a.Addr
	if slices.Contains(flags, "-tls-listen") {
		a.secured = SecuredOn(t, a.Server)
		addr = byTLS + a.secured
	}
	a.crowd = gather(t, addr)
	a.crowd.await(t, answersEach(t)/10) // threads exist, files are in the cache
	return a
}

// answersEach is how many answers to the crowd a stretch is judged by.
func answersEach(t testing.TB) int {
	if _, ok := t.(*testing.B); ok {
		return 2500
	}
	return 200
}

// attack begins: what the server uses and how the crowd fares is noted.
func (a *siege) attack() {
	if b, ok := a.t.(*testing.B); ok {
		a.since, a.others = time.Now(), othersUsed(b)
	}
	from := a.crowd.answered()
	a.crowd.await(a.t, from+answersEach(a.t))
	a.calm = a.crowd.since(from)
	a.descriptors, a.memory = ownDescriptors(a.t, a.Server), a.Memory(a.t)
	a.began = a.crowd.answered()
}

// goesOn reports whether the attack has not lasted long enough yet to judge by the crowd.
func (a *siege) goesOn() bool { return a.crowd.answered() < a.began+answersEach(a.t) }

// grown is what the server's memory has grown by since the attack began, in KiB. A program
// with the race detector is not to be judged by that.
func (a *siege) grown() int {
	if harness.Race() {
		return 0
	}
	return a.Memory(a.t) - a.memory
}

// over ends the attack when it has lasted long enough: the crowd tells, and goes home.
// Whoever attacked must have closed all connections. Then there are none, and no more
// descriptors than before.
func (a *siege) over() {
	a.t.Helper()
	a.crowd.await(a.t, a.began+answersEach(a.t))
	a.tell()
	a.crowd.disperse()
	harness.Eventually(a.t, "all connections have ended", func() bool { return a.health().Connections.Active == 1 })
	harness.Eventually(a.t, "descriptors are as before", func() bool {
		return ownDescriptors(a.t, a.Server) <= a.descriptors
	})
}

// tell says, once, how the crowd has fared since the attack began.
func (a *siege) tell() {
	a.t.Helper()
	if a.told {
		return
	}
	a.told = true
	under := a.crowd.since(a.began)
	ratio := float64(under.p99) / float64(a.calm.p99)
	a.t.Logf("good clients without the attack: %v; under it: %v; p99 x %.2f", a.calm, under, ratio)
	if b, ok := a.t.(*testing.B); ok {
		b.ReportMetric(float64(a.calm.p99.Microseconds()), "calm-p99-µs")
		b.ReportMetric(float64(under.p99.Microseconds()), "attack-p99-µs")
		b.ReportMetric(ratio, "p99-ratio")
		lastRatio = ratio
		const processors = 2
		lastOthers = (othersUsed(b) - a.others).Seconds() / (processors * time.Since(a.since).Seconds())
		b.ReportMetric(100*lastOthers, "others-%")
	}
}

// health is what the attacks look at of /health.
type health struct {
	Connections struct{ Active int }
	Requests    struct{ Total, Dropped, Blocked int }
	Mitigations int `json:"ddos_mitigations"`
}

// health asks for it, each time from another address: this is not to be limited either.
func (a *siege) health() (h health) {
	a.t.Helper()
	c, err := connect(a.Addr, fmt.Sprintf("127.200.%d.%d", a.asked/250, a.asked%250+1))
	require.NoError(a.t, err)
	defer c.Close()
	a.asked++
	_, body, err := request(c, newReader(c), "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	require.NoError(a.t, err)
	require.NoError(a.t, json.Unmarshal(body, &h), "%q", body)
	return h
}

// logged wants so many lines of the server's log to give this reason.
func (a *siege) logged(n int, reason string) {
	a.t.Helper()
	harness.Eventually(a.t, fmt.Sprintf("%d lines say %s", n, reason), func() bool {
		return a.Log.Count("reason="+reason+" ")+a.Log.Count("reason="+reason+"\n") == n
	})
}
