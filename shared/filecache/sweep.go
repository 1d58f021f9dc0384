package filecache

import (
	"fourways/shared/clock"
	"fourways/shared/sysnet"
)

// unusedFor is how long a descriptor is kept that nobody asks for.
const unusedFor = 60 * clock.Second

// Sweep closes descriptors that are kept for nothing. A file that was removed keeps its room on
// the disk as long as anybody has it open; and one that is open keeps its file system from being
// unmounted. So it lets go of files that have no name any more, and of those that nobody has asked
// for in a minute. Who is downloading one keeps it to the end.
//
// It is called about once a second, and not on an event loop: to close a file that was removed is
// to give its room back, and takes as long.
func (c *Cache) Sweep(now clock.Time) {
	for _, e := range c.opened() {
		nameless := e.nameless()
		c.mu.Lock()
		if kept := e.next != nil; kept && (nameless || now-e.looked() >= unusedFor) {
			c.remove(e)
		}
		c.mu.Unlock()
		e.Release()
	}
}

// opened is the entries with a descriptor that are kept, each with a reference for the caller.
func (c *Cache) opened() (list []*Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.files.head.next; e != &c.files.head; e = e.next {
		e.Retain()
		list = append(list, e)
	}
	return list
}

// looked is when the entry's file was last asked for, to within a second: it is looked at again at
// most that often. The caller holds the cache's lock.
func (e *Entry) looked() clock.Time {
	if e.of != nil {
		return e.of.checked
	}
	return e.checked
}

// nameless reports whether no name leads to the file any more: it was removed, or another one was
// renamed over it.
func (e *Entry) nameless() bool {
	var now sysnet.Stat
	return sysnet.Glance(e.fd, &now) != nil || now.Links == 0
}
