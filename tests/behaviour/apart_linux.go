package behaviour

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/tests/bench/proc"
	"fourways/tests/harness"
)

// To measure what an attack costs good clients, server, attackers and good clients have to
// be on machines of their own: else each takes the processor from the others, and no server
// can help it. Of one machine this makes the next best: the server has one processor, and
// shares it with nobody. On another one are the attackers, which are this process, and the
// good clients, a second process, which goes first whenever it has something to do. What
// remains is what happens in the server, and in the kernel on its behalf. Neither processor
// is ever idle: a virtual one that has halted may take milliseconds to wake, which would
// make the time without an attack look bad.

// crowdVariable has a test's binary play the good clients of the server at this address.
const crowdVariable = "FOURWAYS_TEST_CROWD"

// Main is harness.Main for a binary that can play the good clients too, and a server behind a
// proxy.
func Main(m *testing.M, stage string) {
	if playsBackend() {
		return
	}
	if addr := os.Getenv(crowdVariable); addr != "" {
		playCrowd(addr)
		return
	}
	harness.Main(m, stage)
}

// processors are those of this process before it confines itself.
var processors = sync.OnceValues(proc.Processors)

// AttackRatios measures what each attack costs the good clients, one attack after the other and
// nothing beside it. It fails where they wait too long, except the stage that needs a thread for
// each connection. Where other programs were at work meanwhile, what was measured tells of those:
// then it skips, and says so.
func AttackRatios(b *testing.B) {
	cpus, err := processors()
	require.NoError(b, err)
	if len(cpus) < 2 {
		b.Skip("the server needs a processor, and the clients another one")
	}
	serverCPU, clientCPU := cpus[0], cpus[len(cpus)-1]
	require.NoError(b, proc.Confine(clientCPU))
	defer proc.Confine(cpus...)
	keepAwake(b, serverCPU)
	keepAwake(b, clientCPU)
	for _, a := range append(busyAttacks(), slowAttacks()...) {
		b.Run(a.name, func(b *testing.B) {
			for range b.N {
				others := 0.0
				for try := 1; try == 1 || lastRatio > worstRatio && try <= tries; try++ {
					a.run(b)
					others = max(others, lastOthers)
				}
				switch {
				case lastRatio <= worstRatio || oneThreadEach():
				case others > busyShare:
					b.Skipf("the machine was busy, others used %.0f %% of its processors: good clients waited %.1f times as long, which says nothing", 100*others, lastRatio)
				default:
					b.Errorf("good clients wait %.1f times as long under attack, in each of %d tries", lastRatio, tries)
				}
			}
		})
	}
}

// othersUsed is how much processor time other programs have had on the processors of a benchmark,
// and other guests of the host, since some time in the past. Two looks at it may be compared while
// no child of this process ends.
func othersUsed(b *testing.B) (used time.Duration) {
	cpus, err := processors()
	require.NoError(b, err)
	for _, cpu := range []int{cpus[0], cpus[len(cpus)-1]} {
		busy, err := proc.Busy(cpu)
		require.NoError(b, err)
		used += busy
	}
	own, err := proc.CPU(os.Getpid())
	require.NoError(b, err)
	return used - own
}

// serverApart starts the stage on the first processor.
func serverApart(b *testing.B, flags ...string) (s *harness.Server) {
	cpus, err := processors()
	require.NoError(b, err)
	require.NoError(b, proc.On(cpus[0], func() error {
		s = harness.Start(b, flags...)
		return nil
	}))
	return s
}

// crowdApart starts the good clients as a process that goes before this one.
func crowdApart(b *testing.B, addr string, note func(time.Duration, error)) (goHome func()) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crowdVariable+"="+addr, "GOGC=off") // it is not to wait for itself
	cmd.Stderr = os.Stderr
	quit, err := cmd.StdinPipe()
	require.NoError(b, err)
	says, err := cmd.StdoutPipe()
	require.NoError(b, err)
	if err := proc.First(cmd.Start); errors.Is(err, unix.EPERM) {
		b.Skip("the good clients may not go first: run it as root")
	} else {
		require.NoError(b, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(says); lines.Scan(); {
			took, err := strconv.ParseInt(lines.Text(), 10, 64)
			if err != nil {
				err = errors.New(lines.Text())
			}
			note(time.Duration(took), err)
		}
		if err := cmd.Wait(); err != nil {
			note(0, fmt.Errorf("the good clients: %w", err))
		}
	}()
	return sync.OnceFunc(func() {
		quit.Close()
		<-ended
	})
}

// keepAwake has a processor never idle until the benchmark ends.
func keepAwake(b *testing.B, cpu int) {
	cmd := exec.Command("sh", "-c", "while :; do :; done")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(b, proc.On(cpu, func() error { return proc.Last(cmd.Start) }))
	b.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// playCrowd is the process of the good clients. It writes a line for each request, its
// nanoseconds or what went wrong, until its input ends.
func playCrowd(addr string) {
	var mu sync.Mutex
	goHome := send(addr, benchPace, func(took time.Duration, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			fmt.Printf("%q\n", err.Error())
		} else {
			fmt.Println(took.Nanoseconds())
		}
	})
	io.Copy(io.Discard, os.Stdin)
	goHome()
}
