// Package timerwheel keeps the deadlines of many connections: to set, move or drop one takes the same few instructions
// whether there are ten or a million, and nothing is allocated.
//
// It is a hierarchical timing wheel (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987). Time is counted
// in ticks of a millisecond, and a tick's number is read as digits of base 64. A deadline stands on the level of the
// highest digit in which it differs from now, in the slot of that digit:
//
//	now      = … 0 | 12 | 33
//	deadline = … 0 | 12 | 40   level 0, slot 40: it is due in 7 ticks
//	deadline = … 0 | 15 |  2   level 1, slot 15: when now reaches 15|0 it goes down to level 0, slot 2
//
// So every occupied slot lies ahead of now, those of a lower level before those of a higher one, and the next slot is the
// lowest bit of the lowest level that has any.
//
// A Wheel belongs to one thread. A Node lies in the connection that it times; it must not be copied or freed while it is
// scheduled. Times are nanoseconds of one clock, never negative, and do not go back; the package asks no clock itself.
package timerwheel

import "math/bits"

// Tick is the resolution, in nanoseconds. A deadline is never early, and late by less than this beside what Advance is.
const Tick = 1_000_000

const (
	digitBits = 6
	slots     = 1 << digitBits // of each level: one bit each in a word
	levels    = 8              // 48 bits of ticks: every int64 of nanoseconds has a slot
	dueList   = levels * slots // the list behind those of the slots: what fires in this Advance
	noList    = -1
)

// Node is one deadline. Its zero value is ready.
type Node struct {
	Owner any // for whoever embeds the node; the wheel does not look at it

	next, prev *Node
	at         int64 // nanoseconds: the deadline
	tick       int64 // for which the node was placed; never after at
	list       int   // one more than the list it is in; 0 for none
}

// Wheel holds deadlines. Its zero value is an empty wheel at time 0.
type Wheel struct {
	now      int64          // tick; everything up to it has fired
	occupied [levels]uint64 // which slots have nodes
	heads    [levels*slots + 1]*Node
}

// Schedule sets the deadline of n, or moves it. To move one to a later time is two stores: the node stays where it is, and
// finds its new place when the old one comes up. So a connection may push out its timeout with every request. A deadline
// that has passed fires at the next tick.
func (w *Wheel) Schedule(n *Node, at int64) {
	n.at = at
	tick := ceil(at)
	if n.waits() && tick >= n.tick {
		return
	}
	w.Cancel(n)
	w.place(n, tick)
}

// Cancel drops the deadline of n, if it has one.
func (w *Wheel) Cancel(n *Node) {
	if n.list != 0 {
		w.unlink(n)
	}
}

// Advance calls fire for each node whose deadline is not after now, in no order. A node is out of the wheel when its turn
// comes; fire may schedule and cancel any node, this one too, and must not call Advance.
func (w *Wheel) Advance(now int64, fire func(*Node)) {
	target := now / Tick
	for {
		list, tick := w.first()
		if list == noList || tick > target {
			break
		}
		w.now = tick
		w.empty(list)
	}
	w.now = max(w.now, target)
	for n := w.heads[dueList]; n != nil; n = w.heads[dueList] {
		w.unlink(n)
		fire(n)
	}
}

// Next is how many nanoseconds after now the wheel wants its next Advance; false if nothing is scheduled, and then there
// is no reason to wake up. It is never too late. It may be early, because a slot of a higher level only begins there, or
// its nodes were moved to later: then Advance fires nothing, and Next knows better. From any one place a node goes down a
// level each time, so that is seldom.
func (w *Wheel) Next(now int64) (wait int64, ok bool) {
	list, tick := w.first()
	if list == noList {
		return 0, false
	}
	return max(0, tick*Tick-now), true
}

// first is the slot that comes up first, and the tick at which it begins.
func (w *Wheel) first() (list int, tick int64) {
	for level, occupied := range w.occupied {
		if occupied != 0 {
			slot := bits.TrailingZeros64(occupied)
			above := w.now >> ((level + 1) * digitBits)
			return level*slots + slot, (above<<digitBits | int64(slot)) << (level * digitBits)
		}
	}
	return noList, 0
}

// empty takes every node out of the slot that has come up: what is due goes to the list of those that fire, the others
// down to their next digit, or to where they were moved in the meantime.
func (w *Wheel) empty(list int) {
	for n := w.heads[list]; n != nil; n = w.heads[list] {
		w.unlink(n)
		if tick := ceil(n.at); tick > w.now {
			w.place(n, tick)
		} else {
			w.link(n, dueList)
		}
	}
}

// place puts n where tick belongs as seen from now.
func (w *Wheel) place(n *Node, tick int64) {
	n.tick = max(tick, w.now+1)
	level := (bits.Len64(uint64(n.tick^w.now)) - 1) / digitBits
	slot := int(n.tick>>(level*digitBits)) & (slots - 1)
	w.link(n, level*slots+slot)
}

func (w *Wheel) link(n *Node, list int) {
	head := w.heads[list]
	n.list, n.prev, n.next = list+1, nil, head
	if head != nil {
		head.prev = n
	}
	w.heads[list] = n
	if list != dueList {
		w.occupied[list/slots] |= 1 << (list % slots)
	}
}

func (w *Wheel) unlink(n *Node) {
	list := n.list - 1
	if n.next != nil {
		n.next.prev = n.prev
	}
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		w.heads[list] = n.next
	}
	n.list, n.prev, n.next = 0, nil, nil
	if list != dueList && w.heads[list] == nil {
		w.occupied[list/slots] &^= 1 << (list % slots)
	}
}

// waits reports whether n stands in a slot, neither loose nor about to fire.
func (n *Node) waits() bool { return n.list != 0 && n.list != dueList+1 }

// ceil is the first tick that is not before at.
func ceil(at int64) int64 {
	tick := at / Tick
	if at%Tick > 0 {
		tick++
	}
	return tick
}
