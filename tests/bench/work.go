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
	echoes      bool                                        // what comes back is what was sent, and not a file
	upstream    func(*bench, *work, place) (*behind, error) // starts whom the server passes on to; nil where it answers by itself
	measure     func(*bench, *work, *running) (figures, error)
	columns     []column
}

// duty is what a work wants of a server.
type duty int

const (
	serving  duty = iota // files
	proxying             // requests, passed on to an upstream
	relaying             // connections, passed on
)

func (w *work) duty() duty {
	switch {
	case w.relays:
		return relaying
	case w.upstream != nil:
		return proxying
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

// note is what stands beside the figures of a work, or empty.
func (w *work) note() string {
	if w.upstream != nil {
		return "the upstream is one fast server, whose processor time is not counted"
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
)

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

// short writes thousands as k.
func short(n int) string {
	text := fmt.Sprint(n)
	if thousands, ok := strings.CutSuffix(text, "000"); ok {
		return thousands + "k"
	}
	return text
}
