package upstream

import "fourways/shared/clock"

// budget bounds how many requests of a thread are sent a second time. When a target breaks down,
// retries without a bound would double its load at the worst moment. It belongs to its thread.
type budget struct {
	second   int64                 // the last one that was counted in
	requests [budgetSeconds]uint64 // by second
	retries  [budgetSeconds]uint64
	sum      struct{ requests, retries uint64 }
	mayNeed  uint64 // requests on kept connections that are not answered yet: each may need a retry
}

// request counts one more request.
func (b *budget) request(now clock.Time) {
	b.requests[b.roll(now)]++
	b.sum.requests++
}

// spare reports whether so many retries are allowed, and one more.
func (b *budget) spare(now clock.Time, others uint64) bool {
	b.roll(now)
	retries := b.sum.retries + others
	return retries < budgetLeast || retries*budgetShare < b.sum.requests
}

// retry counts a retry, if it is allowed.
func (b *budget) retry(now clock.Time) bool {
	if !b.spare(now, 0) {
		return false
	}
	b.retries[b.roll(now)]++
	b.sum.retries++
	return true
}

// roll forgets the seconds that are too long ago, and returns the present one's place.
func (b *budget) roll(now clock.Time) int {
	second := int64(now / clock.Second)
	for n := min(second-b.second, budgetSeconds); n > 0; n-- {
		i := (second - n + 1) % budgetSeconds
		b.sum.requests -= b.requests[i]
		b.sum.retries -= b.retries[i]
		b.requests[i], b.retries[i] = 0, 0
	}
	b.second = max(b.second, second)
	return int(b.second % budgetSeconds)
}
