//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// insideDir is the environment variable by which the command, run again in its
// namespace, learns the folder of what was built for it.
const insideDir = "FOURWAYS_BENCH_DIR"

// errNoNamespace says that the measurement goes on outside.
var errNoNamespace = errors.New("no network namespace of our own is permitted (run as root to have one): the machine's settings hold, and with bbr as congestion control large bodies are capped")

// settings are what the namespace has for itself (ip-sysctl.rst). bbr paces loopback as
// if it were a network and caps its bulk rate; the others keep a run with a new
// connection each from running out of ports.
var settings = []struct{ file, value string }{
	{"/proc/sys/net/ipv4/tcp_congestion_control", "reno"},
	{"/proc/sys/net/ipv4/ip_local_port_range", "1024 65535"},
	{"/proc/sys/net/ipv4/tcp_tw_reuse", "1"},
}

// runInside runs this command again in a network namespace of its own
// (network_namespaces(7)), and returns its exit status. A namespace belongs to a thread,
// and a Go program cannot choose its threads; a process starts with one.
func runInside(ctx context.Context, dir string) (int, error) {
	runtime.LockOSThread() // the child's Pdeathsig is sent when this very thread ends
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), insideDir+"="+dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopPatience * 2 // it has a server to stop first
	if err := cmd.Start(); err != nil {
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
			return failed, errNoNamespace
		}
		return failed, err
	}
	err := cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), nil // it has said why
	}
	return measured, err
}

// enterNamespace brings loopback up and makes the settings. What it could not do it
// returns as notes for the report.
func enterNamespace() (notes []string) {
	if err := loopbackUp(); err != nil {
		notes = append(notes, fmt.Sprintf("loopback does not come up: %v", err))
	}
	for _, s := range settings {
		if err := os.WriteFile(s.file, []byte(s.value), 0); err != nil {
			notes = append(notes, fmt.Sprintf("%s is not set to %s: %v", s.file, s.value, err))
		}
	}
	return notes
}

// loopbackUp sets the interface's IFF_UP (netdevice(7)).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); err != nil {
		return err
	}
	request.SetUint16(request.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}
