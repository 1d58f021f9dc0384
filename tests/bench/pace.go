//go:build linux

package main

// How long a run takes: what each measurement is expected to, how long each may be where the whole
// is to fit a time, and how much is left.

import (
	"fmt"
	"io"
	"time"
)

// Beside its measurements each round of a server takes some time.
const (
	startTime = 350 * time.Millisecond // starting, checking and stopping a server
	thousand  = 120 * time.Millisecond // opening and closing a thousand idle connections
	shakes    = 960 * time.Millisecond // their handshakes, where they are by TLS
)

// expected is how long one round of a server takes at a work.
func (w *work) expected(d time.Duration, idle int) time.Duration {
	all := startTime + d
	switch {
	case w.name == "idle-rate":
		all += time.Duration(len(idleCurve)-1) * d
		for _, n := range idleCurve {
			all += thousand * time.Duration(n) / 1000
		}
	case w.name == "curve":
		all += time.Duration(len(connsCurve)-1)*d + thousand*time.Duration(idle)/1000
	case w.name == "open":
		all += 2 * d
	case w.name == "overload":
		all += d
	case w.idle:
		all += min(settleTime, settleShare*d) - d + thousand*time.Duration(idle)/1000
		if w.tls != nil {
			all += shakes * time.Duration(idle) / 1000
		}
	case w.name == "held":
		all += 2 * d
	case w.name == "100m":
		all += startTime
	}
	return all
}

// whole is how long a run takes with measurements of a length.
func whole(o *options, all []*server, d time.Duration) (sum time.Duration) {
	tried := map[tryKind]bool{}
	for _, w := range o.works {
		for _, s := range all {
			if !s.concerned(w) || s.skips(w) != "" {
				continue
			}
			sum += time.Duration(o.rounds) * w.expected(d, o.idle)
			if s.variants == nil {
				continue
			}
			if kind := kindOfTry(w, s); !tried[kind] {
				tried[kind] = true
				times, each := o.trying()
				sum += time.Duration(times*len(s.variants(w))) * (startTime + min(each, d))
			}
		}
	}
	return sum
}

// fit is the length of a measurement by which a run takes no longer than budget, between bounds.
func fit(o *options, all []*server, budget, shortest, longest time.Duration) time.Duration {
	const step = 10 * time.Millisecond
	d := shortest
	for d+step <= longest && whole(o, all, d+step) <= budget {
		d += step
	}
	return d
}

// budget is how long the whole may take; 0 where the command line says how long a measurement is.
func (o *options) budget() (all, shortest, longest time.Duration) {
	switch {
	case o.quick:
		return quickTime, quickShortest, quickLongest
	case o.record && !o.fixed:
		return recordTime, recordShortest, recordLongest
	}
	return 0, 0, 0
}

// fitRest finds how long each measurement of the works that are left may be, at the pace up to
// here.
func (b *bench) fitRest(left []*work, all []*server) {
	rest := *b.o
	rest.works = left
	if budget, shortest, longest := b.o.budget(); budget > 0 {
		b.o.duration = fit(&rest, all, b.pace.expected(budget-b.pace.elapsed()), shortest, longest)
	}
	b.report.seconds = b.o.duration.Seconds()
	b.pace.total = b.pace.done + whole(&rest, all, b.o.duration)
}

// pace tells how far a run is. It belongs to the goroutine that measures.
type pace struct {
	out   io.Writer
	began time.Time
	total time.Duration // expected
	done  time.Duration // of that
}

func newPace(out io.Writer, total time.Duration) *pace {
	return &pace{out: out, began: time.Now(), total: total}
}

// say tells what is measured next, and how long the rest takes at the pace up to here.
func (p *pace) say(what string) {
	left := p.total - p.done
	if p.done > 0 {
		left = time.Duration(float64(left) * float64(p.elapsed()) / float64(p.done))
	}
	fmt.Fprintf(p.out, "bench: %3.0f %%, %s left: %s\n", 100*p.done.Seconds()/max(p.total, 1).Seconds(), roughly(left), what)
}

func (p *pace) elapsed() time.Duration { return time.Since(p.began) }

// expected is how much of what was expected fits in a time, at the pace up to here.
func (p *pace) expected(d time.Duration) time.Duration {
	if p.done == 0 {
		return d
	}
	return time.Duration(float64(d) * float64(p.done) / float64(p.elapsed()))
}

// passed is told of what is measured, or never will be.
func (p *pace) passed(d time.Duration) { p.done = min(p.done+d, p.total) }

// roughly writes a time as people say it.
func roughly(d time.Duration) string {
	switch {
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	case d >= 2*time.Minute:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.0f s", max(d, 0).Seconds())
}
