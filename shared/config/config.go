// Package config turns a command line, the environment and a file into one Config.
//
// Every setting is one row of the table in table.go; the flags, the environment variables, the lines of the file and the
// text of -h are all made from that row, so they cannot disagree. A setting is looked for in this order and the first
// place that has it wins whole, lists too: flag, environment (FOURWAYS_MAX_HEAD), file (max-head 8192), default.
//
// What this package must not do: touch the network, look at the root folder, or print. It checks what can be known from
// the text of a value alone; whether the folder can be read or the port is free is for whoever opens it to say.
package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// Config is what the server was told. It is written by Parse and by nobody afterwards, so every worker may read it.
type Config struct {
	Listen     []Address
	Workers    int            // threads, runners, loops or processes, as the stage has them
	Root       string         // folder of the site; empty for the embedded one
	Hosts      []string       // further Host names that are ours, in lower case; "*" for any
	SockBuf    int            // bytes a socket's send and receive buffers ask for; 0 leaves them to the kernel
	LockMemory bool           // mlockall(2)
	Monitor    []netip.Prefix // who may look at the monitoring routes beside loopback

	Types        []string       // extensions that are served, in lower case, without the dot
	Chunked      bool           // files leave in chunks of 8 KiB
	Inline       bool           // files leave under their own type, not as downloads
	CacheControl string         // value of Cache-Control; empty sends none
	CORS         string         // allowed origin; empty for none
	ErrorPages   map[int]string // status to the path of the page that replaces ours
	Headers      []Header       // further fields of every response

	Clients Clients
	Limits  Limits
	Log     Log

	// FileText is the text of the file of -config as it was read, nil for none. A process
	// that is to go by the same settings later must not read the file again.
	FileText []byte

	// Warnings are sentences about settings that are legal and probably not meant. The caller logs them once it has a log.
	Warnings []string
}

// Header is one checked response field that the user adds.
type Header struct {
	Name, Value string
}

// Clients is the defence against single addresses.
type Clients struct {
	Entries        int           // size of the table
	IPv6Prefix     int           // bits of an IPv6 address that make one client
	MaxConns       int           // open connections; 0 for no limit
	Rate           int           // requests a second; 0 for no limit
	Burst          int           // requests that may come at once
	BanAfter       int           // refusals in a row before a ban; 0 never bans
	Ban            time.Duration // length of a ban
	Exempt         []netip.Prefix
	Adaptive       Gauge          // what the rate follows while the machine is busy
	TrustedProxies []netip.Prefix // whose X-Forwarded-For and X-Request-Id are believed
	TrustUnix      bool           // the same of whoever comes by a Unix socket, who has no address
}

// Gauge is a reading of how busy the machine is.
type Gauge string

// The gauges that -adaptive names. The empty one, its default, is pressure where the system has it and load elsewhere.
const (
	NoGauge       Gauge = "off"
	LoadGauge     Gauge = "load"
	PressureGauge Gauge = "pressure"
)

// Limits bounds what one request, one connection and the server may use.
type Limits struct {
	RequestLine  int           // bytes
	Head         int           // bytes, request line included
	Fields       int           // fields of one head
	Body         int64         // bytes
	Requests     int           // requests of one connection; 0 for no limit
	Conns        int           // open connections of the whole server
	HeadTimeout  time.Duration // first byte to end of head
	IdleTimeout  time.Duration // between requests
	MinRate      int64         // bytes a second of a body or response; 0 for no minimum
	DrainTimeout time.Duration // at shutdown
	CacheSize    int64         // bytes of file bodies in memory, per process
	CacheItem    int64         // bytes of the largest body kept in memory
}

// Log says what is written down, and where.
type Log struct {
	Level      slog.Level
	JSON       bool   // else text
	File       string // empty for standard error
	Access     string // path of the access log; empty for none, "-" for standard error
	AccessJSON bool   // else combined format
}

// Stage is what differs between the four programs as far as settings go.
type Stage struct {
	Name           string // of the program: "stage1-threadpool"
	Number         int    // 1 to 4
	Title          string // "thread pool"
	DefaultWorkers int
	MaxWorkers     int    // 0 for as many as any stage may have
	WorkersHelp    string // what a worker is, in the plural: "threads"
	Flags          []Flag // settings that only this stage has
}

// UsageError is a setting that cannot be used. Its text is one line that says what to do; the exit status is 2.
type UsageError struct {
	text string
}

func (e *UsageError) Error() string { return e.text }

// Notice is the answer to -h and -version: Text goes to standard output, and the exit status is 0. It is returned as an
// error because there is no Config to go on with.
type Notice struct {
	Text string // ends in a newline
}

func (n *Notice) Error() string { return n.Text }
