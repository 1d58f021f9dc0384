//go:build skeleton

// Package table remembers clients by their addresses, and never more than it has room for.
//
// A map that has an entry for each address that ever came grows as an attacker likes, and one IPv6
// network has more addresses than you have memory. So IPv6 clients are told apart by their first
// 64 bits, an IPv4 address in IPv6's form is that IPv4 address, and the table is bounded. When it
// is full, the client that was seen the longest time ago makes room, in constant time. But a
// banned one must not be freed of its ban by a flood of new addresses: it stays until its ban is
// over, and where the table is full of banned ones, a new client gets no entry.
package table

import (
	"net/netip"
	"time"
)

// Client is what is known of one.
type Client struct {
	Requests int
	Banned   time.Time // until when

	// yours
}

// Table is the clients.
type Table struct {
	// yours
}

// New makes a table with room for so many.
func New(room int) *Table { return &Table{} }

// See is the entry of a client who has just come, new if it was not there, or nil where there is no
// room.
func (t *Table) See(addr netip.Addr, now time.Time) *Client { return nil }

// Len is how many are in it.
func (t *Table) Len() int { return -1 }
