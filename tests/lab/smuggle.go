//go:build linux

package main

// One stream of bytes, and two readers who do not agree where a message ends.
//
// The proxy is this program: it goes by Content-Length, and passes two users' messages on over one
// connection. The server with the fault is a mutant. What must not be done: no byte may be sent
// that an honest proxy of that kind would not send.

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

var smuggle = lab{
	name:    "smuggle",
	seconds: 15,
	asks: "A POST has a length and chunks, which do not agree. A proxy that goes by the length passes it on, and after it another user's request. " +
		"What is the status that a server must answer the POST with, so that nobody can be robbed?",
	run: runSmuggle,
}

// What passes the proxy: to it, the first two of these are one message, and the third is the next.
const (
	smuggled = "GET /admin.txt HTTP/1.1\r\nX: "
	victim   = "GET /page.txt HTTP/1.1\r\nHost: localhost\r\nCookie: id=victim\r\nConnection: close\r\n\r\n"
	lastPart = "0\r\n\r\n"
)

// envelope is the head of the message that the attacker sends.
var envelope = fmt.Sprintf("POST /page.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n",
	len(lastPart+smuggled))

func runSmuggle(r *rig) (res result, err error) {
	res = result{Unit: "answers", Exact: true, Apart: true, Kinds: [kinds]string{plain: "head", good: "body", bad: "the attacker's request", other: "the other user's request"},
		Learnt: "Each reader alone serves honest clients for years. Together they give the attacker's request line the other user's cookie.\n" +
			"You cannot know what the other one chose, so choose nothing: what can be read in two ways is refused, and the connection closed."}
	res.strip("sent", cell{"POST head", plain}, cell{`0\r\n\r\n`, good}, cell{"GET /admin.txt … X: ", bad}, cell{"GET /page.txt … id=victim", other})
	res.strip("by length", cell{"POST head", plain}, cell{`0\r\n\r\nGET /admin.txt … X: `, good}, cell{"GET /page.txt … id=victim", other})
	res.strip("by chunks", cell{"POST head", plain}, cell{`0\r\n\r\n`, good}, cell{"GET /admin.txt … X: GET /page.txt … id=victim", bad})

	root, err := r.folder("page.txt", 100)
	if err != nil {
		return res, err
	}
	if err := os.WriteFile(filepath.Join(root, "admin.txt"), []byte("secret"), 0o644); err != nil {
		return res, err
	}
	sound, err := r.start("stage1-threadpool", "-root", root)
	if err != nil {
		return res, err
	}
	program, err := r.programs.with(r, "chunks-beside-a-length")
	if err != nil {
		return res, err
	}
	faulty, err := r.run(program, "-root", root)
	if err != nil {
		return res, err
	}
	refusal, err := r.pass(sound, "stage 1")
	if err != nil {
		return res, err
	}
	robbery, err := r.pass(faulty, "one that goes by the chunks")
	if err != nil {
		return res, err
	}
	res.add("stage 1", float64(len(refusal)))
	res.add("by chunks", float64(len(robbery)))
	if len(refusal) > 0 {
		res.Answer = float64(refusal[0].status)
	}
	res.claims(len(refusal) == 1 && refusal[0].status == http.StatusBadRequest && refusal[0].last,
		"stage 1 answers once, with 400, and closes: nobody else's bytes come to anything")
	res.claims(len(robbery) == 2 && robbery[1].body == "secret",
		"the other one answers the user who asked for /page.txt with /admin.txt")
	return res, nil
}

// reply is one answer of a connection.
type reply struct {
	status int
	body   string
	last   bool // the server closes
}

// pass sends both messages and returns the answers.
func (r *rig) pass(s *server, name string) (all []reply, err error) {
	r.say("two users' messages, through a proxy that goes by the length, to %s", name)
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(answerTime))
	if _, err := io.WriteString(c, envelope+lastPart+smuggled+victim); err != nil {
		return nil, err
	}
	for b := bufio.NewReader(c); ; {
		a, err := http.ReadResponse(b, nil)
		if err == io.EOF || err == io.ErrUnexpectedEOF && b.Buffered() == 0 {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		body := new(strings.Builder)
		if _, err := io.Copy(body, a.Body); err != nil {
			return all, err
		}
		all = append(all, reply{a.StatusCode, body.String(), a.Close})
	}
}
