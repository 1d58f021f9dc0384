//go:build linux

package main

// HAProxy in front of several servers, for the labs about more than one machine.
//
// A server has a port of its own for all of the lab: one that is started again is found where the
// old one was. What a balancer has noticed is asked of it. What must not be done: no lab may wait
// for a time in which it surely has noticed.

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"fourways/tests/haproxy"
)

// errMissing is that a program which the lab is about is not installed.
var errMissing = errors.New("not installed")

// balancer is an HAProxy.
type balancer struct {
	addr  string // where clients come
	admin string // its socket for questions
	cmd   *exec.Cmd
}

// checks is how it asks its servers: five times a second, and two answers count.
const checks = `
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host balancer
    http-check expect status 200
    default-server check inter 200 fastinter 100 fall 2 rise 1`

const balancerText = `global
    nbthread 1
    maxconn 2000
    stats socket %[1]s mode 600 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout check 10s
    retries 2
    option redispatch 1
    retry-on conn-failure
    http-reuse safe
frontend all
    bind %[2]s
    default_backend servers
backend servers
    balance roundrobin%[3]s
`

// balance starts an HAProxy before servers, and waits until it has found them ready.
func (r *rig) balance(addrs ...string) (*balancer, error) {
	path := os.Getenv("PATH") + ":/usr/sbin"
	program, err := exec.LookPath("haproxy")
	for _, dir := range filepath.SplitList(path) {
		if err != nil {
			program, err = exec.LookPath(filepath.Join(dir, "haproxy"))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("haproxy: %w; it is Debian's package of that name", errMissing)
	}
	dir, err := os.MkdirTemp(r.dir, "b")
	if err != nil {
		return nil, err
	}
	b := &balancer{admin: filepath.Join(dir, "admin")}
	if b.addr, err = port(); err != nil {
		return nil, err
	}
	text := fmt.Sprintf(balancerText, b.admin, b.addr, checks)
	for i, addr := range addrs {
		text += fmt.Sprintf("    server s%d %s\n", i+1, addr)
	}
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	b.cmd = exec.Command(program, "-q", "-f", file)
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	for i := range addrs {
		if err := r.until(fmt.Sprintf("server %d is found", i+1), func() bool { return b.state(i) == "UP" }); err != nil {
			b.close()
			return nil, err
		}
	}
	return b, nil
}

func (b *balancer) close() {
	b.cmd.Process.Kill()
	b.cmd.Wait()
}

// state is what it says of a server that it has asked: UP, DOWN, or what is between.
func (b *balancer) state(server int) string {
	if row := haproxy.Row(b.admin, fmt.Sprintf("s%d", server+1)); strings.HasPrefix(row["check_status"], "L") {
		return row["status"]
	}
	return ""
}

// port is an address on which nobody listens now.
func port() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
