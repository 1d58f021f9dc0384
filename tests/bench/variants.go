//go:build linux

package main

// Variants of the configurations of other servers: for each kind of work the cheapest one is found
// by measuring them, and then measured in all rounds. Its name stands beside the figures.
//
// Our own servers have none: they are measured as they come. What must not be done: a variant must
// not change what a client gets.

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Names of variants.
const (
	sendfileOn   = "sendfile on"
	sendfileOff  = "sendfile off"
	nopush       = "sendfile on, tcp_nopush on"
	bufferingOn  = "proxy_buffering on"
	bufferingOff = "proxy_buffering off"
	apacheSend   = "EnableSendfile On"
	apacheMMAP   = "EnableMMAP On"
	apacheRead   = "EnableMMAP Off"
)

// nginxSends are the lines of nginx's variants.
var nginxSends = map[string]string{
	sendfileOn:  "sendfile on;",
	sendfileOff: "sendfile off; output_buffers 2 256k;",
	nopush:      "sendfile on; tcp_nopush on;",
}

// nginxVariants: with tcp_nopush it holds back pipelined answers.
func nginxVariants(w *work) []string {
	switch {
	case w.duty() == proxying && w.file != "16m.html":
		return []string{bufferingOn, bufferingOff}
	case w.duty() != serving || w.tls != nil:
		return nil
	case w.deep > 1:
		return []string{sendfileOn, sendfileOff}
	}
	return []string{sendfileOn, sendfileOff, nopush}
}

func lighttpdVariants(*work) []string { return []string{"sendfile", "writev"} }

func apacheVariants(w *work) []string {
	if w.duty() != serving {
		return nil
	}
	return []string{apacheMMAP, apacheSend, apacheRead}
}

// Settings of Apache. Its event MPM has a thread for each connection that is being answered, and
// room for so many others for each thread, 16 at most: more wait in the listener's queue.
const (
	apacheThreads = 256
	apacheFactor  = 16
	apacheConns   = apacheThreads * apacheFactor
)

// apacheModules is where distributions put what Apache is made of.
func apacheModules() (folder, lack string) {
	for _, folder := range []string{"/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/libexec/apache2"} {
		if _, err := os.Stat(filepath.Join(folder, "mod_mpm_event.so")); err == nil {
			return folder, ""
		}
	}
	return "", "its event MPM is not installed"
}

// apache chooses what Apache reads.
func apache(modules string) func(*work, string) string {
	return func(w *work, variant string) string {
		words := map[string]string{"@MODULES": modules, "@PLACE": apacheFiles, "@SENDING": "EnableMMAP On\nEnableSendfile Off"}
		switch variant {
		case apacheSend:
			words["@SENDING"] = "EnableMMAP On\nEnableSendfile On"
		case apacheRead:
			words["@SENDING"] = "EnableMMAP Off\nEnableSendfile Off"
		}
		if w.duty() == proxying {
			words["@PLACE"] = apacheProxy
		}
		return fill(apacheConfig, words)
	}
}

// apacheConfig: as root it insists on another user.
const apacheConfig = `
ServerRoot "@DIR"
ServerName 127.0.0.1
PidFile "@DIR/httpd.pid"
ErrorLog "@DIR/error.log"
LogLevel error
Listen 127.0.0.1:@PORT
ListenBacklog 4096
LoadModule mpm_event_module @MODULES/mod_mpm_event.so
LoadModule authz_core_module @MODULES/mod_authz_core.so
User nobody
Group nogroup
ServerLimit 1
StartServers 1
ThreadLimit @APACHE_THREADS
ThreadsPerChild @APACHE_THREADS
MaxRequestWorkers @APACHE_THREADS
AsyncRequestWorkerFactor @APACHE_FACTOR
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout @SECONDS
Timeout @SECONDS
@PLACE
`

const apacheFiles = `
LoadModule mime_module @MODULES/mod_mime.so
LoadModule dir_module @MODULES/mod_dir.so
TypesConfig /dev/null
AddType text/html .html
AddType text/plain .txt
AddType image/png .png
AddType image/jpeg .jpg
DirectoryIndex index.html
DocumentRoot "@ROOT"
@SENDING
<Directory "@ROOT">
AllowOverride None
Require all granted
</Directory>
`

const apacheProxy = `
LoadModule proxy_module @MODULES/mod_proxy.so
LoadModule proxy_http_module @MODULES/mod_proxy_http.so
ProxyPreserveHost On
ProxyPass "/" "http://@UPSTREAM/" keepalive=On
`

// Trying variants.
const (
	tries      = 3
	tryTime    = 300 * time.Millisecond
	tryShorter = 150 * time.Millisecond // of a quick run, which tries each once
)

// choice is the variant that is measured.
type choice struct {
	variant string
	says    string // how it was found
}

// tryKind is what a choice depends on: works of one kind share it.
type tryKind struct {
	server, file string
	duty         duty
	closes, tls  bool
	deep, mixed  bool
}

func kindOfTry(w *work, s *server) tryKind {
	return tryKind{s.name, w.file, w.duty(), w.closes, w.tls != nil, w.deep > 1, w.mixed}
}

// trying is how often each variant is tried, and for how long.
func (o *options) trying() (times int, each time.Duration) {
	if o.quick {
		return 1, tryShorter
	}
	return tries, tryTime
}

// choose finds the best variant of a server's configuration for a work.
func (b *bench) choose(w *work, s *server) choice {
	if s.variants == nil {
		return choice{}
	}
	all := s.variants(w)
	if len(all) == 0 {
		return choice{}
	}
	kind := kindOfTry(w, s)
	if c, ok := b.choices[kind]; ok {
		return c
	}
	c := b.try(w.trial(), s, all)
	if b.ctx.Err() == nil {
		b.choices[kind] = c
	}
	return c
}

// trial is a short work of the same kind.
func (w *work) trial() *work {
	t := *w
	t.idle, t.others, t.crowd, t.conns = false, 0, false, smallConns
	switch {
	case w.tls != nil || w.duty() == relaying:
		return w // measured as it is
	case sizes[w.file] >= spliced:
		t.conns, t.measure = bulkConns, (*bench).measureBulk
	default:
		t.measure = (*bench).measureLoad
	}
	return &t
}

// try measures the variants in turn, and takes the one with the cheapest of its rounds: what
// disturbs a measurement makes it dearer.
func (b *bench) try(w *work, s *server, all []string) choice {
	before := b.o.duration
	defer func() { b.o.duration = before }()
	rounds, each := b.o.trying()
	b.o.duration = min(before, each)
	least := map[string]float64{}
	b.pace.passed(time.Duration(rounds*len(all)) * (startTime + b.o.duration))
	for range rounds {
		for _, v := range all {
			f, err := b.measureOnce(w, s, v)
			if cost, ok := f[keyCPU]; err == nil && ok && (least[v] == 0 || cost < least[v]) {
				least[v] = cost
			}
		}
	}
	found := choice{variant: all[0]}
	for _, v := range all {
		if cost, ok := least[v]; ok && cost < cmp.Or(least[found.variant], cost+1) {
			found.variant = v
		}
	}
	var parts []string
	for _, v := range all {
		if v != found.variant && least[v] > 0 {
			parts = append(parts, fmt.Sprintf("%s costs %.2f ×", v, least[v]/least[found.variant]))
		}
	}
	found.says = found.variant
	if len(parts) > 0 {
		found.says += " (" + strings.Join(parts, ", ") + ")"
	}
	return found
}
