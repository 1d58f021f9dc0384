package limiter

import (
	"encoding/binary"
	"math/bits"
)

// siphash is SipHash-2-4 (Aumasson and Bernstein, 2012) of an address: short, and of no use to
// choose collisions with for anybody who has not the key. hash/maphash would be faster, but its
// seed cannot leave the process, and the processes that share a region must agree.
func siphash(key [2]uint64, msg [16]byte) uint64 {
	const (
		compress = 2 // rounds for each word
		finalize = 4 // rounds at the end
	)
	s := sipState{
		key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
		key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573,
	}
	words := [...]uint64{
		binary.LittleEndian.Uint64(msg[:8]), binary.LittleEndian.Uint64(msg[8:]),
		uint64(len(msg)) << 56, // the last word: no bytes left over, and the length on top
	}
	for _, w := range words {
		s[3] ^= w
		s.rounds(compress)
		s[0] ^= w
	}
	s[2] ^= 0xff
	s.rounds(finalize)
	return s[0] ^ s[1] ^ s[2] ^ s[3]
}

type sipState [4]uint64

func (s *sipState) rounds(n int) {
	a, b, c, d := s[0], s[1], s[2], s[3]
	for range n {
		a += b
		b = bits.RotateLeft64(b, 13) ^ a
		a = bits.RotateLeft64(a, 32)
		c += d
		d = bits.RotateLeft64(d, 16) ^ c
		a += d
		d = bits.RotateLeft64(d, 21) ^ a
		c += b
		b = bits.RotateLeft64(b, 17) ^ c
		c = bits.RotateLeft64(c, 32)
	}
	s[0], s[1], s[2], s[3] = a, b, c, d
}
