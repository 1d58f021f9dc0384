//go:build linux

package main

// The servers that are measured, and how each is started: our stages, the peers, and what is
// installed.
//
// The table is made once for a run and does not change. All servers get the same files, and one
// processor; settings that differ are named here, with the reason.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// limitName is the server that all others are compared with.
const limitName = "limit"

// Programs that are built, in the order of the tables.
var (
	stageNames = []string{"stage1-threadpool", "stage2-poll", "stage3-epoll", "stage4-prefork"}
	peerNames  = []string{limitName, "fasthttp", "nethttp"}
)

// Settings of the servers.
const (
	poolSpare    = 64   // threads of stage 1 beyond the connections that the work uses
	forever      = 3600 // seconds: no idle connection is closed during a run
	anyRequests  = "1000000000"
	maxConns     = 20000 // connections, and so descriptors, that a server may have
	stage1Name   = "stage1-threadpool"
	stage1Idle   = "a thread for each connection: idle ones want thousands of threads"
	notBuilt     = "not built: "
	notInstalled = "not installed"
	haproxyConns = 9900 // it wants two descriptors for each
	haproxyFile  = 8 << 10
)

// server is one of those that are measured.
type server struct {
	name string
	path string // of the program; empty if absent says why it is not there
	// command prepares what the server reads, and returns its arguments and what its
	// environment has besides ours.
	command func(w *work, at place) (args, env []string, err error)
	absent  string
	most    int // connections that it can have open
	// Why it is not measured with plain connections, or by TLS; empty where it is.
	noPlain, noTLS string
	largest        int // bytes of the largest file that it serves; 0 for any
}

// place is where a server is to serve.
type place struct {
	port int    // on 127.0.0.1
	root string // folder with the files
	dir  string // folder for the server's own configuration, emptied before
	pem  string // file with certificate and key
}

func (p place) addr() string { return "127.0.0.1:" + strconv.Itoa(p.port) }

// skips is why a server is not measured at a work, or empty.
func (s *server) skips(w *work) string {
	switch {
	case s.absent != "":
		return s.absent
	case s.name == stage1Name && w.idle:
		return stage1Idle
	case w.tls == nil && s.noPlain != "":
		return s.noPlain
	case w.tls != nil && s.noTLS != "":
		return s.noTLS
	case s.largest > 0 && sizes[w.file] > s.largest:
		return fmt.Sprintf("it answers from a buffer, and serves no more than %d bytes", s.largest)
	}
	return ""
}

// servers are all that the run measures: our stages, the peers, and what is installed.
func servers(o *options, dir string) []*server {
	var all []*server
	for _, name := range peerNames {
		s := built(dir, name, peer(name))
		if name == limitName {
			s.noTLS = "it speaks no TLS"
		}
		all = append(all, s)
	}
	for _, name := range stageNames {
		if s := built(dir, name, stage(name)); s.path != "" || s.absent != "" {
			all = append(all, s)
		}
	}
	all = append(all, installed()...)
	chosen := all[:0]
	for _, s := range all {
		if o.servers.MatchString(s.name) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

// installed are the servers that have a file of their own to read.
func installed() []*server {
	all := []*server{
		{name: "nginx", most: maxConns, command: configured("nginx.conf", nginxConfig, nginxTLS, "-e", "stderr", "-c")},
		// lighttpd takes half as many connections as it may have descriptors.
		{name: "lighttpd", most: maxConns / 2, noTLS: "its TLS is in a package of its own, which is not used here",
			command: configured("lighttpd.conf", lighttpdConfig, nil, "-D", "-f")},
		{name: "h2o", most: maxConns, command: configured("h2o.conf", h2oConfig, h2oTLS, "-c")},
		{name: "haproxy", most: haproxyConns, largest: haproxyFile, noPlain: "it serves no files; it is here for TLS",
			command: configured("haproxy.cfg", haproxyConfig, nil, "-db", "-f")},
	}
	for _, s := range all {
		var err error
		if s.path, err = lookPath(s.name); err != nil {
			s.absent = notInstalled
		}
	}
	return all
}

// lookPath also looks where servers are, which is not on every user's path.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath(filepath.Join("/usr/sbin", name))
	}
	return path, err
}

// built is a server that build was to compile. Its path and absent are both empty where
// there was nothing to compile.
func built(dir, name string, command func(*work, place) ([]string, []string, error)) *server {
	s := &server{name: name, most: maxConns, command: command}
	path := filepath.Join(dir, binDir, name)
	if text, err := os.ReadFile(path + failedSuffix); err == nil {
		s.absent = notBuilt + strings.TrimSpace(string(text))
	} else if _, err := os.Stat(path); err == nil {
		s.path = path
	}
	return s
}

// stage is the command line of our own servers. They find out by themselves that they
// have one processor.
func stage(name string) func(*work, place) ([]string, []string, error) {
	return func(w *work, at place) ([]string, []string, error) {
		workers := 1
		if name == stage1Name {
			workers = w.connections() + poolSpare
		}
		args := []string{
			"-root", at.root, "-workers", strconv.Itoa(workers),
			"-max-requests", "0", "-idle-timeout", strconv.Itoa(forever), "-log-level", "error",
		}
		if w.tls != nil {
			return append(args, "-tls-listen", at.addr(), "-tls-cert", at.pem, "-tls-key", at.pem), nil, nil
		}
		return append(args, "-listen", at.addr()), nil, nil
	}
}

// peer is the command line of a peer. GOMAXPROCS=1 gives it one loop, as the others have.
func peer(name string) func(*work, place) ([]string, []string, error) {
	return func(w *work, at place) ([]string, []string, error) {
		env := []string{"GOMAXPROCS=1"}
		if name != limitName {
			args := []string{"-listen", at.addr(), "-root", at.root}
			if w.tls != nil {
				args = append(args, "-pem", at.pem)
			}
			return args, env, nil
		}
		args := []string{"-listen", at.addr(), "-file", filepath.Join(at.root, w.file)}
		if w.closes {
			args = append(args, "-close")
		}
		return args, append(env, "GODEBUG=asyncpreemptoff=1"), nil
	}
}

// configured is a server that reads a file of its own. Words in capitals after an @ are
// filled in; secure are those of a work by TLS, and empty in the others.
func configured(file, config string, secure map[string]string, args ...string) func(*work, place) ([]string, []string, error) {
	return func(w *work, at place) ([]string, []string, error) {
		deferred, deferSeconds := "", "0"
		if w.closes {
			deferred, deferSeconds = "deferred", "1"
		}
		for word, text := range secure {
			if w.tls == nil {
				text = ""
			}
			config = strings.ReplaceAll(config, word, text)
		}
		text := strings.NewReplacer(
			"@PORT", strconv.Itoa(at.port), "@ROOT", at.root, "@DIR", at.dir,
			"@CONNS", strconv.Itoa(maxConns), "@HALF", strconv.Itoa(maxConns/2), "@REQUESTS", anyRequests, "@SECONDS", strconv.Itoa(forever),
			"@PEM", at.pem, "@FILE", w.file, "@HAPROXY_CONNS", strconv.Itoa(haproxyConns), "@DEFERRED", deferred, "@DEFER_SECONDS", deferSeconds, "@USER", user(),
		).Replace(config)
		path := filepath.Join(at.dir, file)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return nil, nil, fmt.Errorf("configuration: %w", err)
		}
		return append(append([]string{}, args...), path), nil, nil
	}
}
