package main

import (
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"fourways/shared/app"
	"fourways/shared/http1"
	"fourways/shared/logging"
	"fourways/shared/sysnet"
)

// Limits of this stage, in connections.
const (
	defaultQueue = 50
	maxQueue     = 1 << 20
)

// maxProcs is how many of Go's processors are worth having: each takes memory, and each
// is looked at when memory is collected.
const maxProcs = 256

// pool is the stage's driver: the acceptor, the queue and the threads.
//
// The acceptor is one more thread, and never waits for a client. A connection's
// descriptor belongs to the queue from admit until a thread takes it.
type pool struct {
	app      *app.App
	log      *slog.Logger
	acceptor *app.Acceptor
	queue    *queue
	workers  []*worker
	away     *turnaway
	threads  sync.WaitGroup // the workers'
	over     atomic.Bool    // patience has ended: what is being served is cut
	monitor  *monitor
}

func newPool(a *app.App, queueLen int) (_ *pool, err error) {
	p := &pool{
		app:   a,
		log:   a.Log.With(logging.WorkerKey, "acceptor"),
		queue: newQueue(queueLen, a.Config.Workers),
	}
	for i := range a.Config.Workers {
		p.workers = append(p.workers, newWorker(p, i))
	}
	p.monitor = newMonitor(p)
	if p.away, err = newTurnaway(); err != nil {
		return nil, err
	}
	p.acceptor, err = a.NewAcceptor(true, p.admit)
	return p, err
}

// Start starts the threads. The acceptor comes last: nothing is accepted before
// there is somebody to serve it.
//
// Each thread gets a processor of Go's own kind (runtime.GOMAXPROCS). With fewer, a thread
// that comes back from a system call has to wait until another one gives its up, and every
// request costs a wake-up between threads; with one for each, it finds its own where it
// left it, and who runs is the kernel's decision alone.
func (p *pool) Start() error {
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), min(len(p.workers)+2, maxProcs)))
	for _, w := range p.workers {
		p.threads.Go(w.run)
	}
	p.away.start()
	p.monitor.start()
	p.acceptor.Start()
	return nil
}

// admit finds a place for one connection, or sends it away.
func (p *pool) admit(fd int, peer netip.AddrPort) {
	adm, why := p.acceptor.Local.Admit(peer.Addr(), fd)
	switch why {
	case http1.NoReason:
	case http1.TooManyConnections:
		p.turnAway(fd, peer, why)
		return
	default:
		sysnet.Close(fd, true)
		return
	}
	queued, ok := p.queue.put(conn{fd: fd, peer: peer, adm: adm})
	if !ok {
		p.acceptor.Local.Dismiss(adm)
		p.turnAway(fd, peer, http1.QueueFull)
		return
	}
	if queued {
		p.log.Debug("Thread pool saturated, queuing connection")
	}
}

// turnAway answers 503 without waiting for anybody.
func (p *pool) turnAway(fd int, peer netip.AddrPort, why http1.Reason) {
	p.away.send(fd, p.acceptor.Local.Turnaway(peer, why))
}

// Stop ends in order: no new connections, then an answer for all that were taken, then
// the end of patience. The threads notice by themselves: each looks up every second.
func (p *pool) Stop(timeout time.Duration) {
	deadline := time.After(timeout)
	p.acceptor.Stop()
	p.queue.close()
	done := make(chan struct{})
	go func() {
		p.threads.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-deadline:
		p.log.Warn("Drain timeout reached, cutting what is left")
		p.over.Store(true)
		p.queue.discard(func(c conn) {
			p.acceptor.Local.Dismiss(c.adm)
			sysnet.Close(c.fd, true)
		})
		for _, w := range p.workers {
			w.cut()
		}
		<-done
	}
	p.monitor.stop()
	p.away.stop()
}

// Health is this stage's part of /health.
func (p *pool) Health() map[string]any {
	waiting, busy := p.queue.load()
	threads := map[string]any{"total": len(p.workers), "busy": busy}
	for _, name := range activities {
		threads[name] = 0
	}
	doing := make([]string, len(p.workers))
	for i, w := range p.workers {
		doing[i] = w.activity()
		threads[doing[i]] = threads[doing[i]].(int) + 1
	}
	threads["doing"] = doing
	return map[string]any{
		"threads": threads,
		"queue":   map[string]any{"length": waiting, "limit": p.queue.limit},
	}
}
