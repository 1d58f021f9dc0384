package main

// table has a runner's sockets by descriptor. Each runner has its own: a machine may be nudged by
// the number of a descriptor that is closed by now, and another runner may have that number. It
// comes in pages, which are made when they are needed: a slice that grows leaves another one behind
// each time.
type table []*[pageSize]*socket

const pageSize = 512 // sockets, 4 KiB

// get is the socket of a descriptor, nil where there is none.
func (t table) get(fd int) *socket {
	if page := fd / pageSize; fd >= 0 && page < len(t) && t[page] != nil {
		return t[page][fd%pageSize]
	}
	return nil
}

func (t *table) set(fd int, s *socket) {
	page := fd / pageSize
	for page >= len(*t) {
		*t = append(*t, nil)
	}
	if (*t)[page] == nil {
		(*t)[page] = new([pageSize]*socket)
	}
	(*t)[page][fd%pageSize] = s
}
