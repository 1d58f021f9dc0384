//go:build darwin || freebsd

package app

// reapOrphans does nothing: there are no containers with a first process of their own.
func reapOrphans() {}
