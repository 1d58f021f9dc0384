//go:build !skeleton

// Package table remembers clients by their addresses, and never more than it has room for.
//
// A client is in one of two lists: free ones in the order in which they were seen, banned ones
// apart, so that no search passes them again and again.
package table

import (
	"container/list"
	"net/netip"
	"time"
)

// Client is what is known of one.
type Client struct {
	Requests int
	Banned   time.Time // until when

	key  netip.Addr
	self *list.Element
	jail bool // it is in the table's jail, and not in its order
}

// Table is the clients.
type Table struct {
	room    int
	clients map[netip.Addr]*Client
	order   list.List // those who are free; who was seen last is in front
	jail    list.List // those whose ban was noticed when they were to make room
}

// prefix is how many bits of an IPv6 address tell clients apart.
const prefix = 64

// New makes a table with room for so many.
func New(room int) *Table { return &Table{room: room, clients: map[netip.Addr]*Client{}} }

// See is the entry of a client who has just come, new if it was not there, or nil where there is no
// room.
func (t *Table) See(addr netip.Addr, now time.Time) *Client {
	key := keyOf(addr)
	if c := t.clients[key]; c != nil {
		if !c.jail {
			t.order.MoveToFront(c.self)
		}
		return c
	}
	if len(t.clients) >= t.room && !t.makeRoom(now) {
		return nil
	}
	c := &Client{key: key}
	c.self = t.order.PushFront(c)
	t.clients[key] = c
	return c
}

// makeRoom lets go of the client that was seen the longest time ago. Each one that is banned is
// passed once, and put where it does not stand in the way of the next search.
func (t *Table) makeRoom(now time.Time) bool {
	for e := t.order.Back(); e != nil; e = t.order.Back() {
		c := t.order.Remove(e).(*Client)
		if !c.Banned.After(now) {
			delete(t.clients, c.key)
			return true
		}
		c.jail, c.self = true, t.jail.PushBack(c)
	}
	for e := t.jail.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*Client); !c.Banned.After(now) {
			t.jail.Remove(e)
			delete(t.clients, c.key)
			return true
		}
	}
	return false
}

// keyOf is what tells one client from another.
func keyOf(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	if addr.Is4() {
		return addr
	}
	return netip.PrefixFrom(addr, prefix).Masked().Addr()
}

// Len is how many are in it.
func (t *Table) Len() int { return len(t.clients) }
