package clock

import "sync/atomic"

// Seldom reports whether the last time it reported so for the same word, which holds that time, 0
// for never, is so long ago. Of several threads, or processes that share the word, one is told. It
// is for the log: what goes wrong again and again is said now and then.
func Seldom(last *atomic.Int64, now, every Time) bool {
	before := last.Load()
	return (before == 0 || now-Time(before) >= every) && last.CompareAndSwap(before, int64(now))
}
