// Command reverseproxy passes requests on with the standard library's
// net/http/httputil.ReverseProxy, or connections with io.Copy: the peer for Go programs that stand
// in front of others. It keeps as many connections to its upstream as it has requests at a time,
// where the library alone would keep two. It is no part of the server: nothing imports it.
package main

import (
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
)

// keptConns are connections to the upstream that wait for their next request.
const keptConns = 1024

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`HOST:PORT` to listen on")
	upstream := flag.String("upstream", "127.0.0.1:9000", "`HOST:PORT` of the server behind this one")
	relay := flag.Bool("relay", false, "pass connections on, and not requests")
	flag.Parse()
	if *relay {
		log.Fatal(pass(*listen, *upstream))
	}
	target := &url.URL{Scheme: "http", Host: *upstream}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		Transport: &http.Transport{MaxIdleConns: keptConns, MaxIdleConnsPerHost: keptConns, DisableCompression: true},
	}
	log.Fatal(http.ListenAndServe(*listen, proxy))
}

// pass relays connections. On Linux io.Copy does so by splice(2).
func pass(listen, upstream string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	for {
		client, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("tcp", upstream)
			if err != nil {
				return
			}
			defer server.Close()
			done := make(chan struct{})
			go func() {
				copyEnd(server, client)
				close(done)
			}()
			copyEnd(client, server)
			<-done
		}()
	}
}

// copyEnd copies one direction, and passes its end on.
func copyEnd(to, from net.Conn) {
	io.Copy(to, from)
	to.(*net.TCPConn).CloseWrite()
}
