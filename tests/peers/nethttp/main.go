// Command nethttp serves a folder with the standard library's net/http: the peer that
// every Go program is compared with. It is as its documentation shows it, with nothing
// tuned, and is no part of the server: nothing imports it.
package main

import (
	"flag"
	"log"
	"net/http"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`HOST:PORT` to listen on")
	root := flag.String("root", ".", "`FOLDER` to serve")
	pem := flag.String("pem", "", "`FILE` with a certificate and its key, to speak TLS")
	flag.Parse()
	files := http.FileServer(http.Dir(*root))
	if *pem != "" {
		log.Fatal(http.ListenAndServeTLS(*listen, *pem, *pem, files))
	}
	log.Fatal(http.ListenAndServe(*listen, files))
}
