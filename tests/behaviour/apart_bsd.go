//go:build darwin || freebsd

package behaviour

import (
	"testing"
	"time"

	"fourways/tests/harness"
)

const noPinning = "processes cannot be given processors of their own here"

// Main is harness.Main for a binary that can play a server behind a proxy too.
func Main(m *testing.M, stage string) {
	if !playsBackend() {
		harness.Main(m, stage)
	}
}

// AttackRatios skips the benchmark.
func AttackRatios(b *testing.B) { b.Skip(noPinning) }

func othersUsed(b *testing.B) time.Duration { b.Skip(noPinning); return 0 }

func serverApart(b *testing.B, _ ...string) *harness.Server { b.Skip(noPinning); return nil }

func crowdApart(b *testing.B, _ string, _ func(time.Duration, error)) func() {
	b.Skip(noPinning)
	return nil
}
