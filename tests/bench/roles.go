//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"fourways/tests/bench/client"
	"fourways/tests/bench/proc"
)

// roles are what this program does when it is its own helper. The first argument names
// the role.
var roles = map[string]func(args []string, in io.Reader, out, errs io.Writer) int{
	"hold": role("hold", func(f roleFlags, in io.Reader, out io.Writer) error {
		if f.ask.Terms.Version != 0 {
			return client.HoldSecured(f.ask, out, in)
		}
		return client.Hold(f.addr, f.path, f.n, f.touch, out, in)
	}),
	"dribble": role("dribble", func(f roleFlags, in io.Reader, out io.Writer) error {
		return client.Dribble(f.addr, f.path, f.n, out, in)
	}),
	"drain": role("drain", func(f roleFlags, in io.Reader, out io.Writer) error {
		d, err := client.Drain(f.addr, f.path, f.n, f.duration)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(d)
	}),
	"pingpong": role("pingpong", func(f roleFlags, in io.Reader, out io.Writer) error {
		d, err := client.PingPong(f.addr, f.n, f.duration)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(d)
	}),
	"lend": role("lend", func(f roleFlags, in io.Reader, out io.Writer) error {
		h, err := client.Loan{Proxy: f.addr, Upstream: f.upstream, Path: f.path, File: f.file, Patience: f.duration}.Run(out, in)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(h)
	}),
	"fire": role("fire", func(f roleFlags, in io.Reader, out io.Writer) error {
		fired, err := f.load.Run(out, in)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(fired)
	}),
	"ask": role("ask", func(f roleFlags, in io.Reader, out io.Writer) error {
		a, err := f.ask.Run(out, in)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(a)
	}),
}

// roleFlags are what a helper is told.
type roleFlags struct {
	addr     netip.AddrPort
	path     string
	n        int // connections
	touch    bool
	duration time.Duration
	upstream netip.AddrPort // to listen on
	file     string         // what the upstream answers with
	load     client.Load    // of plain requests
	ask      client.Ask     // the same for clients by TLS; of no version for plain ones
}

func role(name string, do func(roleFlags, io.Reader, io.Writer) error) func([]string, io.Reader, io.Writer, io.Writer) int {
	return func(args []string, in io.Reader, out, errs io.Writer) int {
		var f roleFlags
		flags := flag.NewFlagSet(name, flag.ContinueOnError)
		flags.SetOutput(errs)
		flags.TextVar(&f.addr, "addr", netip.AddrPort{}, "`HOST:PORT` of the server")
		flags.StringVar(&f.path, "path", "/", "`PATH` to ask for")
		flags.IntVar(&f.n, "n", 1, "connections")
		flags.BoolVar(&f.touch, "touch", false, "make one request on each")
		flags.DurationVar(&f.duration, "for", time.Second, "`TIME` to go on")
		flags.TextVar(&f.upstream, "upstream", netip.AddrPort{}, "`HOST:PORT` where the server finds its upstream")
		flags.StringVar(&f.file, "file", "", "`FILE` with the upstream's answer")
		text := flags.String("ask", "", "all of that as `JSON`, for clients by TLS")
		shots := flags.String("load", "", "a load of plain requests, as `JSON`")
		if flags.Parse(args) != nil {
			return usage
		}
		if *shots != "" {
			if err := json.Unmarshal([]byte(*shots), &f.load); err != nil {
				fmt.Fprintln(errs, err)
				return usage
			}
			f.addr = f.load.Addr
		}
		if *text != "" {
			if err := json.Unmarshal([]byte(*text), &f.ask); err != nil {
				fmt.Fprintln(errs, err)
				return usage
			}
			f.addr = f.ask.Addr
		}
		if !f.addr.Addr().Is4() {
			return usage
		}
		if err := raiseDescriptors(); err != nil {
			fmt.Fprintln(errs, err)
			return failed
		}
		if err := do(f, in, out); err != nil {
			fmt.Fprintln(errs, err)
			return failed
		}
		return measured
	}
}

// helper is a process of this program that keeps connections until it is told to end.
type helper struct {
	cmd   *exec.Cmd
	in    io.Closer
	lines *bufio.Scanner
	errs  strings.Builder
}

// startHelper starts a role on a processor, and returns when it is at work.
func startHelper(ctx context.Context, cpu int, args ...string) (*helper, error) {
	h := &helper{cmd: exec.CommandContext(ctx, "/proc/self/exe", args...)}
	h.cmd.Stderr = &h.errs
	in, err := h.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	h.in, h.lines = in, bufio.NewScanner(out)
	if err := proc.On(cpu, h.cmd.Start); err != nil {
		return nil, err
	}
	if !h.lines.Scan() || h.lines.Text() != client.Ready {
		in.Close()
		err := h.cmd.Wait()
		return nil, fmt.Errorf("%s: %w: %s", args[0], err, strings.TrimSpace(h.errs.String()))
	}
	return h, nil
}

// end stops the helper and returns the number it says last: connections that the server
// closed meanwhile.
func (h *helper) end() (int, error) {
	said, err := h.last()
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(said)
}

// last ends the helper's input and returns the line it says last.
func (h *helper) last() (string, error) {
	h.in.Close()
	h.lines.Scan()
	said := h.lines.Text()
	if err := h.cmd.Wait(); err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(h.errs.String()))
	}
	return said, nil
}
