package relay

import (
	"fourways/shared/chain"
	"fourways/shared/spill"
)

// queue is what waits for one leg's socket: in the chain what is sent next, and behind it what
// waits until there is room.
type queue struct {
	chain   chain.Chain
	waiting spill.Queue
	leg     *leg   // whose it is
	news    func() // made once
}

// empty reports whether all that was in the queue has left.
func (q *queue) empty() bool { return q.chain.Empty() && q.waiting.Len() == 0 }

// borrow lends an empty queue to a leg.
func (t *local) borrow(l *leg) *queue {
	var q *queue
	if n := len(t.queues); n > 0 {
		q, t.queues = t.queues[n-1], t.queues[:n-1]
	} else {
		q = &queue{chain: chain.New(t.pool)}
		q.news = func() { q.leg.looksAgain() }
	}
	q.leg = l
	q.waiting.Open(t.spill, q.news)
	return q
}

// giveBack takes a queue back, with whatever is in it.
func (t *local) giveBack(q *queue) {
	q.waiting.Close()
	q.chain.Reset()
	q.leg = nil
	if len(t.queues) < keptQueues {
		t.queues = append(t.queues, q)
	}
}

// looksAgain has both legs stepped: there is room for what the other one reads, or the disk has
// found what this one is to send.
func (l *leg) looksAgain() {
	l.relay.nudge(l)
	if other := l.relay.other(l); other != nil {
		l.relay.nudge(other)
	}
}
