package limiter

import (
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheLedgerHoldsWhatIsCounted(t *testing.T) {
	cfg := small() // two connections of a client
	cfg.Exempt = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	table := newTable(t, 64, cfg)
	ledger := make([]atomic.Uint64, 4)
	a := ip("192.0.2.1")

	first := table.AcceptNoted(a, 0, &ledger[0])
	second := table.AcceptNoted(a, 0, &ledger[1])
	require.Equal(t, uint64(first.Ticket), ledger[0].Load())
	require.Equal(t, uint64(second.Ticket), ledger[1].Load())
	require.Equal(t, TooManyConnections, table.AcceptNoted(a, 0, &ledger[2]).Kind)
	require.Zero(t, ledger[2].Load(), "who is turned away is not noted")
	require.Equal(t, Verdict{}, table.AcceptNoted(ip("127.0.0.1"), 0, &ledger[3]))
	require.Zero(t, ledger[3].Load(), "nor who is exempt")

	table.ReleaseNoted(first.Ticket, &ledger[0])
	require.Zero(t, ledger[0].Load())
	require.Equal(t, 1, table.Reclaim(ledger), "the other one, of a process that died")
	require.Zero(t, table.Reclaim(ledger), "and only once")
	for range cfg.MaxConns {
		assert.Equal(t, Allowed, table.Accept(a, 0).Kind)
	}
	assert.Equal(t, TooManyConnections, table.Accept(a, 0).Kind, "the counts are exact again")
}

// A process is killed between noting and counting, or between releasing and erasing:
// nobody is locked out by it, and once the client has gone the count is right.
func TestANoteWithoutAConnectionLocksNobodyOut(t *testing.T) {
	cfg := small()
	table := newTable(t, 64, cfg)
	a := ip("192.0.2.1")
	open := table.Accept(a, 0)
	ledger := make([]atomic.Uint64, 1)
	ledger[0].Store(uint64(open.Ticket)) // a second one, noted and not counted
	table.Reclaim(ledger)
	table.Release(open.Ticket)
	for range cfg.MaxConns {
		assert.Equal(t, Allowed, table.Accept(a, 0).Kind)
	}
	assert.Equal(t, TooManyConnections, table.Accept(a, 0).Kind)
}
