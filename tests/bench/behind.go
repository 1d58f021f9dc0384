//go:build linux

package main

// What stands behind a server that passes on: one fast server, on a processor that is not the
// measured one.
//
// Who starts an upstream stops it. What must not be done: its processor time must not be counted,
// and it must not be the limit of the rate where another processor is free.

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
)

// behind is an upstream under way.
type behind struct {
	addr   string  // host:port
	helper *helper // where it is a client too, else nil
	stop   func()
}

// cannedUpstream is the limit, which sends a canned answer.
func (b *bench) cannedUpstream(w *work, _ place) (*behind, error) {
	return b.startBehind(built(b.dir, limitName, peer(limitName)), w)
}

// echoUpstream sends back what it gets.
func (b *bench) echoUpstream(w *work, _ place) (*behind, error) {
	return b.startBehind(built(b.dir, floorProgram, func(_ *work, at place) ([]string, []string, error) {
		return []string{"-listen", at.addr(), "-echo"}, floorEnv, nil
	}), w)
}

func (b *bench) startBehind(s *server, w *work) (*behind, error) {
	if s.path == "" {
		return nil, fmt.Errorf("%s: %s", s.name, s.absent)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	at := place{port: port, root: filepath.Join(b.dir, rootDir), dir: filepath.Join(b.dir, "run-upstream"), pem: b.pem}
	r, err := s.start(b.ctx, &work{name: "upstream", file: w.file}, at, b.behindCPU)
	if err != nil {
		return nil, err
	}
	return &behind{addr: at.addr(), stop: r.stop}, nil
}

// lendingUpstream knows when each of its answers has been taken. It is the client of the server
// too, which is to serve at the place.
func (b *bench) lendingUpstream(w *work, at place) (*behind, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	addr := "127.0.0.1:" + strconv.Itoa(port)
	ctx, cancel := context.WithCancel(b.ctx)
	h, err := startHelper(ctx, b.clientCPU, "lend", "-addr", at.addr(), "-upstream", addr,
		"-path", "/"+w.file, "-file", filepath.Join(at.root, w.file), "-for", b.o.duration.String())
	if err != nil {
		cancel()
		return nil, err
	}
	return &behind{addr: addr, helper: h, stop: func() {
		cancel()
		h.cmd.Wait() // where nobody has waited for it yet
	}}, nil
}
