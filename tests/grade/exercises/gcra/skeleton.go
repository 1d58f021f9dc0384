//go:build skeleton

// Package gcra limits how often a client may ask, with one number for each.
//
// The number is the theoretical arrival time: when the client would have sent its last request,
// had it kept to the rate exactly. A request may come before that by what the burst allows, and
// moves it on by one interval. Nothing has to be refilled, and nothing runs by itself. A refused
// request moves nothing.
package gcra

import "time"

// Limit is a rate, and how many requests may come at once.
type Limit struct {
	Rate  int // requests a second
	Burst int // at least 1
}

// Client is what is remembered of one. The zero value is somebody new.
type Client struct {
	// yours: one number
}

// Allow reports whether a request may pass now, and if not, after how long one would.
func (l Limit) Allow(c *Client, now time.Time) (ok bool, wait time.Duration) { return false, 0 }
