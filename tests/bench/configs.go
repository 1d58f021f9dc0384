//go:build linux

package main

import "os"

// The configurations of installed servers: one worker, in the foreground, no access log,
// connections that are never closed for their age, and whatever the server offers for
// static files. Each is what its manual recommends for this work, so that the peers are
// measured at their best.

// user is a line by which a server that starts as root stays what it is: the folder of a
// run belongs to who runs it. Others may not choose, and need not.
func user() string {
	if os.Getuid() == 0 {
		return "root"
	}
	return "nobody"
}

// tcp_nopush is off: with it nginx holds back pipelined answers.
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
    sendfile on;
    tcp_nopush off;
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
    server {
        listen 127.0.0.1:@PORT backlog=4096 @DEFERRED @SSL;
        root @ROOT;
        @TLS
    }
}
`

// nginxTLS has nginx give one ticket, as the others do, and not two. It has no cache of sessions:
// its tickets resume them.
var nginxTLS = map[string]string{
	"@SSL": "ssl",
	"@TLS": `
        ssl_certificate @PEM;
        ssl_certificate_key @PEM;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_ecdh_curve X25519;
        ssl_conf_command NumTickets 1;
        output_buffers 2 256k;
`,
}

const lighttpdConfig = `
server.bind = "127.0.0.1"
server.port = @PORT
server.document-root = "@ROOT"
server.errorlog = "/dev/stderr"
server.event-handler = "linux-sysepoll"
server.network-backend = "sendfile"
server.listen-backlog = 4096
server.max-connections = @HALF
server.max-fds = @CONNS
server.max-keep-alive-requests = @REQUESTS
server.max-keep-alive-idle = @SECONDS
server.max-read-idle = @SECONDS
server.stat-cache-engine = "simple"
server.defer-accept = @DEFER_SECONDS
mimetype.assign = ( ".html" => "text/html", ".txt" => "text/plain", ".png" => "image/png", ".jpg" => "image/jpeg" )
`

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
        file.dir: @ROOT
`

// h2oTLS has h2o use its key itself, and not in a process apart.
var h2oTLS = map[string]string{"@TLS": `
  ssl:
    certificate-file: @PEM
    key-file: @PEM
    minimum-version: TLSv1.2
    neverbleed: OFF
ssl-session-resumption:
  mode: ticket
`}

// haproxy serves no files: it answers each request with one that it has read at its start. It
// prefers AES-256 by itself, where the others take what the client prefers.
const haproxyConfig = `
global
    maxconn @HAPROXY_CONNS
    nbthread 1
    tune.ssl.cachesize 0
defaults
    mode http
    timeout connect @SECONDSs
    timeout client @SECONDSs
    timeout server @SECONDSs
    timeout http-keep-alive @SECONDSs
frontend bench
    bind 127.0.0.1:@PORT backlog 4096 ssl crt @PEM curves X25519 alpn http/1.1 ssl-min-ver TLSv1.2 ciphersuites TLS_AES_128_GCM_SHA256 ciphers ECDHE-ECDSA-AES128-GCM-SHA256
    http-request return status 200 content-type text/html file @ROOT/@FILE
`
