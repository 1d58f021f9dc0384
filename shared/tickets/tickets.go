// Package tickets has the keys of session tickets (RFC 8446 4.6.1, RFC 5077): the keys by which a
// client's session is resumed, whichever process it lands in.
//
// They lie in a [Ring], a region of memory that all processes of a server share. One process, its
// owner, publishes a new key each day; all of them look every now and then which keys there are. A
// new key is in the region for a minute before anybody encrypts by it, so that there is no ticket
// yet that a process which has not looked could not read. An old one stays for a week after the
// next has taken its place, since that is how long a ticket lives. Instead of a Ring, a file may
// have the keys, for servers on several machines ([Parse]).
//
// A slot of the region is written by whoever has claimed it, and the claim is its time: if that
// process is killed, the claim lapses. So there is no lock that it could keep. A sum tells a key
// that is whole from one that two processes have written to. Readers write nothing.
//
// What must not be done: a key must not be written anywhere else, nor shown; whoever has it can
// read the sessions of TLS 1.2 that were resumed by it, and feign the server to clients that
// resume.
package tickets

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"
)

const (
	// Rotation is how long a key encrypts.
	Rotation = 24 * time.Hour
	// Lifetime is how long a ticket can be used: the most that RFC 8446 4.6.1 allows, and what
	// crypto/tls gives it.
	Lifetime = 7 * 24 * time.Hour
	// Lead is how long a new key is known before it encrypts.
	Lead = time.Minute
	// Look is how often a process is to look for new keys: well within Lead.
	Look = 20 * time.Second

	// slots is room for the keys of Lifetime, the current one, the next, and some more for a clock
	// that was set.
	slots = 16
	// claimTime is how long a slot may be claimed. To write one takes microseconds.
	claimTime = 10 * time.Second
)

// Key is what crypto/tls makes its keys of.
type Key = [32]byte

// slot is one key. All of it is zero at first.
type slot struct {
	from atomic.Int64 // when it begins to encrypt, in ns since 1970; 0 for no key; negative for when it was claimed
	key  [4]atomic.Uint64
	sum  atomic.Uint64 // of all that
	_    [2]uint64     // a line of the processor's cache to itself
}

// Size is the size of the region, in bytes.
const Size = slots * int(unsafe.Sizeof(slot{}))

// Ring is the keys in a region. It is safe for concurrent use, by all processes that share it.
type Ring struct{ slots *[slots]slot }

// ErrRegion is the error of memory that is no region for a Ring.
var ErrRegion = errors.New("tickets: not a region of the right size, aligned to 8 bytes")

// Open takes a region, whose other processes may be at work. A new one is zero.
func Open(region []byte) (*Ring, error) {
	memory := unsafe.Pointer(unsafe.SliceData(region))
	if len(region) < Size || uintptr(memory)%unsafe.Alignof(slot{}) != 0 {
		return nil, ErrRegion
	}
	return &Ring{(*[slots]slot)(memory)}, nil
}

// dated is a key as it was found, with when it begins to encrypt.
type dated struct {
	key  Key
	from int64
}

// Keys is the keys at a moment: the first encrypts, all of them decrypt. There are none before the
// owner has made the first.
func (r *Ring) Keys(now time.Time) (keys []Key) {
	all := r.valid(now)
	// The newest that has begun encrypts. Where none has, because the clock was set back, all
	// processes agree on the one that begins first.
	first := len(all) - 1
	for first > 0 && all[first].from > now.UnixNano() {
		first--
	}
	for i, k := range all {
		if i == first {
			keys = slices.Insert(keys, 0, k.key)
		} else {
			keys = append(keys, k.key)
		}
	}
	return keys
}

// Rotate publishes a new key, if it is time for one. The owner calls it, now and then, and before
// anything is served. Where several do so at once there may be a key more than is needed.
func (r *Ring) Rotate(now time.Time) {
	all := r.valid(now)
	current := slices.DeleteFunc(slices.Clone(all), func(k dated) bool { return k.from > now.Add(Lead).UnixNano() })
	switch {
	case len(all) == 0: // nobody could have a ticket, so nobody has to know this one first
		r.publish(now, now)
	case len(current) == 0, current[len(current)-1].from <= now.Add(Lead-Rotation).UnixNano():
		r.publish(now, now.Add(Lead))
	}
}

// valid is all keys by which there may be tickets, in the order in which they begin to encrypt.
func (r *Ring) valid(now time.Time) (all []dated) {
	for i := range r.slots {
		if k, ok := r.slots[i].load(); ok {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b dated) int {
		return cmp.Or(cmp.Compare(a.from, b.from), bytes.Compare(a.key[:], b.key[:]))
	})
	over := now.Add(-Lifetime).UnixNano()
	for len(all) > 1 && all[1].from < over { // the next took its place that long ago
		all = all[1:]
	}
	return all
}

// publish puts a new key into the slot that is needed least.
func (r *Ring) publish(now, from time.Time) {
	var key Key
	rand.Read(key[:]) // never fails, says its documentation
	for {
		s, was := r.spare(now)
		if s == nil {
			return // all are claimed: others are about to publish
		}
		claim := -now.UnixNano()
		if s.from.CompareAndSwap(was, claim) {
			s.store(dated{key, from.UnixNano()}, claim)
			return
		}
	}
}

// spare is the slot that is needed least, with what it is claimed by: one without a key, else that
// whose key would encrypt latest of all if the clock was set back so far that it is of no use, else
// the oldest. It is nil where all are claimed.
func (r *Ring) spare(now time.Time) (least *slot, was int64) {
	best := int64(0)
	for i := range r.slots {
		s := &r.slots[i]
		from := s.from.Load()
		need := from
		switch _, whole := s.load(); {
		case from < 0 && now.UnixNano()+from < int64(claimTime) && now.UnixNano()+from > -int64(claimTime):
			continue // somebody writes
		case !whole:
			need = 0
		case from > now.Add(Lead+Rotation).UnixNano():
			need = 1
		}
		if least == nil || need < best {
			least, was, best = s, from, need
		}
	}
	return least, was
}

// load is the key, if it is whole.
func (s *slot) load() (k dated, ok bool) {
	k.from = s.from.Load()
	if k.from <= 0 {
		return k, false
	}
	for i := range s.key {
		binary.LittleEndian.PutUint64(k.key[8*i:], s.key[i].Load())
	}
	return k, s.sum.Load() == k.sum() && s.from.Load() == k.from
}

// store puts a key into a slot that was claimed so.
func (s *slot) store(k dated, claim int64) {
	for i := range s.key {
		s.key[i].Store(binary.LittleEndian.Uint64(k.key[8*i:]))
	}
	s.sum.Store(k.sum())
	s.from.CompareAndSwap(claim, k.from) // or the claim has lapsed, and another has the slot
}

// sum tells a whole key from a torn one. It tells nothing of the key.
func (k dated) sum() uint64 {
	var all [8 + len(k.key)]byte
	binary.LittleEndian.PutUint64(all[:], uint64(k.from))
	copy(all[8:], k.key[:])
	digest := sha256.Sum256(all[:])
	return binary.LittleEndian.Uint64(digest[:])
}
