package book

// The server that the commands of the chapters speak to.
//
// StartServer's caller stops it. What must not be done: it must not write outside its scratch
// folder, since commands of several chapters run against the same sources.

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

const (
	startTime = time.Minute      // until the banner, on a machine with much else to do
	stopTime  = 15 * time.Second // to drain; then it is killed
)

// banner is the line by which every stage tells its address.
var banner = regexp.MustCompile(`started on http://(\S+)`)

// Server is a stage that was built and started for the commands of the chapters. Whoever starts it
// stops it.
type Server struct {
	Addr  string // HOST:PORT
	cmd   *exec.Cmd
	ended chan error // gets the result of Wait, once
}

// StartServer builds the main package in the project's folder stage and starts it on a free port of
// 127.0.0.1. The program is put into scratch and works there, so whatever it writes ends with that
// folder.
func (p Project) StartServer(stage, scratch string) (*Server, error) {
	program := scratch + "/server"
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Clean(p.Path(stage))
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building %s: %w\n%s", stage, err, out)
	}
	s := &Server{cmd: exec.Command(program, "-listen", "127.0.0.1:0"), ended: make(chan error, 1)}
	s.cmd.Dir = scratch
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if s.Addr, err = s.await(stderr); err != nil {
		s.Stop()
		return nil, fmt.Errorf("starting %s: %w", stage, err)
	}
	return s, nil
}

// await reads the log up to the banner, and goes on reading it afterwards: a full pipe would stop
// the server.
func (s *Server) await(log io.Reader) (addr string, err error) {
	found := make(chan string, 1)
	go func() {
		text := bufio.NewReader(log)
		for {
			line, err := text.ReadString('\n')
			if m := banner.FindStringSubmatch(line); m != nil {
				found <- m[1]
				break
			}
			if err != nil {
				break
			}
		}
		close(found)
		io.Copy(io.Discard, text)
		s.ended <- s.cmd.Wait()
	}()
	select {
	case addr = <-found:
	case <-time.After(startTime):
	}
	if addr == "" {
		return "", errors.New("it logged no line `started on http://HOST:PORT`")
	}
	return addr, nil
}

// Stop ends the server as an operator would, and gives its exit's error.
func (s *Server) Stop() error {
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.ended:
		return err
	case <-time.After(stopTime):
		s.cmd.Process.Kill()
		<-s.ended
		return fmt.Errorf("it did not stop within %v", stopTime)
	}
}
