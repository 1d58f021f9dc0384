package main

// Stage 3 as a process: the suites that all stages pass, and what is its own. The system calls are
// counted by strace(1); that test is skipped without it.

import (
	"fmt"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/behaviour"
	"fourways/tests/harness"
)

func TestMain(m *testing.M) { behaviour.Main(m, "stage3-epoll") }

func TestConformance(t *testing.T) { behaviour.Conformance(t) }

func TestConformanceOverTLS(t *testing.T) { behaviour.ConformanceOverTLS(t) }

func TestConformanceThroughAProxy(t *testing.T) { behaviour.ConformanceThroughAProxy(t) }

func TestBehaviour(t *testing.T) { behaviour.All(t) }

func TestBehaviourThroughAProxy(t *testing.T) { behaviour.Through(t) }

func TestAttacks(t *testing.T) { behaviour.Attacks(t) }

func TestAttacksThroughAProxy(t *testing.T) { behaviour.AttacksThrough(t) }

func BenchmarkAttacks(b *testing.B) { behaviour.AttackRatios(b) }

// The kernel deals connections to the loops' own sockets by a hash, so the shares differ.
func TestMany(t *testing.T) { behaviour.Many(t, 10_000, "loops", 0.2) }

func TestLoopsMayShareOneSocket(t *testing.T) {
	s := harness.Start(t, "-accept", "shared", "-workers", "3")
	for range 200 {
		status, _ := s.Get(t, "/")
		require.Equal(t, 200, status)
	}
	code, _, stderr := harness.Run(t, "-accept", "everybody")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "reuseport or shared")
}

// A small request costs a read and a write; a connection of its own, an accept and a
// close besides. One that is passed on costs that on both sides, and a look whether its connection
// has said something that nobody asked for. All else is paid for once for many.
func TestSystemCalls(t *testing.T) {
	const requests = 1000
	keepAlive, fresh := []string{}, []string{"-disable-keepalive"}
	for _, tt := range []struct {
		name     string
		flags    []string
		passesOn bool
		want     map[string]float64
	}{
		{"kept alive", keepAlive, false, map[string]float64{"read": 1, "sendto": 1, "epoll_ctl": 0, "accept4": 0, "close": 0}},
		{"a new connection each", fresh, false, map[string]float64{"read": 1, "sendto": 1, "epoll_ctl": 0, "accept4": 1, "close": 1}},
		{"passed on", keepAlive, true, map[string]float64{"read": 2, "sendto": 2, "recvfrom": 1, "epoll_ctl": 0, "close": 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"-workers", "1", "-max-requests", "0"}
			if tt.passesOn {
				behind := harness.Start(t, append(args, "-host", "*")...)
				args = append(args, "-proxy", "/=http://"+behind.Addr)
			}
			s := harness.Start(t, args...)
			s.Get(t, "/about.html")
			calls := s.CountSystemCalls(t, func() {
				hey := append([]string{"tool", "hey", "-n", fmt.Sprint(requests), "-c", "20"}, tt.flags...)
				out, err := exec.Command("go", append(hey, s.URL("/about.html"))...).CombinedOutput()
				require.NoError(t, err)
				require.Contains(t, string(out), fmt.Sprintf("[200]\t%d responses", requests))
			})
			for call, each := range tt.want {
				require.InDelta(t, each, float64(calls[call])/requests, 0.15, "%s a request: %v", call, calls)
			}
		})
	}
}
