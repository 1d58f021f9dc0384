package loop

import "errors"

// Accept is how the loops of one server share the work of accepting.
type Accept uint8

const (
	// OwnSocket: each loop listens on a socket of its own (SO_REUSEPORT, socket(7)), and
	// the kernel deals connections out evenly by their addresses. A loop that stands still
	// keeps the connections dealt to it waiting.
	OwnSocket Accept = iota
	// SharedSocket: all loops listen on one socket, and whoever is free takes the next
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
