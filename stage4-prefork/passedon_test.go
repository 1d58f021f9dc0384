//go:build linux

package main

// Requests that are passed on, while workers are replaced, handed over, or killed.
//
// The servers behind are processes and servers of the test's own. What must not be done: no test
// may suppose which worker gets a client.

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/tests/behaviour"
	"fourways/tests/harness"
)

var (
	handedOver  = regexp.MustCompile("The new program serves")
	nothingLeft = regexp.MustCompile(`"resting":0,"in_flight":0`)
)

// Reloads and a new program cost no request that is passed on: not those that are under way when
// they come, and not those that come meanwhile.
func TestReloadsAndHandOversLoseNothingThatIsPassedOn(t *testing.T) {
	t.Parallel()
	executed := behaviour.Executed(t)
	quick := behaviour.StartBackend(t, executed)
	slow := behaviour.NewHalves(t)
	s := harness.Start(t, "-workers", "2", "-max-requests", "0", "-min-rate", "0", "-proxy", "/="+quick.URL, "-proxy", "/slow="+slow.URL)
	ready(t, s, 2)
	c := behaviour.NewCallers(t, s, 6, true)
	slow.Begin(t, s)
	for i := 1; i <= 3; i++ {
		c.GoOn(t, 100)
		hup(t, s, reloadedLine, i)
		slow.Begin(t, s)
	}
	c.GoOn(t, 100)
	successor := handOver(t, s)
	s.Log.Await(t, handedOver)
	c.GoOn(t, 100)
	require.False(t, s.Ended(), "the old one still has requests")
	slow.Begin(t, s)
	slow.Finish(t)
	require.Zero(t, s.Wait(t))
	require.Equal(t, successor, ready(t, s, 2).Master.PID)
	c.GoOn(t, 100)
	c.Judge(t, executed)
}

// Workers are killed under load that is passed on. Lost is at most what they had; what an upstream
// has done for it is done once, and nothing is left of them in its count of what is under way.
func TestKilledWorkersLoseOnlyWhatTheyPassOn(t *testing.T) {
	t.Parallel()
	const clients, workers, kills = 6, 2, 8
	executed := behaviour.Executed(t)
	b := behaviour.StartBackend(t, executed)
	s := harness.Start(t, "-workers", fmt.Sprint(workers), "-proxy", "/="+b.URL)
	ready(t, s, workers)
	c := behaviour.NewCallers(t, s, clients, false)
	for i := range kills {
		c.GoOn(t, 100)
		victim := health4(t, s).Workers[i%workers].PID
		c.During(func() {
			require.NoError(t, unix.Kill(victim, unix.SIGKILL))
			gone(t, victim)
		})
		succeeded(t, s, victim, workers)
	}
	c.GoOn(t, 100)
	c.Judge(t, executed)
	harness.Eventually(t, "nothing is under way at the upstream", func() bool {
		_, body := s.Get(t, "/health")
		return nothingLeft.Match(body)
	})
}

// A relay on a socket of systemd's stays one after a reload and a hand-over.
func TestARelayOnASocketFromSystemdStaysOne(t *testing.T) {
	t.Parallel()
	target, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer target.Close()
	go func() {
		for {
			c, err := target.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.WriteString(c, "target:")
				io.Copy(c, c)
			}()
		}
	}()
	var files []*os.File
	var ports []int
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		file, err := l.(*net.TCPListener).File()
		require.NoError(t, err)
		defer file.Close()
		files, ports = append(files, file), append(ports, l.Addr().(*net.TCPAddr).Port)
		l.Close()
	}
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=2 exec "$0" "$@"`, harness.Binary(), "-workers", "1",
		"-relay", fmt.Sprintf(":%d=%v", ports[1], target.Addr()))
	cmd.ExtraFiles = files
	s := harness.StartCommand(t, cmd)
	relays := func() {
		t.Helper()
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", ports[1]))
		require.NoError(t, err)
		defer c.Close()
		c.SetDeadline(time.Now().Add(harness.Patience))
		io.WriteString(c, "x")
		got := make([]byte, len("target:x"))
		_, err = io.ReadFull(c, got)
		require.NoError(t, err)
		require.Equal(t, "target:x", string(got))
		status, _ := s.Get(t, "/")
		require.Equal(t, 200, status)
	}
	ready(t, s, 1)
	relays()
	hup(t, s, reloadedLine, 1)
	relays()
	handOver(t, s)
	require.Zero(t, s.Wait(t))
	ready(t, s, 1)
	relays()
}
