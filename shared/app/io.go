package app

import (
	"errors"

	"fourways/shared/config"
)

// IO is how the event loops of a server wait.
type IO uint8

const (
	Epoll IO = iota // for sockets that are ready; where there is no epoll(7), by kqueue(2)
	Uring           // for what is done, by io_uring(7)
	Auto            // by io_uring where it can be used
)

func (o IO) String() string { return [...]string{"epoll", "uring", "auto"}[o] }

// Set takes a flag's value.
func (o *IO) Set(value string) error {
	for _, choice := range []IO{Epoll, Uring, Auto} {
		if value == choice.String() {
			*o = choice
			return nil
		}
	}
	return errors.New("give epoll, uring or auto")
}

// Flag is the flag that sets it. Its present value is the default.
func (o *IO) Flag() config.Flag {
	return config.Flag{
		Name: "io", Unit: "epoll|uring|auto", Default: o.String(),
		Help: "how the event loops wait: for what is ready (epoll), or for what is done (uring: io_uring, of Linux 6.1); auto is uring where the system lets them, and else epoll",
		Set:  o.Set,
	}
}
