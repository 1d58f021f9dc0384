//go:build linux

package main

// Signals that come in a storm, to a whole group, or to a worker that they were not for.

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/tests/harness"
)

// A storm of one kind of signal, while nobody has the time to look, leaves the others their
// room.
func TestAStormOfOneSignalDrownsNoOther(t *testing.T) {
	storms, others := unix.SIGUSR1, []os.Signal{unix.SIGCHLD, unix.SIGTTIN, unix.SIGTTOU}
	looking, heard := make(chan struct{}), make(chan os.Signal, 1000)
	app.AwaitSignals(append([]os.Signal{storms}, others...), func(sig os.Signal) {
		<-looking
		heard <- sig
	})
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	send := func(sig os.Signal) {
		require.NoError(t, unix.Tgkill(os.Getpid(), unix.Gettid(), sig.(unix.Signal))) // this thread has handled it then
		time.Sleep(100 * time.Microsecond)                                             // the runtime passes one of each kind on at a time
	}
	for range 300 {
		send(storms)
	}
	for _, sig := range others {
		send(sig)
	}
	for range 300 {
		send(storms)
	}
	close(looking)
	missing := slices.Clone(others)
	for len(missing) > 0 {
		select {
		case sig := <-heard:
			missing = slices.DeleteFunc(missing, func(m os.Signal) bool { return m == sig })
		case <-time.After(harness.Patience):
			require.Empty(t, missing, "never heard")
		}
	}
}

// storm sends a process signals as fast as that goes, until it is ended.
func storm(t *testing.T, pid int, signals ...unix.Signal) (end func()) {
	var over atomic.Bool
	var senders sync.WaitGroup
	for _, sig := range signals {
		senders.Go(func() {
			for !over.Load() {
				unix.Kill(pid, sig)
				time.Sleep(10 * time.Microsecond) // the kernel keeps one of each kind: it has to be taken
			}
		})
	}
	end = sync.OnceFunc(func() {
		over.Store(true)
		senders.Wait()
	})
	t.Cleanup(end)
	return end
}

// slowToReload is a server whose master takes its time over each HUP, and then changes nothing.
func slowToReload(t *testing.T, workers string) *harness.Server {
	file, write := settingsFile(t, "workers "+workers+"\n")
	s := harness.Start(t, "-config", file)
	write(strings.Repeat("# nothing\n", 100_000) + "no-such-setting\n")
	return s
}

// Deaths are noticed in a storm of other signals.
func TestNoDeathIsMissedInAStormOfSignals(t *testing.T) {
	t.Parallel()
	const rounds = 5
	s := slowToReload(t, "3")
	for range rounds {
		victims := ready(t, s, 3).Workers
		end := storm(t, s.PID, unix.SIGHUP, unix.SIGUSR1)
		for _, w := range victims {
			require.NoError(t, unix.Kill(w.PID, unix.SIGKILL))
			gone(t, w.PID)
		}
		end()
		for _, w := range victims {
			succeeded(t, s, w.PID, 3)
		}
	}
	harness.Eventually(t, "three children, and none is a zombie", func() bool {
		children := s.Children(t)
		for _, pid := range children {
			if state(t, pid) == "Z" {
				return false
			}
		}
		return len(children) == 3
	})
}

// Nor is the order to stop.
func TestTheOrderToStopIsHeardInAStormOfSignals(t *testing.T) {
	t.Parallel()
	s := slowToReload(t, "1")
	end := storm(t, s.PID, unix.SIGHUP, unix.SIGUSR1)
	s.Signal(t, unix.SIGTERM)
	require.Zero(t, s.Wait(t))
	end()
}

// patientWatchdog is one that blames no worker for a busy machine, in seconds.
const patientWatchdog = "5"

// inGroup starts the server in a process group of its own.
func inGroup(t *testing.T, args ...string) *harness.Server {
	cmd := exec.Command(harness.Binary(), append([]string{"-listen", "127.0.0.1:0"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return harness.StartCommand(t, cmd)
}

// A terminal and a service manager send their signals to all processes of a group. The
// master does what they say, and no worker does anything by itself.
func TestASignalToTheWholeGroupIsTheMasters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sig     unix.Signal
		awaits  string // in the log
		workers int    // afterwards, 0 for the server's end
	}{
		{unix.SIGTTIN, "3 workers", 3},
		{unix.SIGTTOU, "1 worker", 1},
		{unix.SIGHUP, "Reloaded: all", 2},
		{unix.SIGUSR1, `\[main\] Log files reopened`, 2},
		{unix.SIGTERM, "Stopping on terminated", 0},
		{unix.SIGINT, "Stopping on interrupt", 0},
	} {
		t.Run(unix.SignalName(c.sig), func(t *testing.T) {
			t.Parallel()
			s := inGroup(t, "-workers", "2", "-watchdog", patientWatchdog)
			before := ready(t, s, 2)
			require.NoError(t, unix.Kill(-s.PID, c.sig))
			s.Log.Await(t, regexp.MustCompile(c.awaits))
			if c.workers == 0 {
				require.Zero(t, s.Wait(t))
			} else {
				after := ready(t, s, c.workers)
				beaten(t, s)
				if c.sig != unix.SIGHUP {
					require.Equal(t, before.Workers[0].PID, after.Workers[0].PID)
				}
			}
			for _, never := range []string{"has died", "has been silent"} {
				require.Zero(t, s.Log.Count(never), never)
			}
		})
	}
}

// A program that takes over is one, whoever else has got the signal.
func TestAHandOverSignalToTheWholeGroupLosesNoWorker(t *testing.T) {
	t.Parallel()
	s := inGroup(t, "-workers", "2")
	ready(t, s, 2)
	t.Cleanup(func() { unix.Kill(-s.PID, unix.SIGKILL) })
	require.NoError(t, unix.Kill(-s.PID, unix.SIGUSR2))
	require.Zero(t, s.Wait(t))
	require.Zero(t, s.Log.Count("has died"))
	successor := ready(t, s, 2).Master.PID
	require.NoError(t, unix.Kill(successor, unix.SIGTERM))
	gone(t, successor)
}

// What is the master's alone does nothing to a worker that gets it.
func TestAWorkerLeavesTheMastersSignalsToTheMaster(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, "-workers", "2", "-watchdog", patientWatchdog, "-drain-timeout", "1")
	before := ready(t, s, 2).Workers
	for _, sig := range ignored {
		for _, w := range before {
			require.NoError(t, unix.Kill(w.PID, sig.(unix.Signal)))
		}
	}
	beaten(t, s)
	after := ready(t, s, 2).Workers
	for i := range before {
		require.Equal(t, before[i].PID, after[i].PID)
	}
	require.Zero(t, s.Log.Count("has "))
}

// meet sends the next child that is none of those known a signal, in its first moment. On a busy
// machine the server may have handed over and ended before anybody sees it.
func meet(t *testing.T, s *harness.Server, known []int, sig unix.Signal) {
	t.Helper()
	for end := time.Now().Add(harness.Patience); time.Now().Before(end); {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", s.PID, s.PID))
		if err != nil {
			t.Log("the server has ended before its child was seen")
			return
		}
		for word := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil && !slices.Contains(known, pid) {
				unix.Kill(pid, sig) // which may have ended since
				return
			}
		}
	}
	require.Fail(t, "no child was started")
}

// A new program that has hardly begun keeps what asks it to open its logs anew for later.
func TestASuccessorThatIsJustStartedDoesNotEndByASignal(t *testing.T) {
	t.Parallel()
	for _, sig := range []unix.Signal{unix.SIGUSR1, unix.SIGUSR2, unix.SIGHUP} {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			t.Parallel()
			s := inGroup(t, "-workers", "1")
			ready(t, s, 1)
			t.Cleanup(func() { unix.Kill(-s.PID, unix.SIGKILL) })
			known := s.Children(t)
			s.Signal(t, unix.SIGUSR2)
			meet(t, s, known, sig)
			require.Zero(t, s.Wait(t))
			require.Zero(t, s.Log.Count("No hand-over, the old program goes on"))
		})
	}
}

// So it is from its first moment on: the kernel keeps those that Go's runtime does not let through
// until it can ignore them, and a worker that one of the others has ended is started again.
func TestAWorkerThatIsJustStartedLeavesThemToTheMasterToo(t *testing.T) {
	t.Parallel()
	const workers = 8
	for _, sig := range []unix.Signal{unix.SIGUSR1, unix.SIGHUP, unix.SIGINT, unix.SIGTERM} {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			t.Parallel()
			s := harness.Start(t, "-workers", fmt.Sprint(workers), "-watchdog", patientWatchdog)
			for _, victim := range ready(t, s, workers).Workers {
				known := s.Children(t)
				require.NoError(t, unix.Kill(victim.PID, unix.SIGKILL))
				meet(t, s, known, sig)
			}
			ready(t, s, workers)
			require.Equal(t, workers, s.Log.Count("has died"))
			require.Equal(t, workers, s.Log.Count("has died: killed"))
		})
	}
}

// Nor do new settings fail for a reload that is asked for by all processes' signal.
func TestAReloadOfAllProcessesDoesNotEndTheWorkersOfAnother(t *testing.T) {
	t.Parallel()
	const workers, rounds = 2, 8
	s := harness.Start(t, "-workers", fmt.Sprint(workers), "-watchdog", patientWatchdog)
	for round := range rounds {
		ready(t, s, workers)
		known := s.Children(t)
		s.Signal(t, unix.SIGHUP)
		meet(t, s, known, unix.SIGHUP)
		harness.Eventually(t, "it is reloaded", func() bool { return s.Log.Count("Reloaded: all") == round+1 })
	}
	require.Zero(t, s.Log.Count("has died")+s.Log.Count("did not come up"))
}

// beaten waits until each worker has beaten again, and is asked no more questions.
func beaten(t *testing.T, s *harness.Server) {
	t.Helper()
	for _, w := range health4(t, s).Workers {
		harness.Eventually(t, fmt.Sprintf("worker %d goes on", w.Worker), func() bool {
			for _, now := range health4(t, s).Workers {
				if now.PID == w.PID {
					return now.HeartbeatAge < 0.5 && now.State == "ready"
				}
			}
			return false
		})
	}
}

// Ctrl+Z stops the master and all workers, and whoever has the master go on has all go on.
func TestAStoppedServerStandsStillAndGoesOn(t *testing.T) {
	t.Parallel()
	s := inGroup(t, "-workers", "2", "-watchdog", patientWatchdog)
	before := ready(t, s, 2).Workers
	require.NoError(t, unix.Kill(-s.PID, unix.SIGTSTP))
	for _, pid := range s.Processes(t) {
		harness.Eventually(t, "it stands still", func() bool { return stopped(t, pid) })
	}
	s.Signal(t, unix.SIGCONT)
	beaten(t, s)
	after := ready(t, s, 2).Workers
	for i := range before {
		require.Equal(t, before[i].PID, after[i].PID)
	}
	require.Zero(t, s.Log.Count("has died")+s.Log.Count("has been silent"))
	for range 20 {
		status, _ := s.Get(t, "/")
		require.Equal(t, 200, status)
	}
}

// Where nobody would continue it, nothing is stopped: the kernel says so of a group whose
// session has nobody outside of it (setpgid(2)).
func TestAServerOfNoSessionIsNotStoppedByATerminalsSignal(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(harness.Binary(), "-listen", "127.0.0.1:0", "-workers", "2", "-watchdog", patientWatchdog)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	s := harness.StartCommand(t, cmd)
	ready(t, s, 2)
	require.NoError(t, unix.Kill(-s.PID, unix.SIGTSTP))
	beaten(t, s)
	for _, pid := range s.Processes(t) {
		require.False(t, stopped(t, pid))
	}
	require.Zero(t, s.Log.Count("has "))
}

// In the background of a terminal that wants no output of it (stty tostop), which says so by
// SIGTTOU, the master writes all the same, and takes it for no order.
func TestATerminalThatWantsNoOutputHoldsNothingUp(t *testing.T) {
	t.Parallel()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	defer terminal.Close()
	require.NoError(t, unix.IoctlSetPointerInt(int(terminal.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	other, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	defer other.Close()
	pid := t.TempDir() + "/pid"
	cmd := exec.Command("sh", "-c", `stty tostop; set -m; "$@" & echo $! >"$0"; wait`, pid, harness.Binary(), "-listen", "127.0.0.1:0", "-workers", "2")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = other, other, other
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		text, _ := os.ReadFile(pid)
		server, err := strconv.Atoi(strings.TrimSpace(string(text)))
		require.NoError(t, err)
		unix.Kill(server, unix.SIGKILL)
		unix.Kill(cmd.Process.Pid, unix.SIGKILL)
		cmd.Wait()
	})
	said := make(chan string, 1)
	go func() {
		var all strings.Builder
		lines := bufio.NewScanner(terminal)
		for lines.Scan() && !strings.Contains(lines.Text(), "Press Ctrl+C") {
			fmt.Fprintln(&all, lines.Text())
		}
		said <- all.String()
	}()
	select {
	case text := <-said:
		require.Contains(t, text, "2 worker processes")
		require.NotContains(t, text, "[main] 1 worker")
	case <-time.After(harness.Patience):
		require.Fail(t, "it writes for ever")
	}
}
