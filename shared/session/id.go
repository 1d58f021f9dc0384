package session

// idLen is the length of a request id: 16 hexadecimal digits.
const idLen = 16

// idMaker makes request ids from the thread's prefix and a counter. They need to be unique, not
// secret.
type idMaker struct {
	prefix uint32
	count  uint32
}

func (m *idMaker) next(b []byte) []byte {
	m.count++
	id := uint64(m.prefix)<<32 | uint64(m.count)
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[id>>shift&15])
	}
	return b
}
