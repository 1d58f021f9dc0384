package main

import (
	"testing"

	"fourways/tests/behaviour"
)

func TestMain(m *testing.M) { behaviour.Main(m, "stage1-threadpool") }

func TestConformance(t *testing.T) { behaviour.Conformance(t) }

func TestConformanceOverTLS(t *testing.T) { behaviour.ConformanceOverTLS(t) }

func TestConformanceThroughAProxy(t *testing.T) { behaviour.ConformanceThroughAProxy(t) }

func TestBehaviour(t *testing.T) { behaviour.All(t) }

func TestBehaviourThroughAProxy(t *testing.T) { behaviour.Through(t) }

func TestAttacks(t *testing.T) { behaviour.Attacks(t) }

func BenchmarkAttacks(b *testing.B) { behaviour.AttackRatios(b) }
