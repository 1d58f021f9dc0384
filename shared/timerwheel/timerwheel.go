// Package timerwheel keeps the deadlines of many connections: to set, move or drop one takes the
// same few instructions whether there are ten or a million, and nothing is allocated.
//
// It is a hierarchical timing wheel (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels",
// 1987). Time is counted in ticks of a millisecond, and a tick's number is read as digits of base
// 64. A deadline stands on the level of the highest digit in which it differs from now, in the slot
// of that digit:
//
//	now      = … 0 | 12 | 33
//	deadline = … 0 | 12 | 40   level 0, slot 40: it is due in 7 ticks
//	deadline = … 0 | 15 |  2   level 1, slot 15: when now reaches 15|0 it goes down to level 0, slot 2
//
// So every occupied slot lies ahead of now, those of a lower level before those of a higher one,
// and the next slot is the lowest bit of the lowest level that has any.
//
// A Wheel belongs to one thread. A Node lies in the connection that it times; it must not be copied
// or freed while it is scheduled. Times are nanoseconds of one clock, never negative, and do not go
// back; the package asks no clock itself.
package timerwheel

import (
	"math"
	"math/bits"
)

// Tick is the resolution, in nanoseconds. A deadline never fires early. It fires late by less than
// this, in addition to the lateness of Advance.
const Tick = 1_000_000

const (
	digitBits = 6
	slots     = 1 << digitBits // of each level: one bit each in a word
	levels    = 8              // 48 bits of ticks: every int64 of nanoseconds has a slot
	dueList   = levels * slots // the list after those of the slots: what fires in this Advance
	noList    = -1
)

// Node is one deadline. Its zero value is ready.
type Node[T any] struct {
	Owner *T // whose deadline it is; the wheel does not look at it

	next, prev *Node[T]
	at         int64 // nanoseconds: the deadline
	place      int64 // the tick for which it was placed, never after at, and in which list it is
}

// listBits are the low bits of a place. They hold one more than the number of the list, or 0 for
// none. A tick has 48 bits, so both fit into one word: idle connections are mostly such words.
const listBits = 16

func (n *Node[T]) tick() int64 { return n.place >> listBits }
func (n *Node[T]) list() int   { return int(n.place&(1<<listBits-1)) - 1 }

// Wheel holds deadlines. Its zero value is an empty wheel at time 0.
type Wheel[T any] struct {
	now      int64          // tick; everything up to it has fired
	occupied [levels]uint64 // which slots have nodes
	heads    [levels*slots + 1]*Node[T]
}

// Schedule sets the deadline of n, or moves it. To move one to a later time is two stores: the node
// stays where it is, and finds its new place when the old one comes up. So a connection may push
// out its timeout with every request. A deadline that has passed fires at the next tick.
func (w *Wheel[T]) Schedule(n *Node[T], at int64) {
	n.at = at
	tick := ceil(at)
	if n.waits() && tick >= n.tick() {
		return
	}
	w.Cancel(n)
	w.place(n, tick)
}

// Cancel drops the deadline of n, if it has one.
func (w *Wheel[T]) Cancel(n *Node[T]) {
	if n.list() != noList {
		w.unlink(n)
	}
}

// Advance calls fire for each node whose deadline is not after now, in no order. A node is out of
// the wheel when its turn comes; fire may schedule and cancel any node, this one too, and must not
// call Advance.
func (w *Wheel[T]) Advance(now int64, fire func(*Node[T])) {
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

// Next is how many nanoseconds after now the wheel wants its next Advance; false if nothing is
// scheduled, and then there is no reason to wake up. It is never too late. It may be early, because
// a slot of a higher level only begins there, or its nodes were moved to later: then Advance fires
// nothing, and Next knows better. From any one place a node goes down a level each time, so that is
// seldom.
func (w *Wheel[T]) Next(now int64) (wait int64, ok bool) {
	list, tick := w.first()
	if list == noList {
		return 0, false
	}
	return max(0, tick*Tick-now), true
}

// Timeout is Next as poll(2) and epoll_wait(2) want it, most at most: in milliseconds, rounded up,
// since a caller that wakes too early would wait for no time at all, over and over, until it is
// due. It is -1 for ever: nothing is scheduled, and most is the largest number.
func (w *Wheel[T]) Timeout(now, most int64) int {
	wait, ok := w.Next(now)
	if !ok || wait > most {
		wait = most
	}
	if wait == math.MaxInt64 {
		return -1
	}
	const millisecond = 1_000_000
	return int((wait + millisecond - 1) / millisecond)
}

// first is the slot that comes up first, and the tick at which it begins.
func (w *Wheel[T]) first() (list int, tick int64) {
	for level, occupied := range w.occupied {
		if occupied != 0 {
			slot := bits.TrailingZeros64(occupied)
			above := w.now >> ((level + 1) * digitBits)
			return level*slots + slot, (above<<digitBits | int64(slot)) << (level * digitBits)
		}
	}
	return noList, 0
}

// empty takes every node out of the slot that has come up: what is due goes to the list of those
// that fire, the others down to their next digit, or to where they were moved in the meantime.
func (w *Wheel[T]) empty(list int) {
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
func (w *Wheel[T]) place(n *Node[T], tick int64) {
	tick = max(tick, w.now+1)
	level := (bits.Len64(uint64(tick^w.now)) - 1) / digitBits
	slot := int(tick>>(level*digitBits)) & (slots - 1)
	n.place = tick << listBits
	w.link(n, level*slots+slot)
}

func (w *Wheel[T]) link(n *Node[T], list int) {
	head := w.heads[list]
	n.prev, n.next = nil, head
	n.place = n.tick()<<listBits | int64(list+1)
	if head != nil {
		head.prev = n
	}
	w.heads[list] = n
	if list != dueList {
		w.occupied[list/slots] |= 1 << (list % slots)
	}
}

func (w *Wheel[T]) unlink(n *Node[T]) {
	list := n.list()
	if n.next != nil {
		n.next.prev = n.prev
	}
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		w.heads[list] = n.next
	}
	n.place, n.prev, n.next = 0, nil, nil
	if list != dueList && w.heads[list] == nil {
		w.occupied[list/slots] &^= 1 << (list % slots)
	}
}

// waits reports whether n stands in a slot, neither loose nor about to fire.
func (n *Node[T]) waits() bool { return n.place != 0 && n.list() != dueList }

// ceil is the first tick that is not before at.
func ceil(at int64) int64 {
	tick := at / Tick
	if at%Tick > 0 {
		tick++
	}
	return tick
}
