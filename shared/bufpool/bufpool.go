// Package bufpool lends byte slices of one size.
//
// A pool belongs to one thread and takes no lock: a slice must come back on
// the thread it was taken on. The last one given back is lent first, because
// it is the one most likely still in the processor's cache.
package bufpool

// Pool lends slices of Size bytes.
type Pool struct {
	size int // bytes
	keep int // slices kept for reuse at most; more than that are left to the collector
	free [][]byte
	out  int // slices lent and not yet given back
}

// New makes a pool of slices of size bytes that keeps at most keep unused ones.
func New(size, keep int) *Pool { return &Pool{size: size, keep: keep} }

// Size is the length of each slice, in bytes.
func (p *Pool) Size() int { return p.size }

// Out is the number of slices lent and not yet given back.
func (p *Pool) Out() int { return p.out }

// Get lends a slice. Its contents are whatever the last borrower left.
func (p *Pool) Get() []byte {
	p.out++
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		return b
	}
	return make([]byte, p.size)
}

// Put takes back a slice that Get lent. It panics on any other.
func (p *Pool) Put(b []byte) {
	if cap(b) != p.size {
		panic("bufpool: a slice of another size was given back")
	}
	p.out--
	if len(p.free) < p.keep {
		p.free = append(p.free, b[:p.size])
	}
}
