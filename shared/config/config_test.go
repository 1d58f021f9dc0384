package config

// Settings from flags, environment and file, their order, and their errors. The help is compared
// with testdata/help.txt; -update writes that again.

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/shared/limiter"
)

var update = flag.Bool("update", false, "write testdata/help.txt anew")

// sample is a stage with a flag of its own.
func sample(queue *int) Stage {
	return Stage{
		Name: "stage1-threadpool", Number: 1, Title: "thread pool", DefaultWorkers: 10, WorkersHelp: "threads",
		Flags: []Flag{{Name: "queue", Unit: "N", Default: "50", Help: "connections that may wait for a thread", Set: Int(queue, 0, 1000)}},
	}
}

func parse(t *testing.T, args ...string) *Config {
	t.Helper()
	c, err := Parse(sample(new(int)), args, nil)
	require.NoError(t, err)
	return c
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server.conf")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestDefaultsAreThoseOfTheDocumentation(t *testing.T) {
	var queue int
	c, err := Parse(sample(&queue), nil, nil)
	require.NoError(t, err)
	assert.Equal(t, 50, queue)
	c.said = sources{}
	assert.Equal(t, &Config{
		Relay:        Relaying{ConnectTimeout: 5 * time.Second, TunnelTimeout: time.Hour},
		Spill:        Spill{Memory: 1 << 20, File: 256 << 20, Total: 4 << 30, Folder: "/var/tmp"},
		Listen:       []Address{{Network: TCP, AddrPort: netip.MustParseAddrPort("127.0.0.1:8080")}},
		Workers:      10,
		Types:        []string{"html", "txt", "png", "jpg", "jpeg"},
		Index:        "index.html",
		CacheControl: "no-cache",
		TLS:          TLS{MinVersion: tls.VersionTLS12, HandshakeTimeout: 10 * time.Second, Handshakes: 1024},
		Uploads:      Uploads{MaxBytes: 1 << 30, MaxFiles: 10_000},
		Proxy:        Proxy{Timeout: 30 * time.Second, Conns: 1024, Idle: 32},
		Clients: Clients{
			Entries: 65536, IPv6Prefix: 64, MaxConns: 100, Rate: 200, Burst: 400, BanAfter: 20, Ban: time.Minute, Adaptive: LatenessGauge,
			Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		},
		Limits: Limits{
			RequestLine: 8192, Head: 8192, Fields: 100, Body: 1048576, Requests: 100, Conns: 50000,
			HeadTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second, MinRate: 240, DrainTimeout: 10 * time.Second,
			CacheSize: 64 << 20, CacheItem: 64 << 10,
		},
		Log: Log{Level: slog.LevelInfo},
	}, c)
}

func TestAddresses(t *testing.T) {
	cases := []struct {
		name string
		args []string
		want []string
	}{
		{"a port alone keeps the default host", []string{"9000"}, []string{"127.0.0.1:9000"}},
		{"port and host", []string{"9000", "0.0.0.0"}, []string{"0.0.0.0:9000"}},
		{"a host may be IPv6 without brackets", []string{"9000", "::1"}, []string{"[::1]:9000"}},
		{"a host may be IPv6 with brackets", []string{"9000", "[::1]"}, []string{"[::1]:9000"}},
		{"localhost is the loopback address", []string{"9000", "localhost"}, []string{"127.0.0.1:9000"}},
		{"-port changes the default's port", []string{"-port", "0"}, []string{"127.0.0.1:0"}},
		{"-listen repeats", []string{"-listen", "[::]:80", "-listen", "unix:/run/x.sock"}, []string{"[::]:80", "unix:/run/x.sock"}},
		{"-listen without a host is every address", []string{"-listen", ":80"}, []string{"[::]:80"}},
		{"an IPv4 address inside IPv6 is IPv4", []string{"-listen", "[::ffff:127.0.0.1]:80"}, []string{"127.0.0.1:80"}},
		{"the longest path of a Unix socket", []string{"-listen", "unix:/" + strings.Repeat("x", 106)}, []string{"unix:/" + strings.Repeat("x", 106)}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, a := range parse(t, tc.args...).Listen {
				got = append(got, a.String())
			}
			assert.Equal(t, tc.want, got)
		})
	}
}

func TestWhoMayConnectToAUnixSocket(t *testing.T) {
	for value, want := range map[string]Address{
		"unix:/x,mode=0660,group=www-data": {Network: Unix, Path: "/x", Mode: 0o660, Group: "www-data"},
		"unix:/x,group=33,mode=600":        {Network: Unix, Path: "/x", Mode: 0o600, Group: "33"},
		"unix:/a,b=c,mode=0777":            {Network: Unix, Path: "/a,b=c", Mode: 0o777},
		"unix:/a,b":                        {Network: Unix, Path: "/a,b"},
	} {
		assert.Equal(t, []Address{want}, parse(t, "-listen", value).Listen, value)
	}
	c := parse(t, "-listen", "unix:/x,mode=0660", "-proxy-protocol", "unix:/x", "-trusted-proxy", "unix")
	assert.Equal(t, []Address{{Network: Unix, Path: "/x"}}, c.Proxied, "it is the same place")

	c, err := Parse(Stage{Number: 3, DefaultWorkers: 1}, []string{"-relay", "unix:/x,mode=0660,group=db=unix:/y"}, nil)
	require.NoError(t, err)
	assert.Equal(t, []Relay{{Listen: Address{Network: Unix, Path: "/x", Mode: 0o660, Group: "db"}, Path: "/y"}}, c.Relays)
}

func TestFlagsMayFollowArguments(t *testing.T) {
	c := parse(t, "-inline", "9000", "-chunked", "127.0.0.2", "-max-body=7", "3")
	assert.True(t, c.Inline)
	assert.True(t, c.Chunked)
	assert.Equal(t, int64(7), c.Limits.Body)
	assert.Equal(t, 3, c.Workers)
	assert.Equal(t, "127.0.0.2:9000", c.Listen[0].String())
}

// fifo is a FIFO that nobody writes to.
func fifo(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	return path
}

func TestTheHighestSourceWins(t *testing.T) {
	conf := file(t, "# a comment\n\n  max-body \t 1\r\nmlock\nhost a.example\nhost b.example\nport 1111\nheader X-Note: a # b\n")
	cases := []struct {
		name    string
		args    []string
		environ []string
		check   func(*testing.T, *Config)
	}{
		{"the file beats the default", nil, nil, func(t *testing.T, c *Config) {
			assert.Equal(t, int64(1), c.Limits.Body)
			assert.True(t, c.LockMemory)
			assert.Equal(t, []string{"a.example", "b.example"}, c.Hosts)
			assert.Equal(t, []Header{{"X-Note", "a # b"}}, c.Headers)
			assert.Equal(t, "127.0.0.1:1111", c.Listen[0].String())
		}},
		{"the environment beats the file", nil, []string{"FOURWAYS_MAX_BODY=2", "FOURWAYS_MLOCK=false"}, func(t *testing.T, c *Config) {
			assert.Equal(t, int64(2), c.Limits.Body)
			assert.False(t, c.LockMemory)
		}},
		{"a flag beats the environment", []string{"-max-body", "3"}, []string{"FOURWAYS_MAX_BODY=2"}, func(t *testing.T, c *Config) {
			assert.Equal(t, int64(3), c.Limits.Body)
		}},
		{"a list of a higher source replaces the whole list", []string{"-host", "C.example"}, nil, func(t *testing.T, c *Config) {
			assert.Equal(t, []string{"c.example"}, c.Hosts)
		}},
		{"a listed variable is split at commas", nil, []string{"FOURWAYS_HOST=d.example, [::1]"}, func(t *testing.T, c *Config) {
			assert.Equal(t, []string{"d.example", "[::1]"}, c.Hosts)
		}},
		{"-listen in the environment beats -port in the file", nil, []string{"FOURWAYS_LISTEN=:5"}, func(t *testing.T, c *Config) {
			assert.Equal(t, "[::]:5", c.Listen[0].String())
		}},
		{"the short form beats -listen in the environment", []string{"6"}, []string{"FOURWAYS_LISTEN=:5"}, func(t *testing.T, c *Config) {
			assert.Equal(t, "127.0.0.1:6", c.Listen[0].String())
			assert.Len(t, c.Listen, 1)
		}},
		{"a variable that is empty is as none", nil, []string{"FOURWAYS_MAX_BODY=", "FOURWAYS_MLOCK=", "FOURWAYS_HOST=", "FOURWAYS_PORT=", "FOURWAYS_CONFIG="}, func(t *testing.T, c *Config) {
			assert.Equal(t, int64(1), c.Limits.Body)
			assert.True(t, c.LockMemory)
			assert.Equal(t, []string{"a.example", "b.example"}, c.Hosts)
			assert.Equal(t, "127.0.0.1:1111", c.Listen[0].String())
			assert.Empty(t, c.Warnings)
		}},
		{"of one flag given twice, the last counts", []string{"-max-body", "8", "-max-body", "9"}, nil, func(t *testing.T, c *Config) {
			assert.Equal(t, int64(9), c.Limits.Body)
		}},
	}
	for _, tc := range cases {
		for how, args := range map[string][]string{"by flag": append([]string{"-config", conf}, tc.args...), "by environment": tc.args} {
			t.Run(tc.name+", file named "+how, func(t *testing.T) {
				c, err := Parse(sample(new(int)), args, append([]string{"FOURWAYS_CONFIG=" + conf}, tc.environ...))
				require.NoError(t, err)
				tc.check(t, c)
			})
		}
	}
}

func TestValues(t *testing.T) {
	c := parse(t, "-types", "HTML,css", "-rate-exempt", "none", "-trusted-proxy", "10.1.2.3/8,unix,::ffff:192.0.2.0/120",
		"-error-page", "404=/404.html", "-error-page", "500=/500.html", "-cors", "https://example.org:8443", "-idle-timeout", "0.5",
		"-log-level", "debug", "-log-format", "json", "-access-log", "-", "-access-format", "json", "-cache-control", "", "-drain-timeout", "0",
		"-log-file", "/var/log/x", "-adaptive", "load", "-header", "X-A: 1", "-header", "X-B:")
	assert.Equal(t, []string{"html", "css"}, c.Types)
	assert.Empty(t, c.Clients.Exempt)
	assert.Equal(t, LoadGauge, c.Clients.Adaptive)
	assert.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")}, c.Clients.TrustedProxies)
	assert.True(t, c.Clients.TrustUnix)
	assert.Equal(t, map[int]string{404: "/404.html", 500: "/500.html"}, c.ErrorPages)
	assert.Equal(t, []string{"https://example.org:8443"}, c.CORS)
	assert.Equal(t, []string{"https://a.example", "http://b.example"}, parse(t, "-cors", "https://a.example,http://b.example").CORS)
	assert.Equal(t, 500*time.Millisecond, c.Limits.IdleTimeout)
	assert.Equal(t, Log{Level: slog.LevelDebug, JSON: true, File: "/var/log/x", Access: "-", AccessJSON: true}, c.Log)
	assert.Empty(t, c.CacheControl)
	assert.Equal(t, []Header{{"X-A", "1"}, {"X-B", ""}}, c.Headers)
}

func TestAWordStandsForTheTypesOfTheWeb(t *testing.T) {
	c := parse(t, "-types", "Web,zip")
	assert.Equal(t, webTypes, c.Shown)
	assert.Equal(t, append(append([]string{}, webTypes...), "zip"), c.Types)
	assert.Empty(t, parse(t, "-types", "html,css").Shown)
	for _, ext := range strings.Fields("html css js mjs json svg webp avif woff2 mp4 webm pdf wasm xml ico txt map") {
		assert.Contains(t, c.Types, ext)
	}
}

func TestRulesForCaches(t *testing.T) {
	c := parse(t, "-cache-control-for", "/assets/*=max-age=31536000, immutable", "-cache-control-for", "*.html=")
	assert.Equal(t, []CacheRule{{"/assets/*", "max-age=31536000, immutable"}, {"*.html", ""}}, c.CacheRules)
}

func TestPages(t *testing.T) {
	c := parse(t, "-types", "web", "-index", "home.htm", "-html-ext", "-spa", "/app/index.html")
	assert.Equal(t, "home.htm", c.Index)
	assert.True(t, c.CleanURLs)
	assert.Equal(t, "/app/index.html", c.App)
	assert.Empty(t, c.Warnings)
}

func TestWhatCannotBeUsedIsSaidInOneLine(t *testing.T) {
	cases := []struct {
		name string
		args []string
		want string // part of the message
	}{
		{"an unknown flag", []string{"-nope"}, "not defined: -nope; -h lists the flags"},
		{"a flag without its value", []string{"-max-body"}, "-max-body; -h lists the flags"},
		{"a negative number", []string{"-max-fields", "-1"}, `-max-fields: "-1" does not fit; give a whole number from 1 to`},
		{"a number with a plus", []string{"-max-fields", "+1"}, "whole number"},
		{"a number with underscores", []string{"-max-fields", "1_000"}, "whole number"},
		{"a number beyond 64 bits", []string{"-max-fields", "99999999999999999999"}, "whole number"},
		{"a number with a unit", []string{"-max-fields", "1K"}, "whole number"},
		{"no number", []string{"-max-fields="}, "whole number"},
		{"a head too small for any request", []string{"-max-head", "255"}, "from 256 to 1M"},
		{"a mistake that a later flag would hide", []string{"-max-body", "x", "-max-body", "1"}, `-max-body: "x"`},
		{"no workers", []string{"-workers", "0"}, "from 1 to"},
		{"a stage's own flag out of range", []string{"-queue", "1001"}, "-queue: \"1001\" does not fit; give a whole number from 0 to 1000"},
		{"a timeout of zero", []string{"-head-timeout", "0"}, "from 1ms to 7d, as 10 or 0.5 (seconds), 500ms, 30s"},
		{"a switch with an odd value", []string{"-chunked=maybe"}, "neither true nor false"},
		{"a port out of range", []string{"65536"}, `PORT HOST: "65536" is not a port; give a number from 0 to 65535`},
		{"-port out of range", []string{"-port", "70000"}, "-port: "},
		{"a host that needs a resolver", []string{"80", "example.org"}, "is not an address"},
		{"an address with a zone", []string{"80", "fe80::1%lo"}, "zone"},
		{"an address without a port", []string{"-listen", "127.0.0.1"}, "has no port"},
		{"IPv6 without brackets", []string{"-listen", "::1:80"}, "in brackets"},
		{"a Unix socket without a path", []string{"-listen", "unix:"}, "1 to 107 bytes"},
		{"a Unix socket's mode beyond permissions", []string{"-listen", "unix:/x,mode=4755"}, `"mode=4755" does not fit; give permissions once, in octal, as mode=0660`},
		{"a Unix socket's mode that is not octal", []string{"-listen", "unix:/x,mode=0x1b0"}, "in octal"},
		{"a Unix socket for nobody", []string{"-listen", "unix:/x,mode=0"}, "in octal"},
		{"a Unix socket's mode twice", []string{"-listen", "unix:/x,mode=0660,mode=0600"}, "once"},
		{"a Unix socket's group without a name", []string{"-listen", "unix:/x,group="}, "as group=www-data"},
		{"a mode for a socket without a file", []string{"-listen", "unix:@x,mode=0660"}, `"@x" is no file`},
		{"a group for a socket without a file", []string{"-listen", "unix:@x,group=www-data"}, "everybody on this machine may connect"},
		{"a mode without a path", []string{"-listen", "unix:,mode=0660"}, "1 to 107 bytes"},
		{"a mode for a target", []string{"-relay", "unix:/x=unix:/y,mode=0660"}, "does not fit"},
		{"a group without a user", []string{"-group", "www-data"}, "-group: it is the group of -user"},
		{"a user with a group behind it", []string{"-user", "www-data:www-data"}, "is no name of a user"},
		{"no user", []string{"-user", ""}, "is no name of a user"},
		{"a path too long for a Unix socket", []string{"-listen", "unix:/" + strings.Repeat("x", 107)}, "1 to 107 bytes"},
		{"a fourth argument", []string{"80", "::1", "2", "more"}, `"more" is one argument too many`},
		{"the port twice", []string{"-port", "80", "81"}, "given twice"},
		{"the address twice", []string{"-listen", ":80", "81"}, "given twice"},
		{"-listen and -port", []string{"-listen", ":80", "-port", "81"}, "given twice"},
		{"the workers twice", []string{"-workers", "2", "80", "::1", "2"}, "given twice"},
		{"no number of workers", []string{"80", "::1", "two"}, "WORKERS: "},
		{"a host with a port of letters", []string{"-host", "example.org:http"}, "not a host name"},
		{"a host with an empty port", []string{"-host", "example.org:"}, "not a host name"},
		{"a host with a port too large", []string{"-host", "example.org:65536"}, "not a host name"},
		{"a host with a scheme", []string{"-host", "http://example.org"}, "not a host name"},
		{"a port without a host", []string{"-host", ":80"}, "not a host name"},
		{"IPv6 without brackets", []string{"-host", "::1"}, "not a host name"},
		{"an empty host", []string{"-host", ""}, "not a host name"},
		{"a type with a dot", []string{"-types", "html,.txt"}, `".txt" is not a file type`},
		{"no type", []string{"-types", ""}, "not a file type"},
		{"an index in a folder", []string{"-index", "a/index.html"}, "give one without a folder"},
		{"a hidden index", []string{"-index", ".index.html"}, "is no name of a file"},
		{"no index", []string{"-index", ""}, "is no name of a file"},
		{"an application without a slash", []string{"-spa", "index.html"}, "give its path, as /index.html"},
		{"an application that is a folder", []string{"-spa", "/app/"}, "is no page"},
		{"an application out of the root", []string{"-spa", "/../index.html"}, "is no page"},
		{"an application of a type that is not served", []string{"-spa", "/app.js"}, `-spa: "/app.js" is of a type that is not served; add it to -types`},
		{"a network with host name", []string{"-rate-exempt", "localhost"}, "not a network"},
		{"a network too narrow", []string{"-monitor-from", "10.0.0.0/33"}, "not a network"},
		{"unix is a word of one flag only", []string{"-monitor-from", "unix"}, "not a network"},
		{"none is a word of one flag only", []string{"-trusted-proxy", "none"}, "not a network"},
		{"a gauge that there is not", []string{"-adaptive", "auto"}, `-adaptive: "auto" is not known; give one of ["lateness" "load" "pressure" "off"]`},
		{"an origin with a path", []string{"-cors", "https://example.org/"}, "not an origin"},
		{"any origin and another", []string{"-cors", "*", "-cors", "https://example.org"}, "or * alone"},
		{"another origin and any", []string{"-cors", "https://example.org,*"}, "or * alone"},
		{"an origin twice", []string{"-cors", "https://example.org", "-cors", "https://example.org"}, "give each once"},
		{"an origin without a scheme", []string{"-cors", "example.org"}, "not an origin"},
		{"an origin in capitals", []string{"-cors", "https://Example.org"}, "in lower case"},
		{"an origin with the port of its scheme", []string{"-cors", "https://a.example,https://example.org:443"}, "without the port"},
		{"an origin of http with the port of its scheme", []string{"-cors", "http://[::1]:80"}, "without the port"},
		{"passwords in no file", []string{"-auth", ""}, "-auth: there is no path; give that of a file"},
		{"redirects in no file", []string{"-redirects="}, "there is no path"},
		{"ticket keys in no file", []string{"-tls-ticket-keys", ""}, "there is no path"},
		{"passwords in a file with a NUL", []string{"-auth", "a\x00b"}, "NUL"},
		{"an error page for a success", []string{"-error-page", "200=/x"}, "from 400 to 599"},
		{"an error page without a path", []string{"-error-page", "404"}, "as 404=/404.html"},
		{"an error page with a line break", []string{"-error-page", "404=/x\r\ny"}, "as 404=/404.html"},
		{"an unknown log level", []string{"-log-level", "loud"}, "debug, info, warn or error"},
		{"an unknown log format", []string{"-log-format", "xml"}, "text or json"},
		{"a header without a colon", []string{"-header", "X-A"}, "give 'Name: value'"},
		{"a header with a blank before the colon", []string{"-header", "X-A : 1"}, "give 'Name: value'"},
		{"a header that splits the response", []string{"-header", "X-A: 1\r\nSet-Cookie: x"}, "printable ASCII"},
		{"a header that frames", []string{"-header", "transfer-ENCODING: chunked"}, "written by the server"},
		{"a header of CORS", []string{"-header", "Access-Control-Allow-Origin: *"}, "written by the server"},
		{"headers too long together", []string{"-header", "A: " + strings.Repeat("x", 2100), "-header", "B: " + strings.Repeat("x", 2100)}, "stay under 4096"},
		{"a Cache-Control with a line break", []string{"-cache-control", "a\nb"}, "printable ASCII"},
		{"a rule for caches without a value", []string{"-cache-control-for", "*.html"}, "as '/assets/*=max-age=31536000, immutable'"},
		{"a rule for caches in a folder without a slash", []string{"-cache-control-for", "assets/*=no-store"}, "does not fit"},
		{"a rule for caches with a line break", []string{"-cache-control-for", "*=a\nb"}, "printable ASCII"},
		{"a config file that is not there", []string{"-config", "/nonexistent/x"}, "give a file that can be read"},
		{"a config file that is a FIFO", []string{"-config", fifo(t)}, "no regular file"},
		{"a config file that is a folder", []string{"-config", t.TempDir()}, "no regular file"},
		{"a root with a NUL", []string{"-root", "a\x00b"}, "NUL"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			usageError(t, tc.args, tc.want)
		})
	}
}

// usageError says that arguments are refused, in one line that has a text.
func usageError(t *testing.T, args []string, want string) {
	t.Helper()
	_, err := Parse(sample(new(int)), args, nil)
	var bad *UsageError
	require.ErrorAs(t, err, &bad)
	assert.Contains(t, bad.Error(), want)
	assert.NotContains(t, bad.Error(), "\n")
}

func TestANullDeviceIsAFileWithoutSettings(t *testing.T) {
	c := parse(t, "-config", os.DevNull)
	assert.NotNil(t, c.FileText)
	assert.Empty(t, c.FileText)
}

func TestWhatCannotBeUsedInAFileIsSaidWithItsLine(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"an unknown name", "rate 1\n\nnope 2\n", ":3: nope is no setting"},
		{"a name with a dash", "-rate 1\n", ":1: -rate is no setting"},
		{"a file that names another", "config other\n", ":1: config is no setting"},
		{"a file that asks for a check", "check\n", ":1: check is no setting"},
		{"a value out of range", "# x\nmax-head 1\n", `:2: max-head: "1" does not fit`},
		{"a setting twice", "rate 1\nrate 2\n", ":2: rate stands there twice"},
		{"a value missing", "rate\n", `:1: rate: "" does not fit`},
		{"a control character", "root a\x01b\n", ":1: holds a control character"},
		{"not UTF-8", "root a\xffb\n", ":1: holds a control character or is not UTF-8"},
		{"a file without an end", strings.Repeat("#\n", maxFile), "more than 1048576 bytes"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			path := file(t, tc.text)
			_, err := Parse(sample(new(int)), []string{"-config", path}, nil)
			var bad *UsageError
			require.ErrorAs(t, err, &bad)
			assert.Contains(t, bad.Error(), path)
			assert.Contains(t, bad.Error(), tc.want)
		})
	}
}

func TestAnEnvironmentVariableIsNamedInItsError(t *testing.T) {
	_, err := Parse(sample(new(int)), nil, []string{"FOURWAYS_MAX_HEAD=1"})
	assert.ErrorContains(t, err, "FOURWAYS_MAX_HEAD: ")
}

func TestWarnings(t *testing.T) {
	cases := []struct {
		name    string
		args    []string
		environ []string
		want    []string // parts, one for each warning
	}{
		{"an ordinary start has none", nil, []string{"HOME=/root", "FOURWAYS_RATE=1"}, nil},
		{"a variable that is no setting", nil, []string{"FOURWAYS_NOPE=1"}, []string{`"FOURWAYS_NOPE" is no setting`}},
		{"a variable that asks for a check", nil, []string{"FOURWAYS_CHECK=true"}, []string{`"FOURWAYS_CHECK" is no setting`}},
		{"a variable in the wrong case", nil, []string{"FOURWAYS_rate=1"}, []string{`"FOURWAYS_rate" is no setting`}},
		{"a request line longer than the head", []string{"-max-head", "1000", "-max-request-line", "2000"}, nil, []string{"a line over 1000 bytes is refused"}},
		{"an index that is not served", []string{"-index", "index.php"}, nil, []string{`-index "index.php" is of a type that is not served`}},
		{"clean URLs without pages", []string{"-types", "txt", "-index", "a.txt", "-html-ext"}, nil, []string{"-html-ext finds nothing"}},
		{"files larger than the cache", []string{"-cache-size", "1", "-cache-item", "2048"}, nil, []string{"-cache-item is more"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c, err := Parse(sample(new(int)), tc.args, tc.environ)
			require.NoError(t, err)
			require.Len(t, c.Warnings, len(tc.want))
			for i, part := range tc.want {
				assert.Contains(t, c.Warnings[i], part)
			}
		})
	}
}

func TestHelpIsAsPrinted(t *testing.T) {
	for _, dashed := range []string{"-h", "--help"} {
		_, err := Parse(sample(new(int)), []string{"8080", dashed}, nil)
		var notice *Notice
		require.ErrorAs(t, err, &notice)
		golden := filepath.Join("testdata", "help.txt")
		if *update {
			require.NoError(t, os.WriteFile(golden, []byte(notice.Text), 0o644))
		}
		want, readErr := os.ReadFile(golden)
		require.NoError(t, readErr)
		assert.Equal(t, string(want), notice.Text)
	}
}

func TestVersionNamesTheStage(t *testing.T) {
	_, err := Parse(sample(new(int)), []string{"-version"}, nil)
	var notice *Notice
	require.ErrorAs(t, err, &notice)
	assert.True(t, strings.HasPrefix(notice.Text, "fourways stage1-threadpool "))
	assert.True(t, strings.HasSuffix(notice.Text, "\n"))
}

func TestVersionTellsTheBuild(t *testing.T) {
	stage := Stage{Name: "stage3-epoll", Number: 3}
	build := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123abcd"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"}, {Key: "-race", Value: "true"},
	}}
	goes := fmt.Sprintf("go: %s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	assert.Equal(t, "fourways stage3-epoll v1.2.3\ncommit: 0123abcd of 2026-01-02T03:04:05Z, with changes\n"+goes+"\nfeatures: tls proxy-protocol proxy relay race\n", versionOf(stage, build))
	stage.Number = 1
	assert.Equal(t, "fourways stage3-epoll (devel)\ncommit: unknown\n"+goes+"\nfeatures: tls proxy-protocol proxy\n", versionOf(stage, nil))
	defer func() { release = "" }()
	release = "v9.9.9"
	assert.Contains(t, versionOf(stage, build), " v9.9.9\n", "what the builder says counts")
}

func TestEverySettingIsDefinedOnceAndExplained(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range table(sample(new(int)), &Config{}) {
		assert.False(t, seen[f.Name], f.Name)
		seen[f.Name] = true
		assert.NotEmpty(t, f.Help, f.Name)
		assert.NotEmpty(t, f.Group, f.Name)
		assert.NotNil(t, f.Set, f.Name)
		if f.Default != "" {
			assert.NoError(t, f.Set(f.Default), f.Name)
		}
	}
}

func TestEveryValueForClientsSuitsTheTable(t *testing.T) {
	for name, args := range map[string][]string{
		"the smallest": {"-clients", "8", "-ipv6-prefix", "1", "-max-conns-per-client", "0", "-rate", "0", "-burst", "1", "-ban-after", "0", "-ban", "0.001"},
		"the largest":  {"-ipv6-prefix", "128", "-max-conns-per-client", "65535", "-rate", "1000000", "-burst", "1000000", "-ban-after", "4095", "-ban", "604800"},
	} {
		c := parse(t, args...).Clients
		_, err := limiter.New(make([]byte, limiter.Size(c.Entries)), limiter.Config{
			Key: [2]uint64{1}, IPv6Prefix: c.IPv6Prefix, MaxConns: c.MaxConns, Rate: c.Rate, Burst: c.Burst, BanAfter: c.BanAfter, Ban: c.Ban.Nanoseconds(),
		})
		assert.NoError(t, err, name)
	}
	assert.Equal(t, limiter.MaxBanAfter, maxBanAfter)
}

func FuzzFile(f *testing.F) {
	f.Add([]byte("max-head 8192\n# comment\nheader X-A: b # c\r\n\tmlock\n"))
	f.Add([]byte("a\x00b\n\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := parseFile("f", data)
		var bad *UsageError
		if err != nil && !errors.As(err, &bad) {
			t.Fatalf("an error of another kind: %v", err)
		}
		var again strings.Builder
		for _, e := range entries {
			again.WriteString(e.name + " " + e.value + "\n")
		}
		back, err := parseFile("f", []byte(again.String()))
		if err != nil || len(back) != len(entries) {
			t.Fatalf("what was read cannot be written and read again: %q, %v", again.String(), err)
		}
		for i, e := range entries {
			if back[i].name != e.name || back[i].value != e.value {
				t.Fatalf("%q became %q", e, back[i])
			}
		}
	})
}

func TestWhatIsOutrankedIsNotJudged(t *testing.T) {
	for name, tt := range map[string]struct {
		args, environ []string
	}{
		"the port of the environment, by -listen":    {[]string{"-listen", "127.0.0.1:1"}, []string{"FOURWAYS_PORT=nonsense"}},
		"the port of the environment, by the short":  {[]string{"1"}, []string{"FOURWAYS_PORT=nonsense"}},
		"the address of the environment, by -port":   {[]string{"-port", "1"}, []string{"FOURWAYS_LISTEN=nonsense"}},
		"the address of the environment, by PORT":    {[]string{"1"}, []string{"FOURWAYS_LISTEN=nonsense"}},
		"the workers of the environment, by WORKERS": {[]string{"1", "127.0.0.1", "2"}, []string{"FOURWAYS_WORKERS=nonsense"}},
		"a limit of the environment, by its flag":    {[]string{"-listen", "127.0.0.1:1", "-max-body", "5"}, []string{"FOURWAYS_MAX_BODY=nonsense"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Parse(Stage{DefaultWorkers: 1}, tt.args, tt.environ)
			require.NoError(t, err)
			require.Equal(t, "127.0.0.1:1", c.Listen[0].String())
		})
	}
	_, err := Parse(Stage{DefaultWorkers: 1}, nil, []string{"FOURWAYS_PORT=nonsense"})
	require.Error(t, err, "what counts is judged")
}

// Kubernetes tells every program of a service named fourways by variables like these.
func TestVariablesOfAnOrchestratorDoNotEndTheStart(t *testing.T) {
	c, err := Parse(Stage{DefaultWorkers: 1}, nil, []string{
		"FOURWAYS_SERVICE_HOST=10.0.0.1", "FOURWAYS_SERVICE_PORT=8080", "FOURWAYS_PORT=tcp://10.0.0.1:8080",
		"FOURWAYS_PORT_8080_TCP=tcp://10.0.0.1:8080", "FOURWAYS_PORT_8080_TCP_PROTO=tcp", "FOURWAYS_PORT_8080_TCP_ADDR=10.0.0.1",
	})
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:8080", c.Listen[0].String())
	require.Len(t, c.Warnings, 6)
}

func TestAByteOrderMarkMeansNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings")
	require.NoError(t, os.WriteFile(path, []byte("\xef\xbb\xbfmax-body 5\n"), 0o600))
	c, err := Parse(Stage{DefaultWorkers: 1}, []string{"-config", path}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 5, c.Limits.Body)
}

func TestAddressesForProxies(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		want string // the addresses, or a part of the error's text
	}{
		{"none", nil, "[]"},
		{"the default", []string{"-proxy-protocol", "127.0.0.1:8080", "-trusted-proxy", "10.0.0.9"}, "[127.0.0.1:8080]"},
		{"by another spelling", []string{"-listen", ":80", "-proxy-protocol", "[::]:80", "-trusted-proxy", "10.0.0.9"}, "[[::]:80]"},
		{"of the short form", []string{"-proxy-protocol", "127.0.0.1:99", "-trusted-proxy", "10.0.0.9", "99"}, "[127.0.0.1:99]"},
		{"of several", []string{"-listen", ":80", "-listen", "unix:/x", "-proxy-protocol", "unix:/x", "-trusted-proxy", "unix"}, "[unix:/x]"},
		{"of TLS", []string{"-tls-listen", ":443", "-tls-self-signed", "-proxy-protocol", ":443", "-trusted-proxy", "10.0.0.9"}, "[[::]:443]"},
		{"where nothing listens", []string{"-proxy-protocol", ":81", "-trusted-proxy", "10.0.0.9"}, "-proxy-protocol: nothing listens on [::]:81; give an address as it stands in -listen, -tls-listen or -relay"},
		{"on another of the machine's addresses", []string{"-listen", ":80", "-proxy-protocol", "127.0.0.1:80", "-trusted-proxy", "10.0.0.9"}, "nothing listens on 127.0.0.1:80"},
		{"of nobody", []string{"-proxy-protocol", "127.0.0.1:8080"}, "-proxy-protocol: nobody is trusted to send the header; name the proxy with -trusted-proxy"},
		{"no address", []string{"-proxy-protocol", "8080", "-trusted-proxy", "10.0.0.9"}, "has no port"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if !strings.HasPrefix(tc.want, "[") {
				usageError(t, tc.args, tc.want)
				return
			}
			assert.Equal(t, tc.want, fmt.Sprint(parse(t, tc.args...).Proxied))
		})
	}
}
