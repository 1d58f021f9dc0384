package upstream

// Where a target's name led last, for whoever comes to have the target later: a process that
// replaces another one, or the next settings. While no name server answers they go by it.
//
// All processes of the server share it, in the target's row, and each writes what it has found.
// What must not be done: what two have written at once, or one that was killed meanwhile, is not to
// be believed. So there is a sum, which then does not fit.

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync/atomic"

	"fourways/shared/sysnet"
)

// maxPlaces is how many addresses of a name are remembered.
const maxPlaces = 8

// place is the addresses of a name, of 16 bytes each; zeros for none.
type place struct {
	words [2 * maxPlaces]atomic.Uint64
	sum   atomic.Uint64
	_     [7]uint64
}

// remember notes where the name leads.
func (p *place) remember(ips []netip.Addr) {
	var words [2 * maxPlaces]uint64
	for i, ip := range ips[:min(len(ips), maxPlaces)] {
		b := ip.As16()
		words[2*i], words[2*i+1] = binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])
	}
	for i, w := range words {
		p.words[i].Store(w)
	}
	p.sum.Store(sumOf(&words))
}

// remembered is where the name led last, as far as is known.
func (p *place) remembered(port uint16) (addrs []sysnet.Addr) {
	var words [2 * maxPlaces]uint64
	for i := range words {
		words[i] = p.words[i].Load()
	}
	if p.sum.Load() != sumOf(&words) {
		return nil
	}
	for i := 0; i < len(words) && words[i]|words[i+1] != 0; i += 2 {
		var b [16]byte
		binary.BigEndian.PutUint64(b[:], words[i])
		binary.BigEndian.PutUint64(b[8:], words[i+1])
		addrs = append(addrs, sysnet.Addr{IP: netip.AddrPortFrom(netip.AddrFrom16(b).Unmap(), port)})
	}
	return addrs
}

// sumOf is an FNV-1a of the words.
func sumOf(words *[2 * maxPlaces]uint64) uint64 {
	sum := uint64(14695981039346656037)
	for _, w := range words {
		sum = (sum ^ w) * 1099511628211
	}
	return sum
}

// lookUp asks for the addresses of the target's name, and remembers them.
func (s *State) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	ips, err := s.set.opt.lookup(ctx, host)
	if err == nil && len(ips) > 0 {
		s.row.place.remember(ips)
	}
	return ips, err
}
