//go:build linux

package main

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"fourways/shared/app"
	"fourways/shared/shm"
)

// memory is what the processes share: the counters with the entries of the processes, the
// table of clients, and the ledgers. Only integers lie there; see the packages that lay
// them out. It belongs to nobody: it is there as long as any process has it.
type memory struct {
	regions map[string]*shm.Region
	ledger  int // words of each process's ledger
}

// ledgersMemory is the third region's name, beside those that package app names.
const ledgersMemory = "ledgers"

// wordSize is the size of a ledger's word, in bytes.
const wordSize = 8

// maxLedger is up to which descriptor the connections of a process can be noted. Those with
// higher ones, of which there can only be any where more files may be open, stay on their
// clients' counts when the process is killed.
const maxLedger = 1 << 17

// slots are the regions' names, and the descriptors at which processes inherit them.
var slots = []struct {
	name string
	fd   int
}{
	{app.StatsMemory, fdStats},
	{app.ClientsMemory, fdClients},
	{ledgersMemory, fdLedgers},
}

// newMemory is for a first master: the regions are made when they are asked for.
func newMemory() *memory { return &memory{regions: map[string]*shm.Region{}} }

// inheritMemory maps what another process has made.
func inheritMemory() (*memory, error) {
	m := newMemory()
	for _, s := range slots {
		region, err := attach(s.fd)
		if err != nil {
			return nil, fmt.Errorf("inherited memory for %s: %w", s.name, err)
		}
		m.regions[s.name] = region
	}
	m.measure()
	return m, nil
}

// get is the region of that name. One that is there stays as large as it is: the others
// have it mapped.
func (m *memory) get(name string, size int) ([]byte, error) {
	if region := m.regions[name]; region != nil {
		return region.Bytes(), nil
	}
	region, err := shm.Create("fourways-"+name, size)
	if err != nil {
		return nil, err
	}
	m.regions[name] = region
	return region.Bytes(), nil
}

// makeLedgers makes room to note the connections with so many descriptors of each process,
// unless it is there.
func (m *memory) makeLedgers(descriptors int) error {
	_, err := m.get(ledgersMemory, maxProcesses*descriptors*wordSize)
	m.measure()
	return err
}

func (m *memory) measure() {
	if region := m.regions[ledgersMemory]; region != nil {
		m.ledger = len(region.Bytes()) / wordSize / maxProcesses
	}
}

// ledgerOf is a process's ledger.
func (m *memory) ledgerOf(process int) []atomic.Uint64 {
	all := m.regions[ledgersMemory].Bytes()
	words := unsafe.Slice((*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(all))), len(all)/wordSize)
	return words[process*m.ledger : (process+1)*m.ledger]
}

// pass adds the regions' descriptors to those that a child gets.
func (m *memory) pass(fds *passed) {
	for _, s := range slots {
		fds[s.fd-fdLifeline] = int(m.regions[s.name].File().Fd())
	}
}

// close unmaps the memory.
func (m *memory) close() {
	for _, region := range m.regions {
		region.Close()
	}
	clear(m.regions)
}
