//go:build linux

package main

// Attacks on a path, and the gate that stops each.
//
// The careless server of the chapter is made here; it has heard about "..". The secret lies beside
// the folder that is served, in the lab's own folder. What must not be done: no path may lead
// anywhere else.

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

var corpus = lab{
	name:    "corpus",
	seconds: 5,
	asks: "A server looks for “..” in a path, then decodes it, and opens what it names. " +
		"To how many of the twelve attacks on a path does it give away a file that lies beside its folder?",
	unit: "attacks",
	run:  runCorpus,
}

// gates are the checks of a path, in their order.
const (
	gateCoding = "decoding"
	gateText   = "text"
	gateType   = "type"
	gateKernel = "kernel"
	gateNone   = "not there"
)

var attacks = []struct {
	path   string
	status int
	gate   string
}{
	{"/../secret.txt", 403, gateText},
	{"/%2e%2e/secret.txt", 403, gateText},
	{"/..%2fsecret.txt", 403, gateText},
	{"/%252e%252e/secret.txt", 404, gateNone},
	{"//page.txt", 403, gateText},
	{"/a%5cb.txt", 403, gateText},
	{"/page.txt%00", 403, gateText},
	{"/%c0%ae%c0%ae/secret.txt", 400, gateCoding},
	{"/%zz.txt", 400, gateCoding},
	{"/.env", 415, gateType},
	{"/.git/config.txt", 403, gateText},
	{"/out.txt", 403, gateKernel}, // a link to the secret
}

const secret = "nobody's business"

func runCorpus(r *rig) (res result, err error) {
	res = result{Unit: "secrets given away", Kinds: [kinds]string{plain: "not there", good: "refused"},
		Learnt: "What was checked must be what is opened: decode once, then look at each segment, and let the kernel open beneath the root.\n" +
			"A link is in no text, so no check of the text finds it."}
	root := filepath.Join(r.dir, "www")
	if err := layOut(root); err != nil {
		return res, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return res, err
	}
	careless := &http.Server{Handler: carelessly(root)}
	go careless.Serve(l)
	defer careless.Close()
	sound, err := r.start("stage3-epoll", "-root", root)
	if err != nil {
		return res, err
	}
	stolen, kept, right := 0, 0, 0
	for _, a := range attacks {
		_, text, err := answerTo(l.Addr().String(), a.path)
		if err != nil {
			return res, err
		}
		if strings.Contains(text, secret) {
			stolen++
		}
		status, text, err := answerTo(sound.addr, a.path)
		if err != nil {
			return res, err
		}
		if !strings.Contains(text, secret) {
			kept++
		}
		k := good
		if a.gate == gateNone {
			k = plain
		}
		if status == a.status {
			right++
		}
		res.strip(a.path, cell{strconv.Itoa(status) + " " + a.gate, k})
	}
	res.add("careless", float64(stolen))
	res.add("stage 3", float64(len(attacks)-kept))
	res.Answer = float64(stolen)
	res.claims(stolen == 2, "the careless server gives it to dots that are written otherwise, and to whoever follows the link")
	res.claims(kept == len(attacks), "stage 3 gives it to nobody")
	res.claims(right == len(attacks), "each of the %d is stopped at its gate", len(attacks))
	return res, nil
}

// layOut makes a folder to serve, a secret beside it, and a link from one to the other.
func layOut(root string) error {
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "page.txt"), []byte("hello"), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(root), "secret.txt"), []byte(secret), 0o644); err != nil {
		return err
	}
	return os.Symlink("../secret.txt", filepath.Join(root, "out.txt"))
}

// carelessly is a handler that looks before it decodes.
func carelessly(root string) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		path := q.URL.EscapedPath()
		if strings.Contains(path, "..") {
			http.Error(w, "forbidden", http.StatusForbidden)
			return
		}
		name, err := url.PathUnescape(path)
		if err != nil {
			http.Error(w, "bad path", http.StatusBadRequest)
			return
		}
		text, err := os.ReadFile(root + name)
		if err != nil {
			http.Error(w, "not found", http.StatusNotFound)
			return
		}
		w.Write(text)
	}
}

// answerTo asks for a path as it is written, and returns status and body.
func answerTo(addr, path string) (status int, body string, err error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(answerTime))
	if _, err := io.WriteString(c, request(path)); err != nil {
		return 0, "", err
	}
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, "", err
	}
	text := new(bytes.Buffer)
	_, err = text.ReadFrom(a.Body)
	return a.StatusCode, text.String(), err
}
