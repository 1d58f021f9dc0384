//go:build linux

package client

// Fetching one path again and again on many connections, and throwing the bodies away.
//
// Each connection belongs to one goroutine. What must not be done: no body may be copied into this
// process, or the client would be measured instead of the server.

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Drained is what Drain took.
type Drained struct {
	Bytes   int64         `json:"bytes"`      // of bodies, the last ones in part
	Whole   int           `json:"whole"`      // bodies that arrived whole
	Elapsed time.Duration `json:"elapsed_ns"` // the whole run
	P50     time.Duration `json:"p50_ns"`     // of whole bodies, request to last byte
	P99     time.Duration `json:"p99_ns"`
}

// Drain fetches a path on n connections again and again for a while. The bodies are
// thrown away in the kernel, so that the server, not the client, is what is measured. At
// the end the bodies under way are left where they are.
func Drain(addr netip.AddrPort, path string, n int, duration time.Duration) (Drained, error) {
	began := time.Now()
	end := began.Add(duration)
	drains := make([]drain, n)
	var all sync.WaitGroup
	for i := range drains {
		all.Go(func() { drains[i].run(addr, path, end) })
	}
	all.Wait()
	sum := Drained{Elapsed: time.Since(began)}
	var took []time.Duration
	for _, d := range drains {
		if d.err != nil {
			return sum, d.err
		}
		sum.Bytes += d.bytes
		took = append(took, d.took...)
	}
	sum.rank(took)
	return sum, nil
}

// rank finds the percentiles.
func (d *Drained) rank(took []time.Duration) {
	slices.Sort(took)
	if d.Whole = len(took); d.Whole > 0 {
		d.P50, d.P99 = took[d.Whole/2], took[d.Whole*99/100]
	}
}

// drain is one connection of Drain. It belongs to its goroutine until that has ended.
type drain struct {
	bytes int64
	took  []time.Duration
	err   error
}

func (d *drain) run(addr netip.AddrPort, path string, end time.Time) {
	c, err := dial(addr)
	if err != nil {
		d.err = err
		return
	}
	defer func() { c.close() }()
	request, buf := request(addr, path), make([]byte, maxHead)
	for d.err == nil && time.Now().Before(end) {
		if d.err = d.one(c, request, buf, end); d.err != nil || !saysClose(buf) {
			continue
		}
		c.close()
		if c, d.err = dial(addr); d.err != nil {
			return
		}
	}
}

// one takes one body, or as much of it as arrives before the end.
func (d *drain) one(c conn, request, buf []byte, end time.Time) error {
	began := time.Now()
	if err := c.send(request); err != nil {
		return err
	}
	length, got, err := c.head(buf)
	if err != nil {
		return err
	}
	d.bytes += got
	for got < length {
		if !time.Now().Before(end) {
			return nil
		}
		n, err := c.skip(length - got)
		if err != nil {
			return err
		}
		got += n
		d.bytes += n
	}
	d.took = append(d.took, time.Since(began))
	return nil
}
