//go:build linux

package main

import (
	"os"
	"strconv"
	"testing"

	"fourways/tests/behaviour"
)

func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv(holdVariable)); err == nil {
		hold(n)
		return
	}
	behaviour.Main(m, "stage4-prefork")
}

func TestConformance(t *testing.T) { behaviour.Conformance(t) }

func TestBehaviour(t *testing.T) { behaviour.All(t) }

func TestAttacks(t *testing.T) { behaviour.Attacks(t) }

func BenchmarkAttacks(b *testing.B) { behaviour.AttackRatios(b) }

// Who is awake accepts: where the machine is short of processors the shares differ, and only
// that nobody has all of them is sure.
func TestMany(t *testing.T) { behaviour.Many(t, 8_000, "workers", 1) }
