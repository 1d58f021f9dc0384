//go:build linux

package main

// The servers that are measured, and how each is started: our stages, the peers, and what is
// installed.
//
// The table is made once for a run and does not change. All servers get the same files, the same
// upstream and one processor; settings that differ are named here, with the reason.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The servers that others are compared with. They know no HTTP: limit sends canned answers, and
// those of the program floor move bytes from one socket to another.
const (
	limitName    = "limit"
	floorCopy    = "floor-copy"
	floorSplice  = "floor-splice"
	floorProgram = "floor"
)

func isFloor(name string) bool { return name == limitName || name == floorCopy || name == floorSplice }

// Programs that are built.
var (
	stageNames = []string{"stage1-threadpool", "stage2-poll", "stage3-epoll", "stage4-prefork"}
	ourNames   = slices.Concat(stageNames, []string{uringName})
	peerNames  = []string{limitName, floorProgram, "fasthttp", "nethttp", "reverseproxy"}
)

// Settings of the servers.
const (
	poolSpare    = 64   // threads of stage 1 beyond the connections that the work uses
	forever      = 3600 // seconds: no idle connection is closed during a run
	anyRequests  = "1000000000"
	maxConns     = 20000 // connections, and so descriptors, that a server may have
	stage1Name   = "stage1-threadpool"
	stage3Name   = "stage3-epoll"
	uringName    = "stage3-uring" // stage 3 over io_uring
	stage1Idle   = "a thread for each connection: idle ones want thousands of threads"
	stage1Relay  = "a thread waits for one connection alone, and a relay is two"
	keptIdle     = "1024" // connections to the upstream that may wait for the next request
	notBuilt     = "not built: "
	notInstalled = "not installed"
	haproxyConns = 9900 // it wants two descriptors for each
	haproxyPipes = 32   // and for each pipe that it splices by
	haproxyFile  = 8 << 10
	spliced      = 64 << 10 // bytes of the smallest answer that is worth splice(2)
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
	duties  []duty
	lacks   map[duty]string // what else it could be expected to do, and why it is not measured at that
	// Why it is not measured with plain connections, or by TLS; empty where it is.
	noPlain, noTLS string
	largest        int      // bytes of the largest file that it serves; 0 for any
	line           []string // the words of the command that -server gave

	variants func(*work) []string       // of its configuration, the default first; nil where there is one
	config   func(*work, string) string // the text of one, in which words are not filled in yet
}

// place is where a server is to serve, and how.
type place struct {
	port     int    // on 127.0.0.1
	root     string // folder with the files
	dir      string // folder for the server's own configuration, emptied before
	pem      string // file with certificate and key
	upstream string // host:port of the server behind, where there is one
	uploads  string // folder for uploads, emptied before
	variant  string // of its configuration, or empty
}

func (p place) addr() string { return "127.0.0.1:" + strconv.Itoa(p.port) }

// concerned reports whether a server is in a work's table at all.
func (s *server) concerned(w *work) bool {
	return slices.Contains(s.duties, w.duty()) || s.lacks[w.duty()] != ""
}

// skips is why a server is not measured at a work, or empty.
func (s *server) skips(w *work) string {
	lack := s.lacks[w.duty()]
	switch {
	case s.absent != "":
		return s.absent
	case lack != "":
		return lack
	case s.name == limitName && w.mixed:
		return "it has one answer"
	case s.name == floorSplice && w.duty() == proxying && sizes[w.file] < spliced:
		return "what is so small is copied"
	case s.name == stage1Name && w.idle:
		return stage1Idle
	case w.duty() == serving && w.tls == nil && s.noPlain != "":
		return s.noPlain
	case w.tls != nil && s.noTLS != "":
		return s.noTLS
	case w.duty() == serving && s.largest > 0 && sizes[w.file] > s.largest:
		return fmt.Sprintf("it answers from a buffer, and serves no more than %d bytes", s.largest)
	}
	return ""
}

// atOnce is how many connections it can serve at a time.
func (s *server) atOnce(w *work) int {
	if s.name == stage1Name {
		return threadsFor(w)
	}
	return s.most
}

// threadsFor is how many threads stage 1 has at a work.
func threadsFor(w *work) int {
	if w.crowd {
		return crowdThreads
	}
	return w.connections() + poolSpare
}

// servers are all that the run measures: our stages, the peers, and what is installed.
func servers(o *options, dir string) []*server {
	limit := built(dir, limitName, peer(limitName))
	limit.noTLS = "it speaks no TLS"
	all := []*server{limit}
	for _, name := range []string{floorCopy, floorSplice} {
		s := built(dir, floorProgram, floorLoop(name == floorSplice))
		s.name, s.duties = name, []duty{proxying, relaying}
		all = append(all, s)
	}
	all = append(all, built(dir, "fasthttp", peer("fasthttp")))
	library := built(dir, "nethttp", peer("nethttp"))
	library.duties = []duty{serving, storing}
	all = append(all, library)
	reverse := built(dir, "reverseproxy", reverseProxy)
	reverse.duties = []duty{proxying, relaying}
	all = append(all, reverse)
	for _, name := range stageNames {
		s := built(dir, name, stage(name))
		s.duties = []duty{serving, storing, proxying, relaying}
		if name == stage1Name {
			s.duties, s.lacks = []duty{serving, storing, proxying}, map[duty]string{relaying: stage1Relay}
		}
		all = append(all, s)
	}
	ring := built(dir, stage3Name, stage(stage3Name, "-io", "uring"))
	ring.name, ring.duties = uringName, []duty{serving, storing, proxying, relaying}
	all = append(all, ring)
	all = slices.DeleteFunc(all, func(s *server) bool { return s.path == "" && s.absent == "" })
	all = append(all, installed()...)
	all = slices.DeleteFunc(all, func(s *server) bool { return !o.servers.MatchString(s.name) })
	return append(all, o.own...)
}

// installedNames are what those are called.
var installedNames = []string{"nginx", "lighttpd", "h2o", "apache2", "haproxy", "caddy"}

// installed are the servers that have a file of their own to read.
func installed() []*server {
	stream, noStream := streamModule()
	modules, noModules := apacheModules()
	all := []*server{
		{name: "nginx", most: maxConns, duties: []duty{serving, proxying, relaying}, lacks: map[duty]string{relaying: noStream},
			config: nginx(stream), variants: nginxVariants, command: configured("nginx.conf", nginx(stream), "-e", "stderr", "-c")},
		// lighttpd takes half as many connections as it may have descriptors.
		{name: "lighttpd", most: maxConns / 2, duties: []duty{serving}, noTLS: "its TLS is in a package of its own, which is not used here",
			config: lighttpd, variants: lighttpdVariants, command: configured("lighttpd.conf", lighttpd, "-D", "-f")},
		{name: "h2o", most: maxConns, duties: []duty{serving, proxying}, lacks: map[duty]string{relaying: "it passes on requests alone"},
			config: h2o, command: configured("h2o.conf", h2o, "-c")},
		{name: "apache2", most: apacheConns, duties: []duty{serving, proxying}, noTLS: "its TLS is not used here",
			config: apache(modules), variants: apacheVariants, command: configured("apache.conf", apache(modules), "-DFOREGROUND", "-f")},
		{name: "haproxy", most: haproxyConns, duties: []duty{serving, proxying, relaying}, largest: haproxyFile,
			noPlain: "it serves no files; it is here for TLS, and as a proxy", config: haproxy, command: configured("haproxy.cfg", haproxy, "-db", "-f")},
		{name: "caddy", most: maxConns, duties: []duty{serving, proxying}, noTLS: "it is here as the proxy that many begin with", config: caddyfile, command: caddy},
	}
	for _, s := range all {
		var err error
		if s.path, err = lookPath(s.name); err != nil {
			s.absent = notInstalled
		} else if s.name == "apache2" && noModules != "" {
			s.absent = noModules
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
	s := &server{name: name, most: maxConns, duties: []duty{serving}, command: command}
	path := filepath.Join(dir, binDir, name)
	if text, err := os.ReadFile(path + failedSuffix); err == nil {
		s.absent = notBuilt + strings.TrimSpace(string(text))
	} else if _, err := os.Stat(path); err == nil {
		s.path = path
	}
	return s
}

// stage is the command line of our own servers. They find out by themselves that they
// have one processor. more are flags besides.
func stage(name string, more ...string) func(*work, place) ([]string, []string, error) {
	return func(w *work, at place) ([]string, []string, error) {
		workers := 1
		if name == stage1Name {
			workers = threadsFor(w)
		}
		args := []string{
			"-root", at.root, "-workers", strconv.Itoa(workers),
			"-max-requests", requestsFor(name, w), "-idle-timeout", strconv.Itoa(forever), "-log-level", "error",
		}
		args = append(args, more...)
		switch {
		case w.duty() == relaying:
			return append(args, "-listen", "127.0.0.1:0", "-relay", at.addr()+"="+at.upstream), nil, nil
		case w.duty() == proxying:
			args = append(args, "-proxy", "/=http://"+at.upstream, "-proxy-idle", keptIdle)
		case w.uploads:
			args = append(args, "-uploads", at.uploads, "-uploads-max", "100000", "-uploads-max-files", "100000000")
		case w.tls != nil:
			return append(args, "-tls-listen", at.addr(), "-tls-cert", at.pem, "-tls-key", at.pem), nil, nil
		}
		return append(args, "-listen", at.addr()), nil, nil
	}
}

// requestsFor is how many requests a connection may make: in a crowd, stage 1's threads are shared
// out by that.
func requestsFor(name string, w *work) string {
	if name == stage1Name && w.crowd {
		return "100"
	}
	return "0"
}

// floorEnv is the environment of the loops that know no HTTP (package limit says why).
var floorEnv = []string{"GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1"}

// floorLoop is the command line of the program floor, where it passes on.
func floorLoop(splice bool) func(*work, place) ([]string, []string, error) {
	return func(w *work, at place) ([]string, []string, error) {
		args := []string{"-listen", at.addr(), "-upstream", at.upstream}
		if splice {
			args = append(args, "-splice")
		}
		if w.duty() == proxying {
			args = append(args, "-path", "/"+w.file)
		}
		if w.closes {
			args = append(args, "-close")
		}
		return args, floorEnv, nil
	}
}

// reverseProxy is the command line of the peer that passes on by Go's library.
func reverseProxy(w *work, at place) ([]string, []string, error) {
	args := []string{"-listen", at.addr(), "-upstream", at.upstream}
	if w.duty() == relaying {
		args = append(args, "-relay")
	}
	return args, []string{"GOMAXPROCS=1"}, nil
}

// caddy is configured, with its folders in the run's.
func caddy(w *work, at place) (args, env []string, err error) {
	args, _, err = configured("Caddyfile", caddyfile, "run", "--adapter", "caddyfile", "--config")(w, at)
	return args, []string{"GOMAXPROCS=1", "HOME=" + at.dir, "XDG_DATA_HOME=" + at.dir, "XDG_CONFIG_HOME=" + at.dir}, err
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
			if w.uploads {
				args = append(args, "-uploads", at.uploads)
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

// configured is a server that reads a file of its own. Words in capitals after an @ are filled in.
func configured(file string, config func(*work, string) string, args ...string) func(*work, place) ([]string, []string, error) {
	return func(w *work, at place) ([]string, []string, error) {
		deferred, deferSeconds := "", "0"
		if w.closes {
			deferred, deferSeconds = "deferred", "1"
		}
		text := strings.NewReplacer(
			"@PORT", strconv.Itoa(at.port), "@ROOT", at.root, "@DIR", at.dir, "@UPSTREAM", at.upstream,
			"@CONNS", strconv.Itoa(maxConns), "@HALF", strconv.Itoa(maxConns/2), "@REQUESTS", anyRequests, "@APACHE_FACTOR", strconv.Itoa(apacheFactor), "@APACHE_THREADS", strconv.Itoa(apacheThreads), "@SECONDS", strconv.Itoa(forever), "@KEPT", keptIdle,
			"@PEM", at.pem, "@FILE", w.file, "@HAPROXY_CONNS", strconv.Itoa(haproxyConns), "@HAPROXY_PIPES", strconv.Itoa(haproxyPipes), "@DEFERRED", deferred, "@DEFER_SECONDS", deferSeconds, "@USER", user(),
		).Replace(config(w, at.variant))
		path := filepath.Join(at.dir, file)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return nil, nil, fmt.Errorf("configuration: %w", err)
		}
		return append(append([]string{}, args...), path), nil, nil
	}
}
