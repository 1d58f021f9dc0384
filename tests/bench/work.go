//go:build linux

package main

// The kinds of work and their columns: tables that nothing changes after the start.
//
// The keys of figures are the names in the JSON and say their unit. What must not be done: a key
// must not get another meaning, or older results are compared with something else.

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"strings"

	"fourways/tests/bench/client"
)

// What the works are made of.
const (
	smallConns   = 64  // connections of a load
	pipelineDeep = 16  // requests sent at once
	bulkConns    = 4   // connections that take large bodies
	goodConns    = 32  // clients beside slow ones
	slowConns    = 500 // slow ones
	midConns     = 16  // connections that take bodies of 64 KiB
	idleConns    = 10_000

	handshakeConns = 16 // connections at a time where each is a new one by TLS
)

// idleCurve are the idle connections at which idle-rate measures, fewest first.
var idleCurve = []int{0, 1_000, 5_000, idleConns}

// sizes are the files of the site, in bytes.
var sizes = map[string]int{
	"1k.html":   1 << 10,
	"16k.html":  16 << 10,
	"64k.html":  64 << 10,
	"1m.html":   1 << 20,
	"16m.html":  16 << 20,
	"100m.html": 100 << 20,
}

// work is a kind of work: what clients do, and what is looked at.
type work struct {
	name, title string
	file        string                                      // asked for
	conns       int                                         // connections that the generator uses
	others      int                                         // connections beside those that want the server's attention
	closes      bool                                        // a new connection for each request
	deep        int                                         // requests sent at once, if more than 1
	idle        bool                                        // thousands of connections stay idle
	tls         *terms                                      // nil where connections are plain
	floor       string                                      // whose cost the others' are compared with; limit where it is empty
	relays      bool                                        // passes connections on, and not requests
	crowd       bool                                        // more clients than can be served, who may be refused
	mixed       bool                                        // files of several sizes in turn, beside the one
	uploads     bool                                        // requests bring a body
	echoes      bool                                        // what comes back is what was sent, and not a file
	upstream    func(*bench, *work, place) (*behind, error) // starts whom the server passes on to; nil where it answers by itself
	measure     func(*bench, *work, *running) (figures, error)
	columns     []column
}

// duty is what a work wants of a server.
type duty int

const (
	serving  duty = iota // files
	storing              // uploads
	proxying             // requests, passed on to an upstream
	relaying             // connections, passed on
)

func (w *work) duty() duty {
	switch {
	case w.relays:
		return relaying
	case w.upstream != nil:
		return proxying
	case w.uploads:
		return storing
	}
	return serving
}

// floorName is whose cost the others' are compared with.
func (w *work) floorName() string { return cmp.Or(w.floor, limitName) }

// terms are what every connection of a work by TLS comes to.
type terms struct {
	version uint16
	group   tls.CurveID
	resumes bool // sessions
}

// The terms of the works. OpenSSL 3.0 has no group but those of before, so all works but one have
// the one that is common to all servers.
var (
	full      = &terms{version: tls.VersionTLS13, group: tls.X25519}
	resumed   = &terms{version: tls.VersionTLS13, group: tls.X25519, resumes: true}
	resumed12 = &terms{version: tls.VersionTLS12, group: tls.X25519, resumes: true}
	hybrid    = &terms{version: tls.VersionTLS13, group: tls.X25519MLKEM768}
)

// notes are those of single works.
var notes = map[string]string{
	"open": fmt.Sprintf("Requests leave at a constant rate, and latency counts from the moment at which each was meant to. Then the server is stopped for a %dth of the time. "+
		"Of that, the closed loop sees one slow answer on each connection, and its p99 hardly moves: it stops asking while it waits, and omits all that would have come (coordinated omission). "+
		"The open loop sees what its clients would have.", stopShare),
	"overload": fmt.Sprintf("Clients that are refused (503, or no answer) come again after 100 ms. Stage 1 is as it comes, with %d threads, a queue of 50 and 100 requests a connection; the others have no limit. Kept is the rate of answers, of that with %d clients.", crowdThreads, crowdBase),
	"uploads":  "Each answer means that the file is whole and on the disk: written under another name, flushed, renamed, the folder flushed. The folder is in memory (/dev/shm) where there is one. Only the stages and net/http are asked: the others store no uploads by themselves.",
	"mixed":    "Of 20 requests 14 are for 1 KiB, 4 for 16 KiB, one for 64 KiB and one for 1 MiB.",
	"hey":      "hey is a slow generator, and shares out its processor by itself: the rates are its own. It is here because everybody has it.",
}

// note is what stands beside the figures of a work, or empty.
func (w *work) note() string {
	if w.upstream != nil {
		return "the upstream is one fast server, whose processor time is not counted"
	}
	if text := notes[w.name]; text != "" {
		return text
	}
	switch w.tls {
	case nil:
		return ""
	case hybrid:
		return "clients offer X25519MLKEM768 alone, which OpenSSL 3.0 has not"
	}
	return "clients offer X25519 alone: OpenSSL 3.0 has no hybrid group, and is slow at handshakes"
}

// connections are all that want a thread where each has its own.
func (w *work) connections() int { return w.conns + w.others }

// works are all kinds of work, in the order of the tables.
var works = []*work{
	{
		name: "small", title: fmt.Sprintf("1 KiB, keep-alive, %d connections", smallConns),
		file: "1k.html", conns: smallConns, measure: (*bench).measureLoad, columns: requestColumns,
	},
	{
		name: "pipelined", title: fmt.Sprintf("1 KiB, %d connections, %d requests pipelined", smallConns, pipelineDeep),
		file: "1k.html", conns: smallConns, deep: pipelineDeep, measure: (*bench).measureLoad, columns: requestColumns,
	},
	{
		name: "new", title: fmt.Sprintf("1 KiB, a new connection each, %d at a time", smallConns),
		file: "1k.html", conns: smallConns, closes: true, measure: (*bench).measureLoad, columns: requestColumns,
	},
	{
		name: "16k", title: fmt.Sprintf("16 KiB, keep-alive, %d connections", smallConns),
		file: "16k.html", conns: smallConns, measure: (*bench).measureLoad, columns: requestColumns,
	},
	{
		name: "one", title: "1 KiB, keep-alive, one connection",
		file: "1k.html", conns: 1, measure: (*bench).measureLoad, columns: requestColumns,
	},
	{
		name: "curve", title: fmt.Sprintf("1 KiB, keep-alive, %s connections", enumerate(connsCurve)),
		file: "1k.html", conns: 1000, measure: (*bench).measureCurve, columns: connsColumns(),
	},
	{
		name: "mixed", title: fmt.Sprintf("1 KiB to 1 MiB, keep-alive, %d connections", smallConns),
		file: "1k.html", conns: smallConns, mixed: true, measure: (*bench).measureMixed, columns: mixedColumns,
	},
	{
		name: "open", title: fmt.Sprintf("1 KiB, %d requests a second whatever the server does, %d connections", openRate, smallConns),
		file: "1k.html", conns: smallConns, measure: (*bench).measureOpen, columns: openColumns,
	},
	{
		name: "overload", title: fmt.Sprintf("1 KiB, keep-alive, a crowd of %d clients", crowdConns),
		file: "1k.html", conns: crowdConns, crowd: true, measure: (*bench).measureOverload, columns: crowdColumns,
	},
	{
		name: "uploads", title: fmt.Sprintf("uploads of 1 KiB of JSON, keep-alive, %d connections", midConns),
		file: "1k.html", conns: midConns, uploads: true, measure: (*bench).measureUploads, columns: requestColumns,
	},
	{
		name: "hey", title: fmt.Sprintf("1 KiB, keep-alive, %d connections of hey", heyConns),
		file: "1k.html", conns: heyConns, measure: (*bench).measureHey, columns: requestColumns,
	},
	{
		name: "1m", title: fmt.Sprintf("1 MiB, %d connections, discarded in the kernel", bulkConns),
		file: "1m.html", conns: bulkConns, measure: (*bench).measureBulk, columns: bulkColumns,
	},
	{
		name: "100m", title: fmt.Sprintf("100 MiB, %d connections, discarded in the kernel", bulkConns),
		file: "100m.html", conns: bulkConns, measure: (*bench).measureBulk, columns: bulkColumns,
	},
	{
		name: "idle-memory", title: "memory with idle connections",
		file: "1k.html", idle: true, measure: (*bench).measureIdleMemory, columns: memoryColumns,
	},
	{
		name: "idle-rate", title: fmt.Sprintf("1 KiB, keep-alive, %d connections beside idle ones", smallConns),
		file: "1k.html", conns: smallConns, idle: true, measure: (*bench).measureIdleRate, columns: curveColumns(),
	},
	{
		name: "slow", title: fmt.Sprintf("1 KiB, keep-alive, %d good clients beside %d slow ones", goodConns, slowConns),
		file: "1k.html", conns: goodConns, others: slowConns, measure: (*bench).measureSlow, columns: slowColumns,
	},
	{
		name: "tls-full", title: fmt.Sprintf("TLS 1.3, a whole handshake (ECDSA P-256), 1 KiB and the end, %d at a time", handshakeConns),
		file: "1k.html", conns: handshakeConns, closes: true, tls: full, measure: (*bench).measureAsk, columns: handshakeColumns,
	},
	{
		name: "tls-resumed", title: fmt.Sprintf("TLS 1.3, a resumed handshake, 1 KiB and the end, %d at a time", handshakeConns),
		file: "1k.html", conns: handshakeConns, closes: true, tls: resumed, measure: (*bench).measureAsk, columns: handshakeColumns,
	},
	{
		name: "tls-resumed12", title: fmt.Sprintf("TLS 1.2, a resumed handshake, 1 KiB and the end, %d at a time", handshakeConns),
		file: "1k.html", conns: handshakeConns, closes: true, tls: resumed12, measure: (*bench).measureAsk, columns: handshakeColumns,
	},
	{
		name: "tls-small", title: fmt.Sprintf("TLS 1.3, 1 KiB, keep-alive, %d connections", smallConns),
		file: "1k.html", conns: smallConns, tls: full, measure: (*bench).measureAsk, columns: requestColumns,
	},
	{
		name: "tls-1m", title: fmt.Sprintf("TLS 1.3, 1 MiB, %d connections", bulkConns),
		file: "1m.html", conns: bulkConns, tls: full, measure: (*bench).measureAskBulk, columns: bulkColumns,
	},
	{
		name: "tls-idle", title: "TLS 1.3, memory with idle connections",
		file: "1k.html", idle: true, tls: full, measure: (*bench).measureIdleMemory, columns: memoryColumns,
	},
	{
		name: "tls-idle-hybrid", title: "TLS 1.3 with the hybrid group, memory with idle connections",
		file: "1k.html", idle: true, tls: hybrid, measure: (*bench).measureIdleMemory, columns: memoryColumns,
	},
	{
		name: "proxy-small", title: fmt.Sprintf("1 KiB, passed on, keep-alive on both sides, %d connections", smallConns),
		file: "1k.html", conns: smallConns, floor: floorCopy, upstream: (*bench).cannedUpstream, measure: (*bench).measureLoad, columns: requestColumns,
	},
	{
		name: "proxy-new", title: fmt.Sprintf("1 KiB, passed on, a new connection of the client each, %d at a time", smallConns),
		file: "1k.html", conns: smallConns, closes: true, floor: floorCopy, upstream: (*bench).cannedUpstream, measure: (*bench).measureLoad, columns: requestColumns,
	},
	{
		name: "proxy-64k", title: fmt.Sprintf("64 KiB, passed on, %d connections, discarded in the kernel", midConns),
		file: "64k.html", conns: midConns, floor: floorCopy, upstream: (*bench).cannedUpstream, measure: (*bench).measureBulk, columns: bulkColumns,
	},
	{
		name: "proxy-1m", title: fmt.Sprintf("1 MiB, passed on, %d connections, discarded in the kernel", bulkConns),
		file: "1m.html", conns: bulkConns, floor: floorSplice, upstream: (*bench).cannedUpstream, measure: (*bench).measureBulk, columns: bulkColumns,
	},
	{
		name: "proxy-idle", title: "memory with idle clients, each of which a request was passed on for",
		file: "1k.html", idle: true, floor: floorCopy, upstream: (*bench).cannedUpstream, measure: (*bench).measureIdleMemory, columns: memoryColumns,
	},
	{
		name: "held", title: "16 MiB, passed on: how long it holds the upstream for a client of 10 KB/s, and for a fast one",
		file: "16m.html", conns: 1, floor: floorCopy, upstream: (*bench).lendingUpstream, measure: (*bench).measureHeld, columns: heldColumns,
	},
	{
		name: "relay-bulk", title: fmt.Sprintf("100 MiB through a relay, %d connections, discarded in the kernel", bulkConns),
		file: "100m.html", conns: bulkConns, floor: floorSplice, relays: true, upstream: (*bench).cannedUpstream, measure: (*bench).measureBulk, columns: bulkColumns,
	},
	{
		name: "relay-pingpong", title: fmt.Sprintf("%d bytes there and back through a relay, %d connections", client.MessageSize, smallConns),
		file: "1k.html", conns: smallConns, floor: floorCopy, relays: true, echoes: true, upstream: (*bench).echoUpstream, measure: (*bench).measurePingPong, columns: requestColumns,
	},
}

func workNames() []string {
	names := make([]string, len(works))
	for i, w := range works {
		names[i] = w.name
	}
	return names
}

// figures are what one measurement found, by the keys below. A missing key was not
// measured.
type figures map[string]float64

// Keys of figures. They are the names in the JSON too, so each says its unit.
const (
	keyRate     = "requests_per_second"
	keyP50      = "p50_us"
	keyP99      = "p99_us"
	keyCPU      = "cpu_us_per_request"
	keyCPUPerGB = "cpu_s_per_gb"
	keyGBRate   = "gb_per_second"
	keyPeak     = "peak_rss_bytes"
	keyPSS      = "pss_bytes"
	keyPerConn  = "pss_bytes_per_idle_connection"
	keyKept     = "rate_kept" // with most idle connections, of the rate with none
	keyIdle     = "idle_connections"
	keyErrors   = "errors"
	keyCut      = "slow_connections_cut"
	keyNew      = "new_connections"
	keyResumed  = "resumed_connections" // of these
	keyHeld     = "upstream_held_ms"    // by a slow client; if it is not freed, how long was waited for
	keyHeldFast = "upstream_held_by_a_fast_client_ms"
	keyHeldMore = "upstream_held_slow_by_fast" // ratio of the two
	keyTaken    = "share_taken_for_a_slow_client"

	keyUser          = "cpu_user_us_per_request" // of keyCPU, what was used outside of the kernel
	keySystem        = "cpu_system_us_per_request"
	keyP90           = "p90_us"
	keyP999          = "p999_us"
	keyGenerator     = "generator_cpu_us_per_request" // of the generator's own processor
	keyGeneratorBusy = "generator_busy"               // share of that processor
	keyUnsent        = "unsent"                       // requests of an open loop that were still here at the end
	keyStoppedOpen   = "p99_us_with_a_stop"           // of an open loop, while the server stands still for a while
	keyStoppedClosed = "p99_us_with_a_stop_closed_loop"
	keyCrowdKept     = "rate_kept_in_a_crowd" // of answers, of the rate with few clients
	keyRefused       = "refused_per_second"
)

// atConns is a key of the curve over connections.
func atConns(key string, conns int) string { return fmt.Sprintf("%s_at_%d_connections", key, conns) }

// atIdle is a key of the curve.
func atIdle(key string, idle int) string { return fmt.Sprintf("%s_at_%d_idle", key, idle) }

// verdict is which of two figures is better.
type verdict int

const (
	told   verdict = iota // neither: the figure is there to be read
	fewer                 // the lower one
	higher                // the higher one
)

// column is one of a table's.
type column struct {
	key, head string
	scale     float64 // the figure is divided by this
	decimals  int
	better    verdict
	toFloor   bool // followed by a column of its ratio to the floor
}

const mib = 1 << 20

var (
	memoryTail = []column{
		{key: keyPeak, head: "peak RSS MiB", scale: mib, decimals: 1},
		{key: keyPSS, head: "PSS MiB", scale: mib, decimals: 1},
		{key: keyErrors, head: "errors", scale: 1},
	}
	requestColumns = append([]column{
		{key: keyCPU, head: "CPU µs/req", scale: 1, decimals: 2, better: fewer, toFloor: true},
		{key: keyRate, head: "req/s", scale: 1, better: higher},
		{key: keyP50, head: "p50 µs", scale: 1},
		{key: keyP99, head: "p99 µs", scale: 1},
		{key: keyP999, head: "p99.9 µs", scale: 1},
	}, memoryTail...)
	mixedColumns = append([]column{
		{key: keyCPU, head: "CPU µs/req", scale: 1, decimals: 2, better: fewer},
		{key: keyCPUPerGB, head: "CPU s/GB", scale: 1, decimals: 4},
		{key: keyGBRate, head: "GB/s", scale: 1, decimals: 2, better: higher},
		{key: keyRate, head: "req/s", scale: 1},
		{key: keyP50, head: "p50 µs", scale: 1},
		{key: keyP99, head: "p99 µs", scale: 1},
	}, memoryTail...)
	openColumns = append([]column{
		{key: keyP50, head: "p50 µs", scale: 1},
		{key: keyP99, head: "p99 µs", scale: 1, better: fewer},
		{key: keyP999, head: "p99.9 µs", scale: 1},
		{key: keyCPU, head: "CPU µs/req", scale: 1, decimals: 2, better: fewer},
		{key: keyStoppedClosed, head: "stop, closed: p99 µs", scale: 1},
		{key: keyStoppedOpen, head: "open: p99 µs", scale: 1},
	}, memoryTail...)
	crowdColumns = append([]column{
		{key: keyCrowdKept, head: "kept", scale: 1, decimals: 2, better: higher},
		{key: keyRate, head: "answers/s", scale: 1, better: higher},
		{key: keyRefused, head: "refused/s", scale: 1},
		{key: keyCPU, head: "CPU µs/answer", scale: 1, decimals: 1},
		{key: keyP50, head: "p50 µs", scale: 1},
		{key: keyP99, head: "p99 µs", scale: 1},
	}, memoryTail...)
	handshakeColumns = append([]column{
		{key: keyCPU, head: "CPU µs/conn", scale: 1, decimals: 1, better: fewer},
		{key: keyRate, head: "conn/s", scale: 1, better: higher},
		{key: keyResumed, head: "resumed", scale: 1},
		{key: keyP50, head: "p50 µs", scale: 1},
		{key: keyP99, head: "p99 µs", scale: 1},
	}, memoryTail...)
	bulkColumns = append([]column{
		{key: keyCPUPerGB, head: "CPU s/GB", scale: 1, decimals: 4, better: fewer, toFloor: true},
		{key: keyGBRate, head: "GB/s", scale: 1, decimals: 2, better: higher},
		{key: keyRate, head: "req/s", scale: 1, decimals: 1},
		{key: keyP50, head: "p50 µs", scale: 1},
		{key: keyP99, head: "p99 µs", scale: 1},
	}, memoryTail...)
	memoryColumns = append([]column{
		{key: keyPerConn, head: "bytes/conn", scale: 1, better: fewer},
		{key: keyIdle, head: "idle", scale: 1},
	}, memoryTail...)
	heldColumns = append([]column{
		{key: keyHeldMore, head: "slow/fast", scale: 1, decimals: 1, better: fewer},
		{key: keyHeld, head: "slow ms", scale: 1, decimals: 1},
		{key: keyHeldFast, head: "fast ms", scale: 1, decimals: 1},
		{key: keyTaken, head: "taken %", scale: 0.01},
	}, memoryTail...)
	slowColumns = append([]column{
		{key: keyP99, head: "p99 µs", scale: 1, better: fewer, toFloor: true},
		{key: keyP50, head: "p50 µs", scale: 1},
		{key: keyRate, head: "req/s", scale: 1, better: higher},
		{key: keyCPU, head: "CPU µs/req", scale: 1, decimals: 2},
		{key: keyCut, head: "slow cut", scale: 1},
	}, memoryTail...)
)

// curveColumns show a figure beside itself at each number of idle connections.
func curveColumns() []column {
	var all []column
	for _, idle := range idleCurve {
		all = append(all, column{key: atIdle(keyCPU, idle), head: "µs/req@" + short(idle), scale: 1, decimals: 2, better: fewer})
	}
	for _, idle := range idleCurve {
		all = append(all, column{key: atIdle(keyRate, idle), head: "req/s@" + short(idle), scale: 1})
	}
	return append(all,
		column{key: keyKept, head: "rate kept", scale: 1, decimals: 3, better: higher},
		column{key: keyIdle, head: "idle at most", scale: 1},
		column{key: keyErrors, head: "errors", scale: 1},
	)
}

// connsColumns show a figure beside itself at each number of connections.
func connsColumns() (all []column) {
	for _, conns := range connsCurve {
		all = append(all, column{key: atConns(keyCPU, conns), head: "µs/req@" + short(conns), scale: 1, decimals: 2, better: fewer})
	}
	for _, conns := range connsCurve {
		all = append(all, column{key: atConns(keyRate, conns), head: "req/s@" + short(conns), scale: 1})
	}
	for _, conns := range connsCurve {
		all = append(all, column{key: atConns(keyP99, conns), head: "p99 µs@" + short(conns), scale: 1})
	}
	return append(all, column{key: keyErrors, head: "errors", scale: 1})
}

// enumerate writes numbers as a list.
func enumerate(all []int) string {
	words := make([]string, len(all))
	for i, n := range all {
		words[i] = short(n)
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// short writes thousands as k.
func short(n int) string {
	text := fmt.Sprint(n)
	if thousands, ok := strings.CutSuffix(text, "000"); ok {
		return thousands + "k"
	}
	return text
}
