//go:build linux

package main

// What is to be known about a work's figures: that the generator was their limit, that a server
// seems to be faster than a loop that does less, that the machine was busy, that rounds differ.
//
// What must not be done: a figure that is noise must not stand there without a word.

import (
	"fmt"
	"math"
	"strings"
)

// unevenShare is how far rounds of a server may be apart, of their median.
const unevenShare = 0.20

// fullShare is the share of its processor from which on the generator has no time left.
const fullShare = 0.95

// warnings are those of the work.
func (now *workReport) warnings() (all []string) {
	for _, text := range []string{now.Busy, now.Uneven} {
		if text != "" {
			all = append(all, text)
		}
	}
	return all
}

// remark looks at the figures of a work when all are there.
func (now *workReport) remark(columns []column, floorName string) {
	now.Remarks = nil
	for _, text := range []string{now.ofGenerator(), now.belowFloor(columns, floorName)} {
		if text != "" {
			now.Remarks = append(now.Remarks, text)
		}
	}
	now.Uneven = now.uneven(columns)
}

// ofGenerator tells the generator's own limit, and beside whom it was reached.
func (now *workReport) ofGenerator() string {
	if now.Work == "open" { // it mostly waits
		return ""
	}
	least, full := math.Inf(1), []string{}
	for _, r := range now.Servers {
		if v, ok := r.Median[keyGenerator]; ok && v > 0 {
			least = min(least, v)
			if r.Median[keyGeneratorBusy] >= fullShare {
				full = append(full, r.Server)
			}
		}
	}
	if math.IsInf(least, 1) {
		return ""
	}
	text := fmt.Sprintf("the generator takes %.2f µs of its own processor a request, so it asks for %.0f a second at most", least, 1e6/least)
	if len(full) > 0 {
		text += "; it was the limit of the rate of " + strings.Join(full, ", ")
	}
	return text
}

// belowFloor names those who seem to do more with less than the floor.
func (now *workReport) belowFloor(columns []column, floorName string) string {
	var names []string
	for _, c := range columns {
		floor := -1.0
		for _, r := range now.Servers {
			if v, ok := r.Median[c.key]; ok && r.Server == floorName {
				floor = v
			}
		}
		for _, r := range now.Servers {
			if v, ok := r.Median[c.key]; ok && c.toFloor && v < floor && !isFloor(r.Server) {
				names = append(names, r.Server+" ("+c.head+")")
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("below %s: %s. That is noise, or another way to send: the floor does less of the same", floorName, strings.Join(names, ", "))
}

// uneven names the servers whose rounds are far apart, by the first figure that ranks them.
func (now *workReport) uneven(columns []column) string {
	for _, c := range columns {
		if c.better == told {
			continue
		}
		var names []string
		for _, r := range now.Servers {
			s, m := r.span(c.key), r.Median[c.key]
			if m > 0 && (s.High-s.Low)/m > unevenShare {
				names = append(names, fmt.Sprintf("%s by %.0f %%", r.Server, 100*(s.High-s.Low)/m))
			}
		}
		if len(names) == 0 {
			return ""
		}
		return fmt.Sprintf("the rounds differ in %s, %s: measure again when the machine is quiet", c.head, strings.Join(names, ", "))
	}
	return ""
}
