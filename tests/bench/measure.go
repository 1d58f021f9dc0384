//go:build linux

package main

// A run: which server is measured at which work, round by round, and what each kind of measurement
// does.
//
// One goroutine does all of it. Each function stops the processes that it starts. What must not be
// done: no client may run on the server's processor, where there is another one, and a measurement
// that failed must not become a figure.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fourways/shared/plural"
	"fourways/tests/bench/client"
	"fourways/tests/bench/load"
	"fourways/tests/bench/proc"
)

// What a run needs of the machine.
const (
	descriptors  = idleConns + 2*smallConns + 200 // of the process that serves or holds idle connections
	drainOverrun = 30 * time.Second               // for the helper to end
	settleTime   = 6 * time.Second                // in which a server may give back what it needed to begin connections
	settleShare  = 2                              // in lengths of a measurement; where that is less, it is no more than a try
)

// A quick run: its measurements are as long as its time allows.
const (
	quickTime     = 90 * time.Second
	quickShortest = 100 * time.Millisecond
	quickLongest  = time.Second
	busyLook      = 200 * time.Millisecond // that the machine is looked at before the run
)

// bench is a run under way.
type bench struct {
	ctx       context.Context
	o         *options
	dir       string // for everything the run writes
	serverCPU int
	clientCPU int
	behindCPU int       // of the upstreams; the clients' where there are two processors
	tool      load.Tool // wrk where it was asked for, else of no name
	hey       load.Tool
	noHey     string // why there is no hey, or empty
	script    string // Lua script by which wrk pipelines
	pem       string // file with the certificate of all servers and its key
	leaf      []byte // the certificate, in DER
	report    *report
	choices   map[tryKind]choice
	pace      *pace
}

// measureAll measures all chosen works, and prints a table after each.
func measureAll(ctx context.Context, o *options, dir string, notes []string) (int, error) {
	b, err := newBench(ctx, o, dir, notes)
	if err != nil {
		return failed, err
	}
	all := servers(o, dir)
	if len(all) == 0 {
		return usage, fmt.Errorf("no server matches -servers %q", o.servers)
	}
	for _, s := range all {
		if s.absent == "" && len(s.line) == 0 {
			if text := versionOf(ctx, s); text != "" {
				b.report.machine.Versions[s.name] = text
			}
		}
	}
	b.pace = newPace(os.Stderr, 0)
	b.report.printHead(os.Stdout)
	for i, w := range o.works {
		b.fitRest(o.works[i:], all)
		b.measureWork(w, all)
		b.report.remark(w)
		b.report.printWork(os.Stdout)
		if err := b.report.write(o); err != nil {
			return failed, err
		}
		if ctx.Err() != nil {
			return failed, errors.New("interrupted; the figures up to here are kept")
		}
	}
	printGoals(os.Stdout, b.report.judge())
	if o.record {
		if err := record(ctx, b.report); err != nil {
			return failed, err
		}
	}
	if b.report.failures > 0 {
		return failed, fmt.Errorf("%s failed", plural.Of(b.report.failures, "measurement", "measurements"))
	}
	if o.compare != "" {
		return o.compared(os.Stdout, b.report.document())
	}
	return measured, nil
}

// newBench looks at what the machine offers. Every lack that changes the meaning of the
// figures becomes a note of the report.
func newBench(ctx context.Context, o *options, dir string, notes []string) (*bench, error) {
	cpus, err := proc.Processors()
	if err != nil {
		return nil, err
	}
	b := &bench{ctx: ctx, o: o, dir: dir, serverCPU: cpus[0], clientCPU: cpus[len(cpus)-1], choices: map[tryKind]choice{}}
	b.behindCPU = b.clientCPU
	if len(cpus) > 2 {
		b.behindCPU = cpus[1]
	}
	if b.serverCPU == b.clientCPU {
		notes = append(notes, "one processor only: server and generator share it, so the rates say little")
	}
	notes = append(notes, crowded()...)
	notes = append(notes, busyBefore(ctx, b.serverCPU, b.clientCPU)...)
	if err := raiseDescriptors(); err != nil {
		return nil, err
	}
	if o.generator == "wrk" {
		path, err := exec.LookPath("wrk")
		if err != nil {
			return nil, fmt.Errorf("-generator: %w", err)
		}
		b.tool = load.Tool{Name: "wrk", Path: path}
	}
	if b.hey, err = findHey(dir); err != nil {
		b.noHey = err.Error()
	}
	b.script = filepath.Join(dir, "pipeline.lua")
	if err := os.WriteFile(b.script, fmt.Appendf(nil, pipelineScript, pipelineDeep), 0o644); err != nil {
		return nil, err
	}
	if b.pem, b.leaf, err = certificate(filepath.Join(dir, tlsDir)); err != nil {
		return nil, err
	}
	b.report = newReport(o, b, notes)
	return b, nil
}

// busyBefore warns of processors that somebody uses before anything is measured.
func busyBefore(ctx context.Context, cpus ...int) (notes []string) {
	var before []time.Duration
	for _, cpu := range cpus {
		busy, err := proc.Busy(cpu)
		if err != nil {
			return nil // this system does not tell
		}
		before = append(before, busy)
	}
	select {
	case <-ctx.Done():
	case <-time.After(busyLook):
	}
	for i, cpu := range cpus {
		busy, err := proc.Busy(cpu)
		if used := busy - before[i]; err == nil && used >= busyLeast && (i == 0 || cpu != cpus[0]) {
			notes = append(notes, fmt.Sprintf("WARNING: the machine is busy: %.0f %% of processor %d was in use before anything began", min(100*used.Seconds()/busyLook.Seconds(), 100), cpu))
		}
	}
	return notes
}

// pipelineScript makes wrk send several requests at once. wrk counts each answer.
const pipelineScript = `
init = function(args)
  local all = {}
  for i = 1, %d do all[i] = wrk.format() end
  batch = table.concat(all)
end
request = function() return batch end
`

// findHey is the hey that was built, or one that is installed.
func findHey(dir string) (load.Tool, error) {
	path := filepath.Join(dir, binDir, "hey")
	if _, err := os.Stat(path); err == nil {
		return load.Tool{Name: "hey", Path: path}, nil
	}
	if path, err := exec.LookPath("hey"); err == nil {
		return load.Tool{Name: "hey", Path: path}, nil
	}
	text, _ := os.ReadFile(path + failedSuffix)
	return load.Tool{}, fmt.Errorf("hey cannot be had: %s", strings.TrimSpace(string(text)))
}

// raiseDescriptors raises this process's limit of open files as far as it may, for
// itself and for what it starts.
func raiseDescriptors() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// cannot is why this machine cannot do a work at all, or empty.
func (b *bench) cannot(w *work) string {
	var limit syscall.Rlimit
	switch {
	case w.name == "hey" && b.noHey != "":
		return b.noHey
	case !w.idle && w.name != "curve":
		return ""
	case syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil && limit.Cur < descriptors:
		return fmt.Sprintf("a process may have %d descriptors; it takes %d", limit.Cur, descriptors)
	}
	return ""
}

// measureWork lets the servers take turns, round by round.
func (b *bench) measureWork(w *work, all []*server) {
	for round := range b.o.rounds {
		for _, s := range all {
			if b.ctx.Err() != nil {
				return
			}
			if !s.concerned(w) {
				continue
			}
			why := b.cannot(w)
			if why == "" {
				why = s.skips(w)
			}
			if why != "" {
				b.report.skip(w, s, why)
				continue
			}
			if b.report.failed(w, s) {
				b.pace.passed(w.expected(b.o.duration, b.o.idle))
				continue
			}
			b.pace.say(fmt.Sprintf("%s, round %d of %d: %s", w.name, round+1, b.o.rounds, s.name))
			chosen := b.choose(w, s)
			f, err := b.measureOnce(w, s, chosen.variant)
			b.pace.passed(w.expected(b.o.duration, b.o.idle))
			if b.ctx.Err() != nil { // what was cut short is no figure
				return
			}
			if errors.Is(err, errNoGroup) {
				b.report.skip(w, s, err.Error())
				continue
			}
			if err != nil {
				b.report.fail(w, s, err)
				continue
			}
			b.report.add(w, s, f)
			b.report.configured(w, s, chosen)
		}
	}
}

// measureOnce starts a server, checks that it serves what it should, and measures it. A
// new process each time keeps one work's memory out of the next one's figures.
func (b *bench) measureOnce(w *work, s *server, variant string) (figures, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	at := place{port: port, root: filepath.Join(b.dir, rootDir), dir: filepath.Join(b.dir, "run-"+s.name), pem: b.pem, variant: variant}
	if w.uploads {
		if at.uploads, err = uploadsFolder(b.dir); err != nil {
			return nil, err
		}
		defer os.RemoveAll(at.uploads)
	}
	var u *behind
	if w.upstream != nil {
		if u, err = w.upstream(b, w, at); err != nil {
			return nil, fmt.Errorf("its upstream: %w", err)
		}
		defer u.stop()
		at.upstream = u.addr
	}
	r, err := s.start(b.ctx, w, at, b.serverCPU)
	if err != nil {
		return nil, err
	}
	defer r.stop()
	r.behind = u
	if w.tls != nil {
		r.tls = &client.Terms{Version: w.tls.version, Group: w.tls.group, Resume: w.tls.resumes, Leaf: b.leaf}
	}
	if w.echoes {
		err = r.checkEcho(b.ctx)
	} else {
		err = r.check(b.ctx, w.file, at.root)
	}
	// It says so by an alert, or just leaves.
	if refused := (*net.OpError)(nil); w.tls == hybrid && (errors.Is(err, io.EOF) || errors.As(err, &refused) && refused.Op == "remote error") {
		return nil, errNoGroup
	}
	if err != nil {
		return nil, r.quoted(err)
	}
	f, err := b.watched(w, s, r)
	if err != nil {
		return nil, r.quoted(err)
	}
	m, err := proc.MemoryOf(r.pid)
	if err != nil {
		return nil, err
	}
	f[keyPeak] = float64(m.Peak)
	if _, ok := f[keyPSS]; !ok {
		f[keyPSS] = float64(m.PSS)
	}
	return f, nil
}

// watched measures, and looks at who else uses the server's processor meanwhile. What the kernel
// does there for the network is nobody's.
func (b *bench) watched(w *work, s *server, r *running) (figures, error) {
	began := time.Now()
	busy, err := proc.Busy(b.serverCPU)
	own, ownErr := proc.CPU(r.pid)
	known := err == nil && ownErr == nil && b.serverCPU != b.clientCPU
	f, err := w.measure(b, w, r)
	if err != nil || !known {
		return f, err
	}
	busyNow, err := proc.Busy(b.serverCPU)
	ownNow, ownErr := proc.CPU(r.pid)
	if err == nil && ownErr == nil {
		b.report.noteBusy(w, s, busyNow-busy-(ownNow-own), time.Since(began))
	}
	return f, nil
}

// errNoGroup is why a server is not measured with the hybrid group.
var errNoGroup = errors.New("it does not have the group")

// measureBulk drains large bodies. Those under way at the end count by their bytes.
func (b *bench) measureBulk(w *work, r *running) (figures, error) {
	before, err := proc.Used(r.pid)
	if err != nil {
		return nil, err
	}
	d, err := b.drained(w, r, "drain")
	if err != nil {
		return nil, err
	}
	after, err := proc.Used(r.pid)
	if err != nil {
		return nil, err
	}
	if d.Bytes == 0 {
		return nil, errors.New("no byte arrived")
	}
	return bulk(w, d, after.Since(before)), nil
}

// measurePingPong sends small messages there and back.
func (b *bench) measurePingPong(w *work, r *running) (figures, error) {
	before, err := proc.Used(r.pid)
	if err != nil {
		return nil, err
	}
	d, err := b.drained(w, r, "pingpong")
	if err != nil {
		return nil, err
	}
	after, err := proc.Used(r.pid)
	if err != nil {
		return nil, err
	}
	if d.Whole == 0 {
		return nil, errors.New("no message came back")
	}
	return figures{
		keyRate:   float64(d.Whole) / d.Elapsed.Seconds(),
		keyP50:    micros(d.P50),
		keyP99:    micros(d.P99),
		keyErrors: 0, // with one there are no figures
	}.with(after.Since(before), float64(d.Whole)), nil
}

// measureHeld finds how long an answer holds the upstream.
func (b *bench) measureHeld(w *work, r *running) (figures, error) {
	said, err := r.behind.helper.last()
	if err != nil {
		return nil, err
	}
	var h client.Held
	if err := json.Unmarshal([]byte(said), &h); err != nil {
		return nil, err
	}
	return figures{
		keyHeld:     micros(h.Slow) / 1000,
		keyHeldFast: micros(h.Fast) / 1000,
		keyHeldMore: float64(h.Slow) / float64(max(h.Fast, 1)),
		keyTaken:    float64(h.Taken) / float64(sizes[w.file]),
		keyErrors:   0,
	}, nil
}

// bulk is what a load of large bodies came to.
func bulk(w *work, d client.Drained, cpu proc.Times) figures {
	gb, seconds := float64(d.Bytes)/1e9, d.Elapsed.Seconds()
	requests := float64(d.Bytes) / float64(sizes[w.file])
	f := figures{
		keyRate:   requests / seconds,
		keyGBRate: gb / seconds,
		keyErrors: 0,
	}.with(cpu, requests)
	if cpu.Sum() > 0 {
		f[keyCPUPerGB] = cpu.Sum().Seconds() / gb
	}
	if d.Whole > 0 {
		f[keyP50], f[keyP99] = micros(d.P50), micros(d.P99)
	}
	return f
}

// drained runs a role that drains the server, and returns what it says.
func (b *bench) drained(w *work, r *running, role string) (d client.Drained, err error) {
	ctx, cancel := context.WithTimeout(b.ctx, b.o.duration+drainOverrun)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", role, "-addr", r.addr, "-path", "/"+w.file,
		"-n", strconv.Itoa(w.conns), "-for", b.o.duration.String())
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := proc.On(b.clientCPU, cmd.Start); err != nil {
		return d, err
	}
	if err := cmd.Wait(); err != nil {
		return d, fmt.Errorf("%s: %w: %s", role, err, strings.TrimSpace(errs.String()))
	}
	return d, json.Unmarshal([]byte(out.String()), &d)
}

// ask is the load of a work by TLS, as the helper's argument. All of it but the number of
// connections is the work's.
func (b *bench) ask(w *work, r *running, conns int) string {
	text, err := json.Marshal(client.Ask{
		Addr: netip.MustParseAddrPort(r.addr), Path: "/" + w.file, Size: int64(sizes[w.file]),
		Conns: conns, Closes: w.closes, Terms: *r.tls, For: b.o.duration,
	})
	if err != nil {
		panic(err) // it is made of numbers and text
	}
	return string(text)
}

// secured loads the server by TLS, and returns what came of it and the processor time it took. The
// first request of each connection is not in them.
func (b *bench) secured(w *work, r *running) (a client.Asked, cpu proc.Times, err error) {
	h, err := startHelper(b.ctx, b.clientCPU, "ask", "-ask", b.ask(w, r, w.conns))
	if err != nil {
		return a, cpu, err
	}
	before, beforeErr := proc.Used(r.pid)
	said, err := h.last()
	after, afterErr := proc.Used(r.pid)
	if err = errors.Join(err, beforeErr, afterErr); err != nil {
		return a, cpu, err
	}
	if err = json.Unmarshal([]byte(said), &a); err == nil && a.Whole == 0 {
		err = errors.New("no request was answered")
	}
	return a, after.Since(before), err
}

// measureAsk loads the server by TLS.
func (b *bench) measureAsk(w *work, r *running) (figures, error) {
	a, cpu, err := b.secured(w, r)
	if err != nil {
		return nil, err
	}
	return figures{
		keyRate:    float64(a.Whole) / a.Elapsed.Seconds(),
		keyP50:     micros(a.P50),
		keyP99:     micros(a.P99),
		keyNew:     float64(a.Connections),
		keyResumed: float64(a.Resumed),
		keyErrors:  0, // with one there are no figures
	}.with(cpu, float64(a.Whole)), nil
}

// measureAskBulk takes large bodies by TLS.
func (b *bench) measureAskBulk(w *work, r *running) (figures, error) {
	a, cpu, err := b.secured(w, r)
	if err != nil {
		return nil, err
	}
	return bulk(w, a.Drained, cpu), nil
}

// idleOf is how many of n idle connections the server can have, beside those of the load
// and the one that checks.
func (r *running) idleOf(w *work, n int) int { return min(n, r.most-w.conns-1) }

// withIdle does something while n connections are idle. It fails if the server closed
// one of them meanwhile, for then it was another measurement.
func (b *bench) withIdle(w *work, r *running, n int, do func() error) error {
	if n == 0 {
		return do()
	}
	args := []string{"hold", "-addr", r.addr, "-path", "/" + w.file, "-n", strconv.Itoa(n), "-touch=" + strconv.FormatBool(b.o.touch)}
	if r.tls != nil {
		args = []string{"hold", "-ask", b.ask(w, r, n)}
	}
	h, err := startHelper(b.ctx, b.clientCPU, args...)
	if err != nil {
		return err
	}
	// The accept queue is first in, first out: when this is answered, all are accepted.
	err = r.check(b.ctx, w.file, filepath.Join(b.dir, rootDir))
	if err == nil {
		err = do()
	}
	lost, endErr := h.end()
	if lost > 0 {
		endErr = fmt.Errorf("the server closed %d of %d idle connections", lost, n)
	}
	return errors.Join(err, endErr)
}

// measureIdleMemory compares the memory with and without idle connections, when they have been
// idle for a while. The check before was a request, so what a first request needs is there already.
func (b *bench) measureIdleMemory(w *work, r *running) (figures, error) {
	before, err := proc.MemoryOf(r.pid)
	if err != nil {
		return nil, err
	}
	n := r.idleOf(w, b.o.idle)
	f := figures{keyIdle: float64(n)}
	err = b.withIdle(w, r, n, func() error {
		select {
		case <-b.ctx.Done():
			return b.ctx.Err()
		case <-time.After(min(settleTime, settleShare*b.o.duration)):
		}
		with, err := proc.MemoryOf(r.pid)
		f[keyPSS] = float64(with.PSS)
		f[keyPerConn] = float64(with.PSS-before.PSS) / float64(n)
		return err
	})
	return f, err
}

// measureIdleRate measures the curve of cost over the number of idle connections.
func (b *bench) measureIdleRate(w *work, r *running) (figures, error) {
	all := figures{}
	for _, idle := range idleCurve {
		n := r.idleOf(w, idle)
		all[keyIdle] = float64(n)
		err := b.withIdle(w, r, n, func() error {
			f, err := b.measureLoad(w, r)
			for _, key := range []string{keyRate, keyCPU, keyP99} {
				if v, ok := f[key]; ok {
					all[atIdle(key, idle)] = v
				}
			}
			all[keyErrors] += f[keyErrors]
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("with %d idle connections: %w", idle, err)
		}
	}
	all[keyKept] = all[atIdle(keyRate, idleConns)] / all[atIdle(keyRate, idleCurve[0])]
	return all, nil
}

// measureSlow measures good clients while slow ones keep the server busy with heads that
// do not end. Slow ones that the server cuts come back, and are told.
func (b *bench) measureSlow(w *work, r *running) (figures, error) {
	h, err := startHelper(b.ctx, b.clientCPU, "dribble", "-addr", r.addr, "-path", "/"+w.file, "-n", strconv.Itoa(w.others))
	if err != nil {
		return nil, err
	}
	f, err := b.measureLoad(w, r)
	cut, endErr := h.end()
	if err := errors.Join(err, endErr); err != nil {
		return nil, err
	}
	f[keyCut] = float64(cut)
	return f, nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
