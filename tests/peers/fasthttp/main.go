// Command fasthttp serves a folder with github.com/valyala/fasthttp: the peer for Go
// programs that gave up net/http's comforts for speed. It uses the library's own file
// handler, cache included, and is no part of the server: nothing imports it.
package main

import (
	"flag"
	"log"

	"github.com/valyala/fasthttp"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`HOST:PORT` to listen on")
	root := flag.String("root", ".", "`FOLDER` to serve")
	pem := flag.String("pem", "", "`FILE` with a certificate and its key, to speak TLS")
	flag.Parse()
	files := &fasthttp.FS{Root: *root, IndexNames: []string{"index.html"}, AcceptByteRange: true}
	server := &fasthttp.Server{Handler: files.NewRequestHandler()}
	if *pem != "" {
		log.Fatal(server.ListenAndServeTLS(*listen, *pem, *pem))
	}
	log.Fatal(server.ListenAndServe(*listen))
}
