package main

// The stage's driver: it starts the threads, decides where each new connection goes, and ends all
// in order.
//
// The App calls Start and Stop; admit runs on the acceptor's thread. Figures may run on any thread.
// What must not be done: admit must not wait, neither for a client nor for a free worker, since no
// other client is accepted meanwhile.

import (
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"fourways/shared/app"
	"fourways/shared/fault"
	"fourways/shared/figures"
	"fourways/shared/logging"
	"fourways/shared/session"
	"fourways/shared/sysnet"
)

// Limits of this stage, in connections.
const (
	defaultQueue = 50
	maxQueue     = 1 << 20
)

// maxProcs bounds GOMAXPROCS: each of Go's processors takes memory, and the garbage collector
// visits each.
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
	over     atomic.Bool    // the drain timeout has passed: what is being served is cut
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
	if p.away, err = newTurnaway(int(a.Server.MaxRefused)); err != nil {
		return nil, err
	}
	p.acceptor, err = a.NewAcceptor(true, p.admit)
	return p, err
}

// Start starts the threads. The acceptor comes last: nothing is accepted before there is a thread
// to serve it.
//
// Each thread gets a processor of Go's own kind (runtime.GOMAXPROCS). With fewer, a thread that
// comes back from a system call has to wait until another one gives its up, and every request costs
// a wake-up between threads; with one for each, it finds its own where it left it, and the kernel
// alone decides which thread runs.
func (p *pool) Start() error {
	runtime.GOMAXPROCS(processors(len(p.workers)))
	for _, w := range p.workers {
		p.threads.Go(w.run)
	}
	p.away.start()
	p.monitor.start()
	p.acceptor.Start()
	return nil
}

// processors is how many of Go's processors there are beside so many workers.
func processors(workers int) int { return max(runtime.GOMAXPROCS(0), min(workers+2, maxProcs)) }

// admit finds a place for one connection, or sends it away.
func (p *pool) admit(fd int, peer netip.AddrPort, listener int) {
	open := p.app.Listeners[listener].Open
	adm, why := p.acceptor.Thread.Admit(peer.Addr(), fd)
	switch why {
	case fault.NoReason:
	case fault.TooManyConnections:
		p.turnAway(fd, peer, why, open)
		return
	default:
		sysnet.Close(fd, true)
		return
	}
	queued, ok := p.queue.put(conn{fd: fd, peer: peer, adm: adm, came: p.acceptor.Thread.Clock.Now(), open: open})
	if !ok {
		p.acceptor.Thread.Dismiss(adm)
		p.turnAway(fd, peer, fault.QueueFull, open)
		return
	}
	if queued {
		p.log.Debug("Thread pool saturated, queuing connection")
	}
}

// turnAway answers 503 without waiting for the client. One that does not expect plain HTTP gets no
// answer.
func (p *pool) turnAway(fd int, peer netip.AddrPort, why fault.Reason, open session.Opener) {
	if open != nil {
		p.acceptor.Thread.TurnedAway(peer.Addr(), why)
		sysnet.Close(fd, true)
		return
	}
	p.away.send(fd, p.acceptor.Thread.Turnaway(peer, why))
}

// Stop ends in order: no new connections, then an answer for all that were accepted, then, after
// the timeout, an end to the rest. The threads notice by themselves: each returns from its call at
// least every second.
func (p *pool) Stop(timeout time.Duration) {
	p.acceptor.Stop()
	p.queue.close()
	app.EndWithin(timeout, p.threads.Wait, p.cut)
	p.monitor.stop()
	p.away.stop()
}

// cut ends what is being served, and what waits for a thread.
func (p *pool) cut() {
	p.log.Warn("Drain timeout reached, cutting what is left")
	p.over.Store(true)
	p.queue.discard(func(c conn) {
		p.acceptor.Thread.Dismiss(c.adm)
		sysnet.Close(c.fd, true)
	})
	for _, w := range p.workers {
		w.cut()
	}
}

// Figures reports on the threads and the queue.
func (p *pool) Figures(l *figures.List) {
	waiting, busy := p.queue.load()
	l.Add(
		figures.Row{JSON: "threads.total", Name: "fourways_threads", Help: "Threads that serve.", Value: len(p.workers)},
		figures.Row{JSON: "threads.busy", Name: "fourways_threads_busy", Help: "Threads that have a connection, or are about to.", Value: busy},
	)
	doing, count := make([]string, len(p.workers)), map[string]int{}
	for i, w := range p.workers {
		doing[i] = w.activity()
		count[doing[i]]++
	}
	for _, name := range activities {
		l.Add(figures.Row{JSON: "threads." + name, Name: "fourways_thread_states", Help: "Threads by what they are about.", Labels: []string{"state", name}, Value: count[name]})
	}
	l.Add(
		figures.Row{JSON: "threads.doing", Kind: figures.Fact, Value: doing}, // each of them
		figures.Row{JSON: "queue.length", Name: "fourways_queue_length", Help: "Connections that wait for a thread.", Value: waiting},
		figures.Row{JSON: "queue.limit", Name: "fourways_queue_capacity", Help: "Connections that may wait for a thread.", Value: p.queue.limit},
	)
}
