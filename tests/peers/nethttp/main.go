// Command nethttp serves a folder with the standard library's net/http: the peer that
// every Go program is compared with. It is as its documentation shows it, with nothing
// tuned, and is no part of the server: nothing imports it.
package main

import (
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
)

// maxUpload bounds a body, in bytes.
const maxUpload = 1 << 20

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`HOST:PORT` to listen on")
	root := flag.String("root", ".", "`FOLDER` to serve")
	pem := flag.String("pem", "", "`FILE` with a certificate and its key, to speak TLS")
	uploads := flag.String("uploads", "", "`FOLDER` in which POST /upload stores JSON")
	flag.Parse()
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(*root)))
	if *uploads != "" {
		mux.HandleFunc("POST /upload", func(w http.ResponseWriter, r *http.Request) { upload(w, r, *uploads) })
	}
	if *pem != "" {
		log.Fatal(http.ListenAndServeTLS(*listen, *pem, *pem, mux))
	}
	log.Fatal(http.ListenAndServe(*listen, mux))
}

// upload answers when the body is in the folder and on the disk, as the stages do.
func upload(w http.ResponseWriter, r *http.Request, folder string) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxUpload))
	if err != nil || !json.Valid(text) {
		http.Error(w, "no JSON", http.StatusBadRequest)
		return
	}
	name, err := store(text, folder)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Location", "/uploads/"+name)
	w.WriteHeader(http.StatusCreated)
	io.WriteString(w, "stored\n")
}

// store writes a file under another name, and renames it when it is on the disk.
func store(text []byte, folder string) (name string, err error) {
	f, err := os.CreateTemp(folder, ".part-*")
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		return "", err
	}
	if err := f.Sync(); err != nil {
		return "", err
	}
	name = "upload_" + filepath.Base(f.Name())[len(".part-"):] + ".json"
	if err := os.Rename(f.Name(), filepath.Join(folder, name)); err != nil {
		return "", err
	}
	d, err := os.Open(folder)
	if err != nil {
		return "", err
	}
	defer d.Close()
	return name, d.Sync()
}
