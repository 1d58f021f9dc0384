// Package config turns a command line, the environment and a file into one Config.
//
// Every setting is one row of the table in table.go; the flags, the environment variables, the
// lines of the file and the text of -h are all made from that row, so they cannot disagree. A
// setting is looked for in this order and the first place that has it wins whole, lists too: flag,
// environment (FOURWAYS_MAX_HEAD), file (max-head 8192), default.
//
// What this package must not do: touch the network, look at the root folder, or print. It checks
// what can be known from the text of a value alone; whether the folder can be read or the port is
// free is found out when they are opened.
package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"time"
)

// Config is what the server was told. Parse writes it and nothing does afterwards, so every worker
// may read it.
type Config struct {
	Listen     []Address
	Relays     []Relay
	Proxied    []Address      // those of all listeners where each connection begins with a PROXY header
	User       string         // that the process becomes once its sockets are bound; empty for none
	Group      string         // instead of that user's main one; empty for none
	Workers    int            // threads, runners, loops or processes, as the stage has them
	Root       string         // folder of the site; empty for the embedded one
	Hosts      []string       // further Host names that are ours, in lower case; "*" for any
	SockBuf    int            // bytes a socket's send and receive buffers ask for; 0 leaves them to the kernel
	LockMemory bool           // mlockall(2)
	Monitor    []netip.Prefix // networks that may use the monitoring routes, in addition to loopback
	Probers    []netip.Prefix // networks that may ask for /livez and /readyz, in addition to loopback and trusted proxies

	TLS     TLS
	Relay   Relaying
	Spill   Spill
	Uploads Uploads
	Proxy   Proxy

	Types        []string       // extensions that are served, in lower case, without the dot
	Shown        []string       // of those, the ones that leave under their own type: what `-types web` adds
	Index        string         // the file that stands for its folder
	CleanURLs    bool           // /about is about.html, too
	App          string         // the path of the page for what is not there; empty for none
	Chunked      bool           // files leave in chunks of 8 KiB
	Inline       bool           // files leave under their own type, not as downloads
	CacheControl string         // value of Cache-Control; empty sends none
	CacheRules   []CacheRule    // values for some files; the first that fits counts
	List         bool           // a folder without an index is listed
	Redirects    string         // file of redirects; empty for none
	Auth         string         // file of names and hashes of passwords; empty for none
	CORS         []string       // allowed origins, or "*" alone
	ErrorPages   map[int]string // status to the path of the page that replaces ours
	Headers      []Header       // further fields of every response

	Clients Clients
	Limits  Limits
	Log     Log

	Check bool // only whether the settings can be used is asked for

	File string // of -config; empty for none
	// FileText is that file's text as it was read, nil for none. A process that is to go by the
	// same settings later must not read the file again.
	FileText []byte

	said sources // what it was made of; see Again

	// Warnings are sentences about settings that are legal and probably not meant. The caller logs
	// them once it has a log.
	Warnings []string
}

// Relay is one place to listen on whose connections are passed on to a target.
type Relay struct {
	Listen Address
	Host   string // the target's name or address; empty for a Unix socket
	Port   uint16
	Path   string // of the target's Unix socket
}

// Relaying is how relays do it.
type Relaying struct {
	Announce       bool          // a PROXY header tells the target who the client is
	Rate           int64         // bytes a second of a connection, each way; 0 for no limit
	ConnectTimeout time.Duration // until the target is connected
	TunnelTimeout  time.Duration // that a connection may be silent, both ways
}

// CacheRule is the value of Cache-Control for the files that are like a pattern: a path with a
// slash in front, or a file's name, in which * stands for any text.
type CacheRule struct {
	Pattern, Value string
}

// Header is one checked response field that the user adds.
type Header struct {
	Name, Value string
}

// Uploads is what becomes of what clients send.
type Uploads struct {
	Off      bool   // none are taken
	Folder   string // where they go; empty for the folder uploads of the root, if there is one
	MaxBytes int64  // of all files there together; 0 for no limit
	MaxFiles int64  // 0 for no limit
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
	TrustUnix      bool           // the same for the peers of Unix sockets, which have no address
}

// Gauge is what tells that clients must make do with less.
type Gauge string

// The gauges that -adaptive names.
const (
	NoGauge       Gauge = "off"
	LatenessGauge Gauge = "lateness" // of the server's own work; the machine's state counts only together with it
	LoadGauge     Gauge = "load"     // the machine's, by itself
	PressureGauge Gauge = "pressure" // likewise
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
	DrainDelay   time.Duration // from the signal to stop until the listeners are closed
	DrainTimeout time.Duration // at shutdown, from then on
	CacheSize    int64         // bytes of file bodies in memory, per process; DefaultCacheSize where nobody says
	CacheItem    int64         // bytes of the largest body kept in memory
}

// Defaults that memory may lower, where nobody says more.
const (
	DefaultCacheSize = 64 << 20 // -cache-size, in bytes
	DefaultConns     = 50_000   // -max-conns
)

// Stopping says in words what happens between the signal to stop and the end.
func (l *Limits) Stopping() string {
	if l.DrainDelay == 0 {
		return fmt.Sprintf("draining for up to %v", l.DrainTimeout)
	}
	return fmt.Sprintf("serving on for %v, then draining for up to %v", l.DrainDelay, l.DrainTimeout)
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
	// Replaces says that other settings come with other processes, so next to nothing is Fixed.
	Replaces bool
}

// UsageError is a setting that cannot be used. Its text is one line that says what to do; the exit
// status is 2.
type UsageError struct {
	text string
}

func (e *UsageError) Error() string { return e.text }

// Unusable is the UsageError of a setting that turned out to be unusable when it was tried.
func Unusable(err error) error { return &UsageError{text: err.Error()} }

// Notice is the answer to -h and -version: Text goes to standard output, and the exit status is 0.
// It is returned as an error because there is no Config to go on with.
type Notice struct {
	Text string // ends in a newline
}

func (n *Notice) Error() string { return n.Text }
