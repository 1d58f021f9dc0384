//go:build linux

package main

// A server as a process: starting it on a processor, waiting until it accepts, and stopping it.
//
// The function that starts one stops it. What must not be done: no server may be left running, or
// the next one is measured beside it.

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fourways/tests/bench/client"
	"fourways/tests/bench/proc"
)

// How long to wait, and how often to look.
const (
	startPatience = 10 * time.Second
	stopPatience  = 5 * time.Second
	checkPatience = 30 * time.Second // for a body, however large
	lookAgain     = 10 * time.Millisecond
	logTail       = 2000 // bytes of a server's words in an error
)

// running is a server's process. Who started it stops it.
type running struct {
	addr    string // host:port
	pid     int
	most    int           // connections that it can have open
	threads int           // connections that it can serve at a time
	tls     *client.Terms // nil where it speaks plain HTTP

	behind *behind // nil where the server answers by itself

	cmd  *exec.Cmd
	log  string        // file with what it said
	done chan struct{} // closed when it has ended
}

// start starts a server on a processor and waits until it accepts connections.
func (s *server) start(ctx context.Context, w *work, at place, cpu int) (*running, error) {
	if err := errors.Join(os.RemoveAll(at.dir), os.MkdirAll(at.dir, 0o755)); err != nil {
		return nil, err
	}
	args, env, err := s.command(w, at)
	if err != nil {
		return nil, err
	}
	r := &running{addr: at.addr(), most: s.most, threads: s.atOnce(w), log: filepath.Join(at.dir, "log"), done: make(chan struct{})}
	log, err := os.Create(r.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	r.cmd = exec.Command(s.path, args...)
	r.cmd.Env = append(os.Environ(), env...)
	r.cmd.Stdout, r.cmd.Stderr = log, log
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // to stop its workers with it
	if err := proc.On(cpu, r.cmd.Start); err != nil {
		return nil, err
	}
	r.pid = r.cmd.Process.Pid
	go func() {
		r.cmd.Wait()
		close(r.done)
	}()
	if err := r.await(ctx); err != nil {
		r.stop()
		return nil, r.quoted(err)
	}
	return r, nil
}

// await waits until the server accepts a connection. It announces that in no way that
// all servers share, so we ask again and again.
func (r *running) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startPatience, errors.New("it does not listen"))
	defer cancel()
	for {
		c, err := net.Dial("tcp", r.addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.done:
			return fmt.Errorf("it ended with status %d", r.cmd.ProcessState.ExitCode())
		case <-time.After(lookAgain):
		}
	}
}

// stop ends the server and its workers: in order if it can, by force in the end.
func (r *running) stop() {
	r.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.done:
	case <-time.After(stopPatience):
	}
	syscall.Kill(-r.pid, syscall.SIGKILL) // the group, for workers that were left
	<-r.done
}

// quoted adds to an error what the server has said, if it has said anything.
func (r *running) quoted(err error) error {
	if said := r.said(); said != "" {
		return fmt.Errorf("%w; the server said: %s", err, said)
	}
	return err
}

// said is the end of what the server wrote.
func (r *running) said() string {
	text, _ := os.ReadFile(r.log)
	return strings.TrimSpace(string(text[max(len(text)-logTail, 0):]))
}

// check fetches a file and compares every byte: a server that answers something else, or
// something shorter, would win.
func (r *running) check(ctx context.Context, file, root string) error {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	transport, scheme := &http.Transport{DisableCompression: true}, "http"
	if r.tls != nil {
		scheme, transport.TLSClientConfig = "https", r.tls.Config(netip.MustParseAddrPort(r.addr))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+r.addr+"/"+file, nil)
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if r.tls != nil {
		if err := r.tls.Check(*response.TLS); err != nil {
			return err
		}
	}
	want, err := os.Open(filepath.Join(root, file))
	if err != nil {
		return err
	}
	defer want.Close()
	size, wantSum, err := digest(want)
	if err != nil {
		return err
	}
	got, gotSum, err := digest(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("it answers %s", response.Status)
	case response.ContentLength != size:
		return fmt.Errorf("Content-Length is %d, not %d", response.ContentLength, size)
	case got != size || !bytes.Equal(gotSum, wantSum):
		return fmt.Errorf("a body of %d bytes that is not the file of %d", got, size)
	}
	return nil
}

// checkEcho sends a message, which must come back.
func (r *running) checkEcho(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	until, _ := ctx.Deadline()
	c.SetDeadline(until)
	sent, got := []byte("there and back"), make([]byte, len("there and back"))
	if _, err := c.Write(sent); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if !bytes.Equal(got, sent) {
		return fmt.Errorf("%q came back as %q", sent, got)
	}
	return nil
}

func digest(r io.Reader) (n int64, sum []byte, err error) {
	h := sha256.New()
	n, err = io.Copy(h, r)
	return n, h.Sum(nil), err
}

// freePort is a port that nobody listens on now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}
