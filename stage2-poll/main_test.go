package main

import (
	"testing"

	"fourways/tests/behaviour"
)

func TestMain(m *testing.M) { behaviour.Main(m, "stage2-poll") }

func TestConformance(t *testing.T) { behaviour.Conformance(t) }

func TestBehaviour(t *testing.T) { behaviour.All(t) }

func TestAttacks(t *testing.T) { behaviour.Attacks(t) }

func BenchmarkAttacks(b *testing.B) { behaviour.AttackRatios(b) }

func TestMany(t *testing.T) { behaviour.Many(t, 10_000, "runners", 0.1) }
