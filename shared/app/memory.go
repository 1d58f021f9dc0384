package app

// What the processes of one server share: the counters with the entries of the processes, the table
// of clients, the ledgers, the count of uploads, the keys of session tickets, and what is known of
// the servers behind this one. Only integers lie there; see the packages that lay them out.
//
// A Memory belongs to one goroutine. A region belongs to no process, and exists as long as any
// process has it open. What must not be done: a region must not change its place in the list while
// a program of the old order may hand over to one of the new.

import (
	"errors"
	"sync/atomic"

	"fourways/shared/limiter"
	"fourways/shared/shm"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
	"fourways/shared/tickets"
	"fourways/shared/upstream"
)

// Names of the regions that the processes of a server share.
const (
	StatsMemory   = "stats"
	ClientsMemory = "clients"
	ledgersMemory = "ledgers"
	UploadsMemory = "uploads"
)

// regions are those names, in the order of the descriptors at which processes inherit them.
var regions = [MemoryFiles]string{StatsMemory, ClientsMemory, ledgersMemory, UploadsMemory, TicketsMemory, UpstreamsMemory}

// MemoryFiles is how many descriptors a Memory is passed by.
const MemoryFiles = 6

// maxLedger is up to which descriptor the connections of a process can be noted. Those with
// higher ones, of which there can only be any where more files may be open, stay on their
// clients' counts when the process is killed.
const maxLedger = 1 << 17

// Memory is all regions, for at most Processes processes. The first process makes each region when
// it is asked for.
type Memory struct {
	shm.Set
	Processes int
}

// Inherit maps what another process has made, whose descriptors came under the numbers from first
// on.
func (m *Memory) Inherit(first int) error {
	for i, name := range regions {
		if err := m.Set.Inherit(name, first+i); err != nil {
			return err
		}
	}
	return nil
}

// Files is the regions' descriptors, for a child.
func (m *Memory) Files() (fds []int) {
	for _, name := range regions {
		fds = append(fds, m.FD(name))
	}
	return fds
}

// makeLedgers makes room to note the connections of each process, by all descriptors that it may
// have open, unless it is there.
func (m *Memory) makeLedgers() error {
	files, err := sysnet.RaiseFileLimit()
	if err != nil {
		return err
	}
	_, err = m.Get(ledgersMemory, limiter.LedgersSize(m.Processes, int(min(files, maxLedger))))
	return err
}

// LedgerOf is a process's ledger.
func (m *Memory) LedgerOf(process int) []atomic.Uint64 {
	region, _ := m.Get(ledgersMemory, 0) // it is there
	return limiter.LedgerOf(region, m.Processes, process)
}

// OtherLayout reports whether an error of Open says that the memory was laid out by a different
// version of the program.
func OtherLayout(err error) bool {
	return errors.Is(err, stats.ErrRegion) || errors.Is(err, limiter.ErrRegion) || errors.Is(err, tickets.ErrRegion) || errors.Is(err, upstream.ErrRegion)
}
