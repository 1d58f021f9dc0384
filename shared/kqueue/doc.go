// Package kqueue is the poller of stage 3's loop on systems that have kqueue(2) and no epoll(7).
//
// A poller is these few functions, implemented with the system's own poller. There is one
// implementation for each system, and no interface: the loop calls its own directly. Epoll's is
// stage3-epoll/loop/poller_linux.go.
//
//	Open() error                       make it, with something to be woken by
//	Close()                            close it
//	AddListener(fd, gen) error         watch a listening socket, which others may watch too
//	Set(fd, gen, was, want) error      watch a connection's socket for this and for hang-ups
//	Remove(fd)                         watch a descriptor no longer
//	Look(events, milliseconds) int     wait for a moment at most, unseen by Go's scheduler
//	Wait(events, milliseconds) int     wait for something to be ready; -1 waits for ever
//	Wake()                             end a wait, from any thread
//
// An event has a descriptor, its generation, and whether to read: an error or a hang-up counts as
// readable, because the next read reports it. HungUp is for sockets that are not read: the peer has
// gone, and has not only ended its sending direction.
//
// A Poller belongs to the loop's thread; only Wake may be called from elsewhere, until Close. What
// must not be done: an event must not be used before its generation is compared, since its
// descriptor may be another socket's by now. One socket must not have two turns because both of its
// filters were reported.
package kqueue
