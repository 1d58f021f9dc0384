//go:build !skeleton

// Package gcra limits how often a client may ask, with one number for each.
package gcra

import "time"

// Limit is a rate, and how many requests may come at once.
type Limit struct {
	Rate  int // requests a second
	Burst int // at least 1
}

// Client is what is remembered of one. The zero value is somebody new.
type Client struct {
	tat time.Time // the theoretical arrival time
}

// Allow reports whether a request may pass now, and if not, after how long one would.
func (l Limit) Allow(c *Client, now time.Time) (ok bool, wait time.Duration) {
	interval := time.Second / time.Duration(l.Rate)
	tat := c.tat
	if tat.Before(now) { // whoever was away gains no more than the burst
		tat = now
	}
	early := tat.Sub(now) - time.Duration(l.Burst-1)*interval
	if early > 0 {
		return false, early
	}
	c.tat = tat.Add(interval)
	return true, 0
}
