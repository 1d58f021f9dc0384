package limiter

// The ledger: what a process notes of the connections it has counted, so that they can be
// taken off the counts when it was killed.
//
// A ledger is words of memory that outlive the process, one for each connection it may
// have. A word is the connection's Ticket, or zero. Between counting and noting a process
// can be killed, whichever comes first; so the note comes first, and is erased last. Then
// what can go wrong is that one connection is taken off that was not counted, or twice:
// its client may have one more than the limit until it has closed its others, for a count
// never falls below zero. The other order could lock a client out for good.

import (
	"net/netip"
	"sync/atomic"
	"unsafe"
)

// AcceptNoted is Accept for a process that may be killed: note holds the Ticket from
// before the connection is counted. Nil for no note. For a client that nothing here is
// for, nothing is noted.
func (t *Table) AcceptNoted(addr netip.Addr, now int64, note *atomic.Uint64) Verdict {
	if note == nil {
		return t.Accept(addr, now)
	}
	id, ok := t.identify(addr)
	if !ok {
		return Verdict{}
	}
	note.Store(uint64(id))
	v := t.accept(id, now)
	if v.Ticket == 0 {
		note.Store(0)
	}
	return v
}

// ReleaseNoted is Release for a connection that AcceptNoted counted.
func (t *Table) ReleaseNoted(ticket Ticket, note *atomic.Uint64) {
	t.Release(ticket)
	if ticket != 0 && note != nil {
		note.Store(0)
	}
}

// Reclaim releases what a dead process has noted and returns how much that was.
func (t *Table) Reclaim(ledger []atomic.Uint64) (n int) {
	for i := range ledger {
		if ticket := ledger[i].Swap(0); ticket != 0 {
			t.Release(Ticket(ticket))
			n++
		}
	}
	return n
}

// wordSize is the size of a ledger's word, in bytes.
const wordSize = 8

// LedgersSize is the size of a region with a ledger for each of so many processes, in which so many
// connections have room.
func LedgersSize(processes, conns int) int { return processes * conns * wordSize }

// LedgerOf is the ledger of the i-th of so many processes in a region of LedgersSize, which is
// aligned to 8 bytes.
func LedgerOf(region []byte, processes, i int) []atomic.Uint64 {
	all := unsafe.Slice((*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(region))), len(region)/wordSize)
	each := len(all) / processes
	return all[i*each : (i+1)*each]
}
