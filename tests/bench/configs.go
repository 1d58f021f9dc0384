//go:build linux

package main

// The configurations of installed servers: one worker, in the foreground, no access log,
// connections that are never closed for their age, and whatever the server offers for
// static files, or for passing on. Each is what its manual recommends for this work, so that the
// peers are measured at their best.
//
// What must not be done: no work may get a setting that makes a server worse at it.

import (
	"cmp"
	"os"
	"strings"
)

// user is a line by which a server that starts as root stays what it is: the folder of a
// run belongs to who runs it. Others may not choose, and need not.
func user() string {
	if os.Getuid() == 0 {
		return "root"
	}
	return "nobody"
}

// nginx chooses what nginx reads. stream is the line that loads what it relays by.
func nginx(stream string) func(*work, string) string {
	return func(w *work, variant string) string {
		words := map[string]string{"@SSL": "", "@BEHIND": "", "@PLACE": "root @ROOT;", "@SEND": cmp.Or(nginxSends[variant], nginxSends[sendfileOn])}
		switch {
		case w.duty() == relaying:
			return stream + nginxRelay
		case w.duty() == proxying:
			words["@BEHIND"], words["@PLACE"] = nginxBehind, nginxProxy
			if variant == bufferingOff {
				words["@PLACE"] = strings.ReplaceAll(nginxProxy, "proxy_max_temp_file_size 0;", "proxy_buffering off;")
			}
			if w.file == "16m.html" { // where a slow client is what is measured
				words["@PLACE"] = strings.ReplaceAll(nginxProxy, "proxy_max_temp_file_size 0;", "")
			}
		case w.tls != nil:
			words["@SSL"], words["@PLACE"] = "ssl", "root @ROOT;"+nginxTLS
		}
		return fill(nginxConfig, words)
	}
}

// fill replaces words, and those in what it put in their places.
func fill(text string, words map[string]string) string {
	for range 2 {
		for word, by := range words {
			text = strings.ReplaceAll(text, word, by)
		}
	}
	return text
}

// streamModules is where distributions put what nginx relays by.
var streamModules = []string{"/usr/lib/nginx/modules/ngx_stream_module.so", "/usr/lib64/nginx/modules/ngx_stream_module.so", "/usr/share/nginx/modules/ngx_stream_module.so"}

// streamModule is the line that loads it, or why there is none.
func streamModule() (line, lack string) {
	for _, path := range streamModules {
		if _, err := os.Stat(path); err == nil {
			return "load_module " + path + ";\n", ""
		}
	}
	return "", "its module for relays is not installed (libnginx-mod-stream)"
}

const nginxConfig = `
daemon off;
user @USER;
worker_processes 1;
worker_rlimit_nofile @CONNS;
pid @DIR/nginx.pid;
error_log stderr error;
events { worker_connections @CONNS; use epoll; }
http {
    access_log off;
    default_type application/octet-stream;
    types { text/html html; text/plain txt; image/png png; image/jpeg jpg; }
    @SEND
    tcp_nodelay on;
    open_file_cache max=100 inactive=@SECONDSs;
    open_file_cache_valid @SECONDSs;
    keepalive_timeout @SECONDSs;
    keepalive_requests @REQUESTS;
    client_header_timeout @SECONDSs;
    client_body_temp_path @DIR/body;
    proxy_temp_path @DIR/proxy;
    fastcgi_temp_path @DIR/fastcgi;
    uwsgi_temp_path @DIR/uwsgi;
    scgi_temp_path @DIR/scgi;
    @BEHIND
    server {
        listen 127.0.0.1:@PORT backlog=4096 @DEFERRED @SSL;
        @PLACE
    }
}
`

// nginxBehind has nginx keep its connections to the upstream.
const nginxBehind = `
    upstream behind {
        server @UPSTREAM;
        keepalive @KEPT;
        keepalive_requests @REQUESTS;
        keepalive_timeout @SECONDSs;
    }
`

// nginxProxy has buffers for large answers. Clients are fast, so no answer goes through a file.
const nginxProxy = `
        location / {
            proxy_pass http://behind;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_buffer_size 16k;
            proxy_buffers 8 64k;
            proxy_busy_buffers_size 256k;
            proxy_max_temp_file_size 0;
        }
`

const nginxRelay = `
daemon off;
user @USER;
worker_processes 1;
worker_rlimit_nofile @CONNS;
pid @DIR/nginx.pid;
error_log stderr error;
events { worker_connections @CONNS; use epoll; }
stream {
    server {
        listen 127.0.0.1:@PORT backlog=4096;
        proxy_pass @UPSTREAM;
        proxy_buffer_size 64k;
        proxy_timeout @SECONDSs;
    }
}
`

// nginxTLS has nginx give one ticket, as the others do, and not two. It has no cache of sessions:
// its tickets resume them.
const nginxTLS = `
        ssl_certificate @PEM;
        ssl_certificate_key @PEM;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_ecdh_curve X25519;
        ssl_conf_command NumTickets 1;
        output_buffers 2 256k;
`

// lighttpd chooses what lighttpd reads.
func lighttpd(_ *work, variant string) string {
	return strings.ReplaceAll(lighttpdConfig, "@BACKEND", cmp.Or(variant, "sendfile"))
}

const lighttpdConfig = `
server.bind = "127.0.0.1"
server.port = @PORT
server.document-root = "@ROOT"
server.errorlog = "/dev/stderr"
server.event-handler = "linux-sysepoll"
server.network-backend = "@BACKEND"
server.listen-backlog = 4096
server.max-connections = @HALF
server.max-fds = @CONNS
server.max-keep-alive-requests = @REQUESTS
server.max-keep-alive-idle = @SECONDS
server.max-read-idle = @SECONDS
index-file.names = ( "index.html" )
server.stat-cache-engine = "simple"
server.defer-accept = @DEFER_SECONDS
mimetype.assign = ( ".html" => "text/html", ".txt" => "text/plain", ".png" => "image/png", ".jpg" => "image/jpeg" )
`

// h2o chooses what h2o reads.
func h2o(w *work, _ string) string {
	words := map[string]string{"@TLS": "", "@PLACE": "file.dir: @ROOT"}
	switch {
	case w.duty() == proxying:
		words["@PLACE"] = h2oProxy
	case w.tls != nil:
		words["@TLS"] = h2oTLS
	}
	return fill(h2oConfig, words)
}

// h2o defers accept(2) by itself.
const h2oConfig = `
user: @USER
num-threads: 1
max-connections: @CONNS
http1-request-timeout: @SECONDS
error-log: /dev/stderr
tcp-fastopen: 0
listen:
  host: 127.0.0.1
  port: @PORT
@TLS
hosts:
  default:
    paths:
      /:
        @PLACE
`

// h2oProxy keeps connections for a minute, in milliseconds.
const h2oProxy = `proxy.reverse.url: "http://@UPSTREAM/"
        proxy.preserve-host: ON
        proxy.timeout.keepalive: 60000`

// h2oTLS has h2o use its key itself, and not in a process apart.
const h2oTLS = `
  ssl:
    certificate-file: @PEM
    key-file: @PEM
    minimum-version: TLSv1.2
    neverbleed: OFF
ssl-session-resumption:
  mode: ticket
`

// haproxy chooses what HAProxy reads.
func haproxy(w *work, _ string) string {
	mode, rest, deferred, splice := "http", haproxyFiles, "", ""
	if w.closes {
		deferred = "defer-accept"
	}
	if !w.echoes && sizes[w.file] >= spliced { // by itself it hardly ever does so
		splice = "option splice-response"
	}
	switch w.duty() {
	case proxying:
		rest = fill(haproxyProxy, map[string]string{"@HADEFER": deferred, "@SPLICE": splice})
	case relaying:
		mode, rest = "tcp", strings.ReplaceAll(haproxyRelay, "@SPLICE", splice)
	}
	return fill(haproxyConfig, map[string]string{"@MODE": mode, "@REST": rest})
}

const haproxyConfig = `
global
    maxconn @HAPROXY_CONNS
    nbthread 1
    maxpipes @HAPROXY_PIPES
    tune.ssl.cachesize 0
defaults
    mode @MODE
    timeout connect @SECONDSs
    timeout client @SECONDSs
    timeout server @SECONDSs
    timeout http-keep-alive @SECONDSs
frontend bench
@REST
`

// haproxyFiles: HAProxy serves no files, and answers each request with one that it has read at its
// start. It prefers AES-256 by itself, where the others take what the client prefers.
const haproxyFiles = `
    bind 127.0.0.1:@PORT backlog 4096 ssl crt @PEM curves X25519 alpn http/1.1 ssl-min-ver TLSv1.2 ciphersuites TLS_AES_128_GCM_SHA256 ciphers ECDHE-ECDSA-AES128-GCM-SHA256
    http-request return status 200 content-type text/html file @ROOT/@FILE
`

// haproxyProxy has HAProxy keep its connections to the upstream, whoever the client is.
const haproxyProxy = `
    bind 127.0.0.1:@PORT backlog 4096 @HADEFER
    default_backend behind
backend behind
    http-reuse always
    @SPLICE
    server one @UPSTREAM
`

const haproxyRelay = `
    bind 127.0.0.1:@PORT backlog 4096
    default_backend behind
backend behind
    @SPLICE
    server one @UPSTREAM
`

const caddyConfig = `
{
	admin off
	auto_https off
	log {
		level ERROR
	}
}
http://:@PORT {
	bind 127.0.0.1
	@PLACE
}
`

// caddyfile chooses what Caddy reads.
func caddyfile(w *work, _ string) string {
	if w.duty() == proxying {
		return strings.ReplaceAll(caddyConfig, "@PLACE", "reverse_proxy @UPSTREAM")
	}
	return strings.ReplaceAll(caddyConfig, "@PLACE", "root * @ROOT\n\tfile_server")
}
