package loop

// interest is what the poller watches a connection's socket for.
type interest uint8

const (
	forNothing interest = iota // the poller does not know the socket
	forRead
	forWrite
)

// A poller is these few functions over the system's own. There is one implementation for
// each system, and no interface: the loop calls them directly.
//
//	open() error                       make it, with a descriptor to be woken by
//	close()                            let go of it
//	addListener(fd) error              watch a listening socket, which others may watch too
//	set(c, interest) error             watch a connection's socket for this and nothing else
//	remove(fd)                         watch a descriptor no longer
//	look(events) int                   report what is ready, without waiting
//	wait(events, milliseconds) int     wait for something to be ready; -1 waits for ever
//	wake()                             end a wait, from any thread
//
// An event tells its descriptor, its generation, and whether reading makes sense: an error
// or a hang-up counts as readable, because the next read finds out about it.
