//go:build darwin || freebsd

package behaviour

import (
	"testing"

	"fourways/tests/harness"
)

// ownDescriptors is how many descriptors the server has open.
func ownDescriptors(t testing.TB, s *harness.Server) int { return s.Descriptors(t) }
