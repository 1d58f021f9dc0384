package trace

// The trace of a worker, which is a process, and of a master, which has the patience of stage 4's.

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"fourways/shared/children"
	"fourways/shared/clock"
)

// heartbeat watches a real worker by given times: one that hangs, and one that sleeps together with
// its master. The worker beats only when it is told to, so nothing here waits for a clock.
func heartbeat() (Trace, error) {
	s := &beatScene{recorder: recorder{trace: Trace{Title: "A heartbeat (-watchdog 4): a worker hangs, and one sleeps"}}, says: "nothing"}
	s.look = s.places
	defer func() {
		if s.worker.Process != nil {
			s.worker.Process.Kill() // where something failed
		}
	}()
	if s.start(); s.err != nil {
		return s.trace, s.err
	}
	s.hang()
	if s.start(); s.err != nil {
		return s.trace, s.err
	}
	s.lunch()
	return s.trace, s.err
}

// beatScene is a worker, and a master with the patience of stage 4's.
type beatScene struct {
	recorder
	patience    children.Patience
	worker      *exec.Cmd
	tell        io.WriteCloser
	hears       *bufio.Reader
	beat, now   clock.Time
	state, says string
}

const patienceLimit = 4 * clock.Second

func (s *beatScene) places() []Place {
	seconds := func(t clock.Time) string { return fmt.Sprintf("%d s", t/clock.Second) }
	return []Place{
		wordsOf("program", "now", seconds(s.now)), wordsOf("program", "the beat", seconds(s.beat)),
		wordsOf("program", "overdue at", seconds(s.patience.Overdue(s.beat, patienceLimit))), wordsOf("program", "the master says", s.says),
		{Of: "kernel", Name: "the worker", Words: []string{s.state}, Waits: s.state == "stopped"},
	}
}

// start makes a worker: a process that answers each line, as a loop makes a beat in each turn.
func (s *beatScene) start() {
	s.worker = exec.Command("cat")
	in, err := s.worker.StdinPipe()
	s.must(0, err)
	out, err := s.worker.StdoutPipe()
	s.must(0, err)
	s.must(0, s.worker.Start())
	s.tell, s.hears, s.state = in, bufio.NewReader(out), "runs"
}

// turns has the worker go on, and beat, until it is then.
func (s *beatScene) turns(then clock.Time) {
	_, err := io.WriteString(s.tell, "turn\n")
	s.must(0, err)
	_, err = s.hears.ReadString('\n')
	s.must(0, err)
	s.now, s.beat = then, then
}

// looks is one look of the master's.
func (s *beatScene) looks() string {
	s.says = "all is well"
	if s.patience.Look(s.now, patienceLimit) {
		s.says = "I was suspended: nobody is blamed"
	}
	overdue := s.patience.Overdue(s.beat, patienceLimit)
	if overdue <= s.now {
		s.says = "silent for too long"
	}
	s.patience.Next(s.now, overdue, patienceLimit)
	return s.says
}

func (s *beatScene) hang() {
	s.patience.Excuse(s.now)
	s.turns(clock.Second)
	s.step("A worker's loop has turned, and has written down the time: that is its beat. The master looks, and waits for four seconds from there.",
		"beat = 1 s; Look(1 s): %s", s.looks())
	s.signal(unix.SIGSTOP, unix.WSTOPPED, "stopped")
	s.step("Now the worker hangs. Here it is stopped by a signal: it does nothing more, and holds what it has.", "kill(worker, SIGSTOP)")
	s.step("Whoever asks whether it lives gets a yes.", "kill(worker, 0) = %s", s.exists())
	for s.now < 4*clock.Second {
		s.now += clock.Second
		s.looks()
	}
	s.step("The master looks once a second, which is four times in its patience. The beat grows old, and is not too old yet.", "Look(2 s), Look(3 s), Look(4 s): %s", s.says)
	s.now += clock.Second
	s.step("No beat for four seconds. It does not matter why.", "Look(5 s): %s", s.looks())
	s.must(0, unix.Kill(s.worker.Process.Pid, unix.SIGQUIT))
	var info unix.Siginfo
	s.must(0, unix.Waitid(unix.P_PID, s.worker.Process.Pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil))
	if info.Signo != 0 {
		s.must(0, errors.New("SIGQUIT has ended a stopped process"))
	}
	s.step("It is asked where it hangs, by SIGQUIT. A loop that runs in circles would tell, and end. For a stopped process the kernel keeps the signal.",
		"kill(worker, SIGQUIT); waitid(WNOHANG): nobody has ended")
	s.now += clock.Second
	s.signal(unix.SIGKILL, unix.WEXITED, "dead")
	s.says = "a worker has died"
	s.step("A second later comes SIGKILL, which nobody can keep or put off. The kernel reports a death, and what the worker held is free.", "kill(worker, SIGKILL); waitid: killed")
	s.must(0, killed(s.worker.Wait()))
}

func (s *beatScene) lunch() {
	s.turns(10 * clock.Second)
	s.patience.Excuse(s.now)
	s.patience.Next(s.now, clock.Never, patienceLimit)
	s.step("Another worker has its place, and beats.", "beat = 10 s; Look(10 s): %s", s.looks())
	s.signal(unix.SIGSTOP, unix.WSTOPPED, "stopped")
	s.says = "nothing: it is stopped, too"
	s.step("Somebody presses Ctrl+Z. The master stops its worker, and then itself, and there is lunch.", "kill(worker, SIGSTOP); kill(itself, SIGSTOP)")
	s.now += 3600 * clock.Second
	s.step("An hour later the master goes on. By the beat alone, the worker has been silent for an hour, and would be killed. But the master's own look is an hour late: what has stopped it has stopped the worker as well.",
		"Look(3610 s): %s", s.looks())
	s.signal(unix.SIGCONT, unix.WCONTINUED, "runs")
	s.step("So the worker has four seconds from now, whatever its beat says, and goes on.", "kill(worker, SIGCONT)")
	s.turns(3611 * clock.Second)
	s.step("It beats, and is not blamed.", "beat = 3611 s; Look(3611 s): %s", s.looks())
	s.end()
}

// signal sends a signal, and waits until the kernel reports what has come of it.
func (s *beatScene) signal(sig unix.Signal, report int, state string) {
	s.must(0, unix.Kill(s.worker.Process.Pid, sig))
	s.must(0, unix.Waitid(unix.P_PID, s.worker.Process.Pid, nil, report|unix.WNOWAIT, nil))
	s.state = state
}

// exists asks whether there is such a process.
func (s *beatScene) exists() string {
	if err := unix.Kill(s.worker.Process.Pid, 0); err != nil {
		return nameOf(err)
	}
	return "0"
}

// end ends the worker, whatever state it is in.
func (s *beatScene) end() {
	s.must(0, s.worker.Process.Kill())
	s.must(0, killed(s.worker.Wait()))
}

// killed is no error: the worker was.
func killed(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == unix.SIGKILL {
		return nil
	}
	return err
}
