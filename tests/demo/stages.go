package main

// The four stages as processes, with the clients of each.
//
// A show owns all that it has started: processes, each with a group of its own, clients, and one
// folder with the programs and the page that they serve. close ends and removes all of it. What
// must not be done: nothing may listen anywhere but on 127.0.0.1, and no stage may unpack its
// built-in site, which would stay in the user's cache folder.

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"fourways/tests/group"

	"fourways/tests/mutants"
)

const (
	// patience is how long a stage may take to start or to end.
	patience = 20 * time.Second
	// page is what every stage serves.
	page = "<!doctype html>\n<title>A page</title>\n<p>This page came from one of four servers.\n"
)

// stages are the four, in the order of the panels. Each has few who wait, on any machine, so that
// each of them can be drawn.
var stages = allStages()

type stage struct {
	number        int
	folder, title string
	call          string // in which it waits
	workers       int
}

func allStages() []stage {
	all := []stage{
		{1, "stage1-threadpool", "Thread pool", "read(2)", 10},
		{2, "stage2-poll", "Poll", "poll(2)", 2},
		{3, "stage3-epoll", "Event loops", "epoll_wait(2)", 2},
		{4, "stage4-prefork", "Prefork", "epoll_wait(2)", 2},
	}
	if runtime.GOOS != "linux" { // where there is no epoll, and the last one does not run
		all[2].call = "kevent(2)"
		return all[:3]
	}
	return all
}

// running are all stages that were started.
type running struct {
	dir     string
	servers []*server
	watches []*watch
	clients *clients
}

// server is one stage's process.
type server struct {
	stage
	addr string // host:port
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// start builds and starts all stages, and the busy clients of each.
func start(ctx context.Context, o options, out io.Writer) (s *running, err error) {
	root, err := mutants.Root()
	if err != nil {
		return nil, err
	}
	s = &running{}
	if s.dir, err = os.MkdirTemp("", "fourways-demo-*"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close()
			s = nil
		}
	}()
	if err := s.build(ctx, root, out); err != nil {
		return s, err
	}
	s.clients = newClients()
	for _, st := range stages {
		port := 0
		if o.port != 0 {
			port = o.port + st.number
		}
		v, err := s.run(ctx, st, port)
		if err != nil {
			return s, err
		}
		w, err := newWatch(v)
		if err != nil {
			return s, err
		}
		s.watches = append(s.watches, w)
		for range o.busy {
			s.clients.ask(v.addr, w.newWait())
		}
	}
	return s, nil
}

// build builds all stages at once, and writes the page that they serve.
func (s *running) build(ctx context.Context, root string, out io.Writer) error {
	site := filepath.Join(s.dir, "site")
	if err := os.Mkdir(site, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(site, "index.html"), []byte(page), 0o644); err != nil {
		return err
	}
	fmt.Fprintln(out, "Building the stages …")
	args := []string{"build", "-buildvcs=false", "-o", s.dir + string(filepath.Separator)}
	for _, st := range stages {
		args = append(args, "./"+st.folder)
	}
	build := exec.CommandContext(ctx, "go", args...)
	build.Dir = root
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", cmp.Or(context.Cause(ctx), err), said)
	}
	return nil
}

var started = regexp.MustCompile(`started on http://([^\s,]+)`)

// run starts one stage, and waits until it says where it listens.
func (s *running) run(ctx context.Context, st stage, port int) (*server, error) {
	v := &server{stage: st, done: make(chan struct{})}
	v.cmd = exec.Command(filepath.Join(s.dir, st.folder), "-listen", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		"-root", filepath.Join(s.dir, "site"), "-uploads", "off", "-workers", strconv.Itoa(st.workers), "-max-requests", "0")
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a group of its own, to stop its workers with it
	log, err := v.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := v.cmd.Start(); err != nil {
		return nil, err
	}
	s.servers = append(s.servers, v)
	addr, last := make(chan string, 1), ""
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			last = lines.Text()
			if m := started.FindStringSubmatch(last); m != nil {
				addr <- m[1]
				break
			}
		}
		go io.Copy(io.Discard, log) // it is refusing clients all the time
	}()
	go func() {
		v.cmd.Process.Wait()
		close(v.done)
	}()
	select {
	case v.addr = <-addr:
		return v, nil
	case <-v.done:
		<-read
		return nil, fmt.Errorf("%s does not start: %s", st.folder, last)
	case <-time.After(patience):
		return nil, fmt.Errorf("%s does not say where it listens", st.folder)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// close ends all that was started, and removes all that was written.
func (s *running) close() {
	if s.clients != nil {
		s.clients.close()
	}
	for _, w := range s.watches {
		w.close()
	}
	var all sync.WaitGroup
	for _, v := range s.servers {
		all.Go(func() { group.End(v.cmd.Process.Pid) })
	}
	all.Wait()
	os.RemoveAll(s.dir)
}
