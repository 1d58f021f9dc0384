package filecache

// ring is a doubly linked list of entries, the one used last in front. The links are
// in the entries, so moving one allocates nothing.
type ring struct {
	head Entry // its next is the first, its prev the last
	n    int
}

func (r *ring) init() { r.head.next, r.head.prev = &r.head, &r.head }

func (r *ring) push(e *Entry) {
	e.prev, e.next = &r.head, r.head.next
	e.prev.next, e.next.prev = e, e
	r.n++
}

func (r *ring) cut(e *Entry) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
	r.n--
}

func (r *ring) toFront(e *Entry) {
	if e.next == nil || r.head.next == e {
		return // the cache has let it go, or it is there
	}
	r.cut(e)
	r.push(e)
}

func (r *ring) last() *Entry { return r.head.prev }
