// Command nethttp serves a folder with Go's own net/http, for comparison with the
// servers of the course and to try the suite on a process. With -fault it misbehaves
// as a process, not on the wire.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`ADDRESS` to listen on")
	root := flag.String("root", ".", "`FOLDER` to serve")
	fault := flag.String("fault", "", "leak: keep a connection to itself for each request; exit: die at GET /contact.html; deaf: ignore SIGTERM; status: end with status 3")
	flag.Parse()
	if err := serve(*listen, *root, *fault); err != nil {
		log.Fatal(err)
	}
	if *fault == "status" {
		os.Exit(3)
	}
}

func serve(listen, root, fault string) error {
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	mux := http.NewServeMux()
	mux.HandleFunc("/upload", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 1<<20)); err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		w.WriteHeader(http.StatusCreated)
	})
	files := http.FileServer(http.Dir(root))
	var leaked []net.Conn
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case fault == "exit" && r.URL.Path == "/contact.html":
			os.Exit(1)
		case fault == "leak":
			if conn, err := net.Dial("tcp", listen); err == nil {
				leaked = append(leaked, conn)
			}
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "not allowed", http.StatusMethodNotAllowed)
			return
		}
		files.ServeHTTP(w, r)
	})
	server := &http.Server{Addr: listen, Handler: mux}
	go func() {
		<-stop.Done()
		if fault == "deaf" {
			return
		}
		end, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(end)
	}()
	fmt.Println("nethttp listens on", listen)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
