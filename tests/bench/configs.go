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
        listen 127.0.0.1:@PORT backlog=4096 @DEFERRED;
        root @ROOT;
    }
}
`

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
hosts:
  default:
    paths:
      /:
        file.dir: @ROOT
`
