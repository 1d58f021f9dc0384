package app

// How loops share the listening sockets: the flag -accept of stages whose loops accept for
// themselves.

import (
	"errors"
	"fmt"

	"fourways/shared/config"
)

// Accept is how the event loops of one server share the work of accepting.
type Accept uint8

const (
	// OwnSocket: each loop listens on a socket of its own (SO_REUSEPORT, socket(7)), and the kernel
	// deals connections out evenly by their addresses. If a loop hangs, the connections dealt to it
	// wait.
	OwnSocket Accept = iota
	// SharedSocket: all loops listen on one socket, and a loop that is free takes the next
	// connection (EPOLLEXCLUSIVE, epoll_ctl(2)). The load is less even.
	SharedSocket
)

func (a Accept) String() string {
	return [...]string{"reuseport", "shared"}[a]
}

// Set takes a flag's value.
func (a *Accept) Set(value string) error {
	for _, choice := range []Accept{OwnSocket, SharedSocket} {
		if value == choice.String() {
			*a = choice
			return nil
		}
	}
	return errors.New("give reuseport or shared")
}

// Flag is the flag that sets it. Its present value is the default, and each is what the stage calls
// one of its loops in the help text.
func (a *Accept) Flag(each string) config.Flag {
	return config.Flag{
		Name: "accept", Unit: "reuseport|shared", Default: a.String(),
		Help: fmt.Sprintf("whether each %s listens on a socket of its own or all share one", each),
		Set:  a.Set,
	}
}

// Sockets is a [Stage]'s, in a stage that has a loop for each of its workers.
func (a *Accept) Sockets(c *config.Config) int {
	if *a == OwnSocket {
		return c.Workers
	}
	return 0
}
