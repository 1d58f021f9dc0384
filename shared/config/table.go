package config

// The table of settings: one row each, in the order in which -h shows them. Nothing else in the
// package knows a setting's name, except the few that the short form PORT HOST WORKERS writes to.

import (
	"slices"
	"strconv"
	"time"
)

// Bounds of the settings. A default stands in its row; what is here is what a value may not pass.
const (
	minHead        = 256        // bytes; below this no browser's request fits
	maxHead        = 1 << 20    // bytes; each receive buffer is this big
	maxFields      = 10_000     // fields
	maxBody        = 1 << 40    // bytes
	maxRequests    = 1 << 30    // requests
	maxConns       = 10_000_000 // connections
	maxPerClient   = 1<<16 - 1  // connections; the client table counts in 16 bits
	maxBanAfter    = 1<<12 - 1  // refusals; the client table counts in 12 bits
	maxRate        = 1_000_000  // requests a second
	minClients     = 8          // entries; one set of the table
	maxClients     = 1 << 24    // entries, 400 MB
	maxWorkers     = 8192       // Go's runtime gives up at 10,000 threads (runtime/debug.SetMaxThreads)
	maxSockBuf     = 1 << 30    // bytes
	maxMinRate     = 1 << 40    // bytes a second
	maxRelayRate   = 1 << 40    // bytes a second
	maxCacheMiB    = 1 << 20    // MiB, 1 TiB
	maxUploadsMiB  = 1 << 30    // MiB, 1 PiB
	maxUploads     = 1 << 30    // files
	maxCacheKiB    = 1 << 20    // KiB, 1 GiB
	maxHeaderBytes = 4 << 10    // bytes of all added fields together
	leastBuffer    = 64         // KiB of memory that a queue for a slow reader has at least
	maxHandshakes  = 1_000_000  // handshakes under way at once

	mib = 1 << 20 // bytes
	kib = 1 << 10 // bytes

	shortest = time.Millisecond   // of a timeout that may not be zero
	longest  = 7 * 24 * time.Hour // of any time
)

// Names of the settings that the parser knows: those that the short form on the command line writes
// to as well, and those that change another's default.
const (
	flagListen    = "listen"
	flagPort      = "port"
	flagWorkers   = "workers"
	flagTLSListen = "tls-listen"
	flagRedirect  = "https-redirect"
	flagProxied   = "proxy-protocol"
	flagRelay     = "relay"
	flagProxy     = "proxy"
	flagUser      = "user"
	flagGroup     = "group"
	flagClients   = "clients"
	flagIndex     = "index"
	flagCleanURLs = "html-ext"
	flagApp       = "spa"
	flagConfig    = "config"
	flagCheck     = "check"
	flagVersion   = "version"
)

// The groups of -h, in order. A stage's own flags come after them.
const (
	groupListen   = "Addresses and workers"
	groupTLS      = "TLS"
	groupRelays   = "Relays"
	groupSpill    = "Slow readers"
	groupFiles    = "Files"
	groupUploads  = "Uploads"
	groupAnswers  = "Answers"
	groupProxy    = "Passing on"
	groupClients  = "Defence per client address"
	groupLimits   = "Limits"
	groupLogs     = "Logs and monitoring"
	groupSettings = "Settings"
)

// Flag is one setting.
type Flag struct {
	Name    string // without the dash
	Unit    string // what stands for the value in -h; empty for a switch, which needs no value
	Default string // written as a user would write it; empty for none
	Help    string // one phrase in lower case; -h adds the default and whether it repeats
	Group   string // heading in -h; empty for the stage's own
	Repeat  bool   // may be given several times
	Hidden  bool   // not shown by -h: for experiments
	Fixed   bool   // the server keeps its value while it runs; see Again
	// Set takes one value. Its error completes the sentence `-name: …` and says what to give
	// instead.
	Set func(value string) error
}

// table binds every setting to its place in c. The parts follow the headings of -h.
func table(stage Stage, c *Config) []Flag {
	rows := append(listenRows(stage, c), tlsRows(&c.TLS)...)
	rows = append(rows, fixed(relayRows(c))...)
	rows = append(rows, fixed(spillRows(&c.Spill))...)
	rows = append(rows, fileRows(c)...)
	rows = append(rows, answerRows(c)...)
	rows = append(rows, proxyRows(&c.Proxy)...)
	rows = append(rows, clientRows(&c.Clients)...)
	rows = append(rows, limitRows(&c.Limits)...)
	rows = append(rows, logRows(c)...)
	for _, f := range fixed(slices.Clone(stage.Flags)) {
		if f.Group == "" {
			f.Group = "Stage " + strconv.Itoa(stage.Number) + ": " + stage.Title
		}
		rows = append(rows, f)
	}
	if stage.Replaces {
		for i := range rows {
			rows[i].Fixed = rows[i].Name == flagClients
		}
	}
	return append(rows,
		Flag{Group: groupSettings, Name: flagConfig, Unit: "FILE",
			Help: "settings from a file, one `name value` a line; read again on HUP", Set: ignore},
		Flag{Group: groupSettings, Name: flagCheck,
			Help: "try the settings and the files that they name, start nothing, and stop: status 0 if they can be used, 2 if not; root tries what is served as -user", Set: Switch(&c.Check)},
		Flag{Group: groupSettings, Name: flagVersion,
			Help: "print version, commit, Go's version and features, and stop", Set: ignore},
	)
}

// fixed marks rows whose values the server keeps while it runs.
func fixed(rows []Flag) []Flag {
	for i := range rows {
		rows[i].Fixed = true
	}
	return rows
}

func (s Stage) maxWorkers() int {
	if s.MaxWorkers > 0 {
		return s.MaxWorkers
	}
	return maxWorkers
}

func listenRows(stage Stage, c *Config) []Flag {
	return []Flag{
		{Group: groupListen, Name: flagListen, Fixed: true, Unit: "ADDRESS", Default: defaultListen, Repeat: true,
			Help: "where to listen: 127.0.0.1:8080, [::]:8080 for IPv6 and IPv4, unix:/run/x.sock or unix:/run/x.sock,mode=0660,group=www-data; port 0 picks a free one", Set: addresses(&c.Listen)},
		{Group: groupListen, Name: flagPort, Fixed: true, Unit: "PORT",
			Help: "another port on the default address", Set: checkPort},
		{Group: groupListen, Name: flagProxied, Fixed: true, Unit: "ADDRESS", Repeat: true,
			Help: "one of the addresses listened on, where each connection begins with a PROXY header, version 1 or 2, of a -trusted-proxy", Set: addresses(&c.Proxied)},
		{Group: groupListen, Name: flagWorkers, Fixed: true, Unit: "N", Default: strconv.Itoa(stage.DefaultWorkers),
			Help: "number of " + stage.WorkersHelp, Set: Int(&c.Workers, 1, stage.maxWorkers())},
		{Group: groupListen, Name: "host", Unit: "NAME", Repeat: true,
			Help: "a further Host name that is ours, on the ports listened on or, as name:port, on that one; * allows any", Set: hosts(&c.Hosts)},
		{Group: groupListen, Name: "sock-buf", Fixed: true, Unit: "BYTES", Default: "0",
			Help: "buffers of each socket; 0 leaves them to the kernel's own tuning", Set: Size(&c.SockBuf, 1, 0, maxSockBuf)},
		{Group: groupListen, Name: flagUser, Fixed: true, Unit: "NAME",
			Help: "the user, by name or number, that the server becomes once its sockets are bound, and its logs and certificates are open; for root alone", Set: account(&c.User)},
		{Group: groupListen, Name: flagGroup, Fixed: true, Unit: "NAME",
			Help: "another group than the main one of -user", Set: account(&c.Group)},
		{Group: groupListen, Name: "mlock", Fixed: true,
			Help: "lock the server's memory, so that it is never swapped out", Set: Switch(&c.LockMemory)},
	}
}

func fileRows(c *Config) []Flag {
	return []Flag{
		{Group: groupFiles, Name: "root", Unit: "FOLDER",
			Help: "the folder to serve; without it, the site inside the program", Set: text(&c.Root)},
		{Group: groupFiles, Name: "types", Unit: "EXTENSIONS", Default: "html,txt,png,jpg,jpeg", Repeat: true,
			Help: "the file types that are served, with commas; web stands for those of a web page, from css and js to fonts and video, and shows them", Set: extensions(&c.Types, &c.Shown)},
		{Group: groupFiles, Name: flagIndex, Unit: "NAME", Default: "index.html",
			Help: "the file that stands for its folder", Set: fileName(&c.Index)},
		{Group: groupFiles, Name: flagCleanURLs,
			Help: "find pages without their extension too: /about is about.html", Set: Switch(&c.CleanURLs)},
		{Group: groupFiles, Name: "list",
			Help: "list what is in a folder without an index: what could be asked for, and no links", Set: Switch(&c.List)},
		{Group: groupFiles, Name: flagApp, Unit: "/PATH",
			Help: "a page that answers where somebody goes to what is not there, as /index.html of a single-page application; what has an extension, or is not asked for as HTML, stays 404", Set: pagePath(&c.App)},
		{Group: groupFiles, Name: "chunked",
			Help: "send files in chunks of 8 KiB", Set: Switch(&c.Chunked)},
		{Group: groupFiles, Name: "inline",
			Help: "send files of all types under their own, not as downloads", Set: Switch(&c.Inline)},
		{Group: groupFiles, Name: "cache-control", Unit: "VALUE", Default: "no-cache",
			Help: "value of the Cache-Control field of files; empty for none", Set: fieldValue(&c.CacheControl)},
		{Group: groupFiles, Name: "cache-control-for", Unit: "PATTERN=VALUE", Repeat: true,
			Help: "another value for some files: '/assets/*=max-age=31536000, immutable' by path, '*.html=no-cache' by name; * is any text, and the first that fits counts", Set: cacheRule(&c.CacheRules)},
		{Group: groupFiles, Name: "cache-size", Unit: "MIB", Default: "64",
			Help: "file bodies in memory, per process; the default is less where memory is short: an eighth of what there is, for all", Set: Size(&c.Limits.CacheSize, mib, 0, maxCacheMiB)},
		{Group: groupFiles, Name: "cache-item", Unit: "KIB", Default: "64",
			Help: "the largest file body kept in memory", Set: Size(&c.Limits.CacheItem, kib, 0, maxCacheKiB)},
	}
}

func answerRows(c *Config) []Flag {
	return []Flag{
		{Group: groupUploads, Name: "uploads", Unit: "FOLDER",
			Help: "where uploads go, or off; without it, the folder uploads of the root, if there is one", Set: uploads(&c.Uploads)},
		{Group: groupUploads, Name: "uploads-max", Unit: "MIB", Default: "1024",
			Help: "size of all files in that folder together; over it is 507; 0 for no limit", Set: Size(&c.Uploads.MaxBytes, mib, 0, maxUploadsMiB)},
		{Group: groupUploads, Name: "uploads-max-files", Unit: "N", Default: "10000",
			Help: "number of files in that folder; over it is 507; 0 for no limit", Set: Int(&c.Uploads.MaxFiles, 0, maxUploads)},

		{Group: groupAnswers, Name: "redirects", Unit: "FILE",
			Help: "where what has moved is now, one `FROM TO [STATUS]` a line: /old /new 301, or /blog/* https://example.org/:splat; read again on HUP", Set: path(&c.Redirects)},
		{Group: groupAnswers, Name: "auth", Unit: "FILE",
			Help: "ask for a password (Basic), by TLS or on this machine only; one NAME:HASH a line, as htpasswd -B writes them; read again on HUP", Set: path(&c.Auth)},
		{Group: groupAnswers, Name: "header", Unit: "'NAME: VALUE'", Repeat: true,
			Help: "a further field of every response; of an upstream's, if it does not have it; Strict-Transport-Security for those by https alone", Set: header(&c.Headers)},
		{Group: groupAnswers, Name: "error-page", Unit: "STATUS=/PATH", Repeat: true,
			Help: "a page of the site instead of our own for one status", Set: errorPage(c)},
		{Group: groupAnswers, Name: "cors", Unit: "ORIGIN", Repeat: true,
			Help: "an origin whose scripts may read answers: https://example.org, or * for any", Set: origins(&c.CORS)},
	}
}

func clientRows(c *Clients) []Flag {
	return []Flag{
		{Group: groupClients, Name: flagClients, Fixed: true, Unit: "N", Default: "65536",
			Help: "addresses that are remembered", Set: Int(&c.Entries, minClients, maxClients)},
		{Group: groupClients, Name: "ipv6-prefix", Unit: "BITS", Default: "64",
			Help: "bits of an IPv6 address that make one client", Set: Int(&c.IPv6Prefix, 1, 128)},
		{Group: groupClients, Name: "max-conns-per-client", Unit: "N", Default: "100",
			Help: "open connections of one client; 0 for no limit", Set: Int(&c.MaxConns, 0, maxPerClient)},
		{Group: groupClients, Name: "rate", Unit: "N", Default: "200",
			Help: "requests a second of one client; 0 for no limit", Set: Int(&c.Rate, 0, maxRate)},
		{Group: groupClients, Name: "burst", Unit: "N", Default: "400",
			Help: "requests that one client may send at once, at the full rate", Set: Int(&c.Burst, 1, maxRate)},
		{Group: groupClients, Name: "ban-after", Unit: "N", Default: "20",
			Help: "refused requests in a row before a client is banned; 0 never bans", Set: Int(&c.BanAfter, 0, maxBanAfter)},
		{Group: groupClients, Name: "ban", Unit: "SECONDS", Default: "60",
			Help: "how long a ban lasts", Set: Seconds(&c.Ban, shortest, longest)},
		{Group: groupClients, Name: "rate-exempt", Unit: "CIDR", Default: "127.0.0.0/8,::1", Repeat: true,
			Help: "clients that all of this is not for, with commas, or none", Set: prefixesOrNone(&c.Exempt)},
		{Group: groupClients, Name: "adaptive", Unit: "GAUGE", Default: string(LatenessGauge),
			Help: "what lowers the rate: lateness of the server's own work, load or pressure (of the processors, Linux only) of the machine whoever causes it, or off",
			Set:  word(&c.Adaptive, LatenessGauge, LoadGauge, PressureGauge, NoGauge)},
		{Group: groupClients, Name: "trusted-proxy", Unit: "CIDR", Repeat: true,
			Help: "a proxy whose X-Forwarded-For, or else Forwarded, or whose PROXY header names the client, or unix for whoever comes by a Unix socket", Set: proxies(&c.TrustedProxies, &c.TrustUnix)},
	}
}

func limitRows(l *Limits) []Flag {
	return []Flag{
		{Group: groupLimits, Name: "max-request-line", Unit: "BYTES", Default: "8192",
			Help: "the request line; over it is 414", Set: Size(&l.RequestLine, 1, 16, maxHead)},
		{Group: groupLimits, Name: "max-head", Unit: "BYTES", Default: "8192",
			Help: "a request's head, request line included; over it is 431", Set: Size(&l.Head, 1, minHead, maxHead)},
		{Group: groupLimits, Name: "max-fields", Unit: "N", Default: "100",
			Help: "fields of a head; over it is 431", Set: Int(&l.Fields, 1, maxFields)},
		{Group: groupLimits, Name: "max-body", Unit: "BYTES", Default: "1048576",
			Help: "a request's body; over it is 413", Set: Size(&l.Body, 1, 0, maxBody)},
		{Group: groupLimits, Name: "max-requests", Unit: "N", Default: "100",
			Help: "requests of one connection; 0 for no limit", Set: Int(&l.Requests, 0, maxRequests)},
		{Group: groupLimits, Name: "max-conns", Unit: "N", Default: "50000",
			Help: "open connections of the whole server; over it is 503; the default is less where memory is short: as many as fit into a quarter of what there is", Set: Int(&l.Conns, 1, maxConns)},
		{Group: groupLimits, Name: "head-timeout", Unit: "SECONDS", Default: "10",
			Help: "from a head's first byte to its end; over it is 408", Set: Seconds(&l.HeadTimeout, shortest, longest)},
		{Group: groupLimits, Name: "idle-timeout", Unit: "SECONDS", Default: "30",
			Help: "between two requests of a connection", Set: Seconds(&l.IdleTimeout, shortest, longest)},
		{Group: groupLimits, Name: "min-rate", Unit: "BYTES", Default: "240",
			Help: "bytes a second that a body or response must move, after 5 seconds of grace; 0 for no minimum", Set: Rate(&l.MinRate, 0, maxMinRate)},
		{Group: groupLimits, Name: "drain-delay", Unit: "SECONDS", Default: "0",
			Help: "from the signal to stop until nobody is let in any more, so that a balancer can notice", Set: Seconds(&l.DrainDelay, 0, longest)},
		{Group: groupLimits, Name: "drain-timeout", Unit: "SECONDS", Default: "10",
			Help: "for requests under way when the server stops", Set: Seconds(&l.DrainTimeout, 0, longest)},
	}
}

func logRows(c *Config) []Flag {
	return []Flag{
		{Group: groupLogs, Name: "log-level", Unit: "LEVEL", Default: "info",
			Help: "debug, info, warn or error", Set: level(&c.Log.Level)},
		{Group: groupLogs, Name: "log-format", Unit: "FORMAT", Default: "text",
			Help: "text or json", Set: choice(&c.Log.JSON, "text", "json")},
		{Group: groupLogs, Name: "log-file", Unit: "FILE", Default: "-",
			Help: "where the log goes; - is standard error", Set: logFile(&c.Log.File)},
		{Group: groupLogs, Name: "access-log", Unit: "FILE", Default: "off",
			Help: "one line for each request, of status 000 (0 in JSON) where it had no answer; - is standard error", Set: accessLog(&c.Log.Access)},
		{Group: groupLogs, Name: "access-format", Unit: "FORMAT", Default: "combined",
			Help: "combined or json", Set: choice(&c.Log.AccessJSON, "combined", "json")},
		{Group: groupLogs, Name: "monitor-from", Unit: "CIDR", Repeat: true,
			Help: "who may see /health, /stats, /stats.html and /metrics beside this machine", Set: prefixes(&c.Monitor)},
		{Group: groupLogs, Name: "probe-from", Unit: "CIDR", Repeat: true,
			Help: "who may ask for /livez and /readyz beside this machine and trusted proxies", Set: prefixes(&c.Probers)},
	}
}
