package machinetest

// Pipes in memory: what is in one has left its socket and is in no chain's memory yet.
//
// They are those of a Driver, which counts them. What must not be done: a pipe that was given back
// must not be used, nor be filled while there is something in it; both panic.

import (
	"golang.org/x/sys/unix"

	"fourways/shared/chain"
)

// Pipes lends a driver's pipes ([chain.Pipes]).
type Pipes struct {
	Most    int // at once
	Lent    int
	Filled  int   // how often one was filled
	Moved   int64 // bytes that were poured into sockets, and not read into memory
	Drained int64 // bytes that were read into memory
	Spoilt  int   // given back with something in them
	d       *Driver
}

// Pipe is one of them.
type Pipe struct {
	of   *Pipes
	data []byte
	over bool
}

// Pipes makes so many pipes for the driver's machines.
func (d *Driver) Pipes(most int) *Pipes { return &Pipes{Most: most, d: d} }

// Get lends one, or nil.
func (s *Pipes) Get() chain.Pipe {
	if s.Lent == s.Most {
		return nil
	}
	s.Lent++
	return &Pipe{of: s}
}

// Fill takes what has come at a socket.
func (p *Pipe) Fill(fd int, n int64) (int64, error) {
	p.use()
	if len(p.data) > 0 {
		panic("machinetest: a pipe is filled that is not empty")
	}
	s := p.of.d.at(fd)
	for len(s.in) > 0 && n > 0 {
		buf := make([]byte, n)
		got, _ := p.of.d.Read(fd, buf)
		p.data = append(p.data, buf[:got]...)
		n -= int64(got)
	}
	switch {
	case len(p.data) > 0:
		p.of.Filled++
		return int64(len(p.data)), nil
	case s.broken:
		return 0, unix.ECONNRESET
	case s.eof:
		return 0, nil
	}
	return 0, unix.EAGAIN
}

// Pour gives bytes to a socket's peer.
func (p *Pipe) Pour(fd int, n int64) (int64, error) {
	p.use()
	s := p.of.d.at(fd)
	if s.Room >= 0 {
		n = min(n, s.Room)
		s.Room -= n
	}
	if n == 0 {
		return 0, unix.EAGAIN
	}
	s.Got = append(s.Got, p.data[:n]...)
	p.data = p.data[n:]
	p.of.Moved += n
	return n, nil
}

// Read takes bytes out.
func (p *Pipe) Read(b []byte) (int, error) {
	p.use()
	n := copy(b, p.data)
	p.data = p.data[n:]
	p.of.Drained += int64(n)
	return n, nil
}

// Release gives it back.
func (p *Pipe) Release() {
	p.use()
	p.over = true
	p.of.Lent--
	if len(p.data) > 0 {
		p.of.Spoilt++
	}
}

func (p *Pipe) use() {
	if p.over {
		panic("machinetest: a pipe is used that was given back")
	}
}
