//go:build linux

package main

// The manifest: what the figures of a run depend on, and the command that repeats it.
//
// It is taken once, before the first measurement, except what the works themselves notice. What
// must not be done: a field must not be left out because it could not be read; it is "unknown"
// then.

import (
	"cmp"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fourways/tests/words"
)

const unknown = "unknown"

// machine is what the figures depend on.
type machine struct {
	Date       string            `json:"date"`
	Command    string            `json:"command"` // that repeats the run
	Commit     string            `json:"commit"`
	Processor  string            `json:"processor"`
	Processors int               `json:"processors"`
	MemoryMiB  int               `json:"memory_mib"`
	Kernel     string            `json:"kernel"`
	Go         string            `json:"go"`
	Versions   map[string]string `json:"versions"` // of the other servers
	ServerCPU  int               `json:"server_cpu"`
	ClientCPU  int               `json:"client_cpu"`
	BehindCPU  int               `json:"upstream_cpu"`
	Generator  string            `json:"generator"`
	Congestion string            `json:"congestion_control"`
	Namespace  bool              `json:"own_network_namespace"`
	OpenFiles  uint64            `json:"open_files"` // that a process may have
	Rounds     int               `json:"rounds"`
	Seconds    float64           `json:"seconds_per_measurement"` // 0 where it is another for each work
	Touched    bool              `json:"idle_connections_made_a_request"`
	Notes      []string          `json:"notes,omitempty"`
}

// describe takes the manifest.
func describe(o *options, b *bench, notes []string) machine {
	m := machine{
		Date: time.Now().UTC().Format("2006-01-02 15:04 UTC"), Command: commandLine(os.Args[1:]),
		Commit: readOr(filepath.Join(b.dir, commitFile)), Processor: processor(), Processors: runtime.NumCPU(),
		Kernel: kernel(), Go: runtime.Version(), Versions: map[string]string{},
		ServerCPU: b.serverCPU, ClientCPU: b.clientCPU, BehindCPU: b.behindCPU,
		Generator:  map[string]string{"own": "a generator of our own", "wrk": "wrk for plain requests"}[o.generator],
		Congestion: readOr("/proc/sys/net/ipv4/tcp_congestion_control"),
		Namespace:  os.Getenv(insideDir) != "", Rounds: o.rounds, Seconds: secondsOf(o), Touched: o.touch, Notes: notes,
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		m.OpenFiles = limit.Cur
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.MemoryMiB = int(uint64(info.Totalram) * uint64(info.Unit) / mib)
	}
	return m
}

// secondsOf is how long each measurement is, where all are as long.
func secondsOf(o *options) float64 {
	if budget, _, _ := o.budget(); budget > 0 {
		return 0
	}
	return o.duration.Seconds()
}

// commandLine is the command of a run, for a shell.
func commandLine(args []string) string {
	line := []string{"go run ./tests/bench"}
	for _, word := range args {
		line = append(line, words.Word(word))
	}
	return strings.Join(line, " ")
}

// readOr is the text of a small file.
func readOr(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return unknown
	}
	return cmp.Or(strings.TrimSpace(string(text)), unknown)
}

func kernel() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return unknown
	}
	return unix.ByteSliceToString(name.Release[:])
}

var modelName = regexp.MustCompile(`(?m)^(?:model name|Model)\s*: (.*)$`)

func processor() string {
	if m := modelName.FindStringSubmatch(readOr("/proc/cpuinfo")); m != nil {
		return strings.TrimSpace(m[1])
	}
	return runtime.GOARCH
}

// versionFlags are how installed servers are asked for their version.
var versionFlags = map[string]string{"nginx": "-v", "lighttpd": "-v", "h2o": "-v", "apache2": "-v", "haproxy": "-v", "caddy": "version"}

var version = regexp.MustCompile(`\d+(\.\d+)+`)

// versionOf asks a server for its version. Our own are those of the commit.
func versionOf(ctx context.Context, s *server) string {
	if flag := versionFlags[s.name]; flag != "" {
		text, _ := exec.CommandContext(ctx, s.path, flag).CombinedOutput()
		return cmp.Or(version.FindString(string(text)), unknown)
	}
	info, err := buildinfo.ReadFile(s.path)
	if err != nil {
		return ""
	}
	for _, d := range info.Deps {
		if s.name == "fasthttp" && strings.HasSuffix(d.Path, "/fasthttp") {
			return d.Version
		}
	}
	if s.name == "nethttp" || s.name == "reverseproxy" {
		return info.GoVersion
	}
	return ""
}

// Where a machine is busy before a run.
const (
	pressureLeast = 10.0 // percent of the last ten seconds in which something waited for a processor
	loadLeast     = 0.5  // of each processor
)

var pressure = regexp.MustCompile(`some avg10=([\d.]+)`)

// crowded warns of what waits for processors before anything is measured.
func crowded() (notes []string) {
	if m := pressure.FindStringSubmatch(readOr("/proc/pressure/cpu")); m != nil {
		if share, err := strconv.ParseFloat(m[1], 64); err == nil && share >= pressureLeast {
			notes = append(notes, fmt.Sprintf("WARNING: the machine is busy: something waited for a processor in %.0f %% of the last 10 s", share))
		}
	}
	load, err := strconv.ParseFloat(strings.Fields(readOr("/proc/loadavg"))[0], 64)
	if err == nil && load > loadLeast*float64(runtime.NumCPU()) {
		notes = append(notes, fmt.Sprintf("WARNING: the machine is busy: its load is %.1f, of %d processors", load, runtime.NumCPU()))
	}
	return notes
}
