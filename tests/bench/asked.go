//go:build linux

package main

// The works of plain requests: how each loads a server, by the generator of our own, by wrk where
// it was asked for, or by hey.
//
// Each is a method of bench that returns figures. What must not be done: a rate must not be told
// without what the generator itself takes, since the slower of the two decides it.

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"fourways/tests/bench/client"
	"fourways/tests/bench/load"
	"fourways/tests/bench/proc"
)

// Settings of the works.
const (
	openRate     = 2000 // requests a second, which every server can do
	stopShare    = 10   // of an open loop's time, the server stands still for one part in so many
	crowdConns   = 1000 // clients at a time in a crowd
	crowdBase    = 32   // clients with which a crowd's rate is compared
	crowdThreads = 10   // of stage 1, which refuses what is above them and its queue
	heyConns     = 10   // hey's connections, as in the README
	uploadBytes  = 1 << 10
	uploadPath   = "/upload"
)

// connsCurve are the connections at which curve measures, fewest first.
var connsCurve = []int{1, 10, 100, 1_000, 10_000}

// mix is what a page is made of: of twenty requests, fourteen are for 1 KiB, four for 16, one for
// 64, and one for 1 MiB. The order is fixed and not sorted.
var mix = []string{
	"1k.html", "1k.html", "16k.html", "1k.html", "1k.html", "1k.html", "64k.html", "1k.html", "16k.html", "1k.html",
	"1k.html", "1m.html", "1k.html", "16k.html", "1k.html", "1k.html", "1k.html", "16k.html", "1k.html", "1k.html",
}

// loadOf is the load of a work.
func (b *bench) loadOf(w *work, r *running) client.Load {
	l := client.Load{
		Addr: netip.MustParseAddrPort(r.addr), Paths: []string{"/" + w.file}, Conns: w.conns, Deep: w.deep, Closes: w.closes, For: b.o.duration,
	}
	switch {
	case w.mixed:
		l.Paths = nil
		for _, file := range mix {
			l.Paths = append(l.Paths, "/"+file)
		}
	case w.uploads:
		l.Paths, l.Body = []string{uploadPath}, uploadBytes
	}
	return l
}

// fire makes a load with the generator of our own, and returns what came of it and the processor
// time that the server took. beside is done meanwhile, where it is not nil.
func (b *bench) fire(r *running, l client.Load, beside func() error) (f client.Fired, cpu proc.Times, err error) {
	text, err := json.Marshal(l)
	if err != nil {
		return f, cpu, err
	}
	h, err := startHelper(b.ctx, b.clientCPU, "fire", "-load", string(text))
	if err != nil {
		return f, cpu, err
	}
	before, err := proc.Used(r.pid)
	done := make(chan error, 1)
	if beside == nil {
		done <- nil
	} else {
		go func() { done <- beside() }()
	}
	said, lastErr := h.last()
	after, afterErr := proc.Used(r.pid)
	if err := errors.Join(err, lastErr, afterErr, <-done); err != nil {
		return f, cpu, err
	}
	if err := json.Unmarshal([]byte(said), &f); err != nil {
		return f, cpu, err
	}
	if f.Answers == 0 {
		return f, cpu, errors.New("no request was answered")
	}
	return f, after.Since(before), nil
}

// figuresOf are those of a load.
func figuresOf(f client.Fired, cpu proc.Times) figures {
	n := float64(f.Answers)
	return figures{
		keyRate: n / f.Elapsed.Seconds(), keyErrors: float64(f.Errors),
		keyP50: micros(f.Waited.P50), keyP90: micros(f.Waited.P90), keyP99: micros(f.Waited.P99), keyP999: micros(f.Waited.P999),
		keyGenerator: micros(f.CPU) / n, keyGeneratorBusy: f.CPU.Seconds() / f.Elapsed.Seconds(),
	}.with(cpu, n+float64(f.Late))
}

// with adds what n requests cost. Less than the kernel counts by is not known.
func (f figures) with(cpu proc.Times, n float64) figures {
	if cpu.Sum() > 0 {
		f[keyCPU], f[keyUser], f[keySystem] = micros(cpu.Sum())/n, micros(cpu.User)/n, micros(cpu.System)/n
	}
	return f
}

// measureLoad loads the server in a closed loop.
func (b *bench) measureLoad(w *work, r *running) (figures, error) {
	if b.tool.Name == "wrk" {
		return b.measureTool(b.tool, w, r)
	}
	f, cpu, err := b.fire(r, b.loadOf(w, r), nil)
	if err != nil {
		return nil, err
	}
	return figuresOf(f, cpu), nil
}

// measureTool loads the server with a generator of others.
func (b *bench) measureTool(tool load.Tool, w *work, r *running) (figures, error) {
	spec := load.Spec{URL: "http://" + r.addr + "/" + w.file, Connections: w.conns, Duration: b.o.duration, Close: w.closes}
	if w.deep > 1 {
		spec.Script = b.script
	}
	before, err := proc.Used(r.pid)
	if err != nil {
		return nil, err
	}
	result, err := tool.Run(b.ctx, spec, func(cmd *exec.Cmd) error { return proc.On(b.clientCPU, cmd.Start) })
	if err != nil {
		return nil, err
	}
	after, err := proc.Used(r.pid)
	if err != nil {
		return nil, err
	}
	if result.Requests == 0 {
		return nil, errors.New("no request was answered")
	}
	return figures{
		keyRate: result.Rate, keyP50: micros(result.P50), keyP99: micros(result.P99), keyErrors: float64(result.Errors),
	}.with(after.Since(before), float64(result.Requests)), nil
}

// measureHey has hey load the server.
func (b *bench) measureHey(w *work, r *running) (figures, error) { return b.measureTool(b.hey, w, r) }

// measureMixed looks at the bytes as well.
func (b *bench) measureMixed(w *work, r *running) (figures, error) {
	f, cpu, err := b.fire(r, b.loadOf(w, r), nil)
	if err != nil {
		return nil, err
	}
	all, gb := figuresOf(f, cpu), float64(f.Bytes)/1e9
	all[keyGBRate] = gb / f.Elapsed.Seconds()
	if cpu.Sum() > 0 {
		all[keyCPUPerGB] = cpu.Sum().Seconds() / (float64(f.Bytes+f.LateBytes) / 1e9)
	}
	return all, nil
}

// measureUploads loads the server in a closed loop of uploads.
func (b *bench) measureUploads(w *work, r *running) (figures, error) {
	f, cpu, err := b.fire(r, b.loadOf(w, r), nil)
	if err != nil {
		return nil, err
	}
	return figuresOf(f, cpu), nil
}

// uploadsFolder makes a folder for uploads: in memory, where the disk is not what is measured.
func uploadsFolder(dir string) (string, error) {
	folder, err := os.MkdirTemp("/dev/shm", "fourways-bench-*")
	if err != nil {
		folder, err = os.MkdirTemp(dir, "uploads-*")
	}
	if err != nil {
		return "", err
	}
	return folder, os.Chmod(folder, 0o777) // a server may run as another user
}

// measureCurve measures the cost over the number of connections.
func (b *bench) measureCurve(w *work, r *running) (figures, error) {
	all := figures{}
	for _, conns := range connsCurve {
		if conns > min(r.threads, b.o.idle) {
			continue
		}
		l := b.loadOf(w, r)
		l.Conns = min(conns, r.most-2)
		f, cpu, err := b.fire(r, l, nil)
		if err != nil {
			return nil, fmt.Errorf("with %d connections: %w", conns, err)
		}
		now := figuresOf(f, cpu)
		for _, key := range []string{keyRate, keyCPU, keyP99} {
			if v, ok := now[key]; ok {
				all[atConns(key, conns)] = v
			}
		}
		all[keyErrors] += now[keyErrors]
	}
	return all, nil
}

// measureOpen asks at a constant rate, and shows what a closed loop does not see: the server stands
// still for a while, once beside a closed loop and once beside an open one.
func (b *bench) measureOpen(w *work, r *running) (figures, error) {
	open := b.loadOf(w, r)
	open.Rate = openRate
	f, cpu, err := b.fire(r, open, nil)
	if err != nil {
		return nil, err
	}
	all := figuresOf(f, cpu)
	all[keyUnsent] = float64(f.Unsent)
	for key, l := range map[string]client.Load{keyStoppedClosed: b.loadOf(w, r), keyStoppedOpen: open} {
		f, _, err := b.fire(r, l, func() error { return b.standStill(r) })
		if err != nil {
			return nil, fmt.Errorf("with a stop: %w", err)
		}
		all[key] = micros(f.Waited.P99)
		all[keyErrors] += float64(f.Errors)
	}
	return all, nil
}

// standStill stops all processes of the server for a part of a measurement (signal(7)).
func (b *bench) standStill(r *running) error {
	pids, err := proc.Tree(r.pid)
	if err != nil {
		return err
	}
	all := func(s syscall.Signal) {
		for _, pid := range slices.Backward(pids) {
			syscall.Kill(pid, s)
		}
	}
	for _, step := range []struct {
		after  time.Duration
		signal syscall.Signal
	}{{b.o.duration / 3, syscall.SIGSTOP}, {b.o.duration / stopShare, syscall.SIGCONT}} {
		select {
		case <-b.ctx.Done():
		case <-time.After(step.after):
		}
		all(step.signal)
	}
	return nil
}

// measureOverload compares a crowd with a few clients.
func (b *bench) measureOverload(w *work, r *running) (figures, error) {
	few := b.loadOf(w, r)
	few.Conns, few.Crowd = crowdBase, true
	base, _, err := b.fire(r, few, nil)
	if err != nil {
		return nil, err
	}
	crowd := few
	crowd.Conns = w.conns
	f, cpu, err := b.fire(r, crowd, nil)
	if err != nil {
		return nil, fmt.Errorf("in a crowd: %w", err)
	}
	all := figuresOf(f, cpu)
	all[keyCrowdKept] = all[keyRate] / (float64(base.Answers) / base.Elapsed.Seconds())
	all[keyRefused] = float64(f.Refused) / f.Elapsed.Seconds()
	return all, nil
}
