//go:build darwin || freebsd

package loop

import "fourways/shared/kqueue"

// Where there is no epoll(7), a poller is kqueue(2).
type (
	poller = kqueue.Poller
	event  = kqueue.Event
)
