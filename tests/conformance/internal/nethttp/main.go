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
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`ADDRESS` to listen on")
	root := flag.String("root", ".", "`FOLDER` to serve")
	fault := flag.String("fault", "", "leak: keep a connection to itself for each request; exit: die at GET /contact.html; deaf: ignore SIGTERM; dies: die of SIGTERM; status: end with status 3; whole: take files into memory whole; single: serve one connection at a time")
	flag.Parse()
	if err := serve(*listen, *root, *fault); err != nil {
		log.Fatal(err)
	}
	if *fault == "status" {
		os.Exit(3)
	}
}

func serve(listen, root, fault string) error {
	stop, cancel := context.WithCancel(context.Background())
	defer cancel()
	if fault != "dies" {
		stop, cancel = signal.NotifyContext(stop, syscall.SIGTERM)
		defer cancel()
	}
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
		if fault == "whole" {
			serveWhole(w, filepath.Join(root, r.URL.Path))
			return
		}
		files.ServeHTTP(w, r)
	})
	server := &http.Server{Addr: listen, Handler: mux}
	if fault == "single" {
		server.ConnState = oneAtATime()
	}
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

// serveWhole reads a file before it sends the first byte.
func serveWhole(w http.ResponseWriter, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	_, _ = w.Write(text)
}

// oneAtATime has each connection wait, before it is served, until the ones before it are closed.
func oneAtATime() func(net.Conn, http.ConnState) {
	var serving sync.Mutex
	return func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			serving.Lock()
		case http.StateClosed:
			serving.Unlock()
		}
	}
}
