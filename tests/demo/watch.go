package main

// What a stage says of itself: /stats, twice a second, on one connection.
//
// The connection is made before any client's. Stage 1 has a thread for it from then on, which is
// why the stage still answers here when all of its threads are taken. One goroutine at a time calls
// look; last may be called by anybody.

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// every is the time between two looks.
	every = 500 * time.Millisecond
	// window is how many looks a rate is taken over.
	window = 4
	// answerTime is how long /stats may take.
	answerTime = 5 * time.Second
)

// report is what is read of /stats.
type report struct {
	Connections struct{ Active int }
	Requests    struct{ Total int }
	Lateness    struct {
		Busy float64 `json:"busy_seconds"`
	}
	Threads struct {
		Total, Reading, Writing int
		Doing                   []string
	}
	Queue   struct{ Length, Limit int }
	Runners []unit
	Loops   []unit
	Workers []unit
	Master  struct{ Pid int }

	at time.Time
}

// unit is a runner, a loop or a worker's loop.
type unit struct {
	Connections int
	PollSet     int `json:"poll_set"`
	Wakeups     int
	Events      int
	State       string
	Beat        float64 `json:"heartbeat_age"` // seconds
}

// units are those who wait in stages 2 to 4.
func (r *report) units() []unit {
	switch {
	case r.Workers != nil:
		return r.Workers
	case r.Loops != nil:
		return r.Loops
	}
	return r.Runners
}

// look is what a panel shows.
type look struct {
	Stage       int     `json:"stage"`
	Connections int     `json:"connections"`
	Rate        float64 `json:"requests_per_second"` // without those of the demo itself
	Waiting     int     `json:"waiting"`             // of those who can wait: threads, runners, loops, workers
	All         int     `json:"all"`
	Wait        float64 `json:"page_seconds"` // how long the busy clients wait for one: the median
	Queue       int     `json:"queue"`
	QueueLimit  int     `json:"queue_limit"`
	Threads     []string
	Units       []shown
	Master      int // its process id

	turn int // which look it is
}

// shown is a runner, a loop or a worker in a panel.
type shown struct {
	Clients int     // connections, or the descriptors in the poll set
	Wakes   float64 // a second
	Ready   float64 // found at each
	State   string
	Beat    float64 // seconds
}

// watch looks at one stage.
type watch struct {
	*server
	conn  net.Conn
	in    *bufio.Reader
	waits []*wait
	past  []report // the last few, oldest first
	turn  int

	mu  sync.Mutex
	now look
}

func newWatch(v *server) (*watch, error) {
	conn, err := net.DialTimeout("tcp", v.addr, answerTime)
	if err != nil {
		return nil, err
	}
	w := &watch{server: v, conn: conn, in: bufio.NewReader(conn)}
	r, err := w.read()
	if err != nil {
		conn.Close()
		return nil, err
	}
	w.saw(r)
	return w, nil
}

func (w *watch) close() { w.conn.Close() }

// newWait is one for another busy client. It is called before the first look that shows.
func (w *watch) newWait() *wait {
	w.waits = append(w.waits, &wait{})
	return w.waits[len(w.waits)-1]
}

// last is what the last look has found.
func (w *watch) last() look {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// look asks the stage. Where that fails the last look stands, and the next one is made on another
// connection, for as long as there is somebody to ask.
func (w *watch) look() error {
	r, err := w.read()
	if err == nil {
		w.saw(r)
		return nil
	}
	select {
	case <-w.done:
		return fmt.Errorf("%s has ended", w.folder)
	default:
	}
	w.close()
	w.past = nil
	if conn, err := net.DialTimeout("tcp", w.addr, answerTime); err == nil {
		w.conn, w.in = conn, bufio.NewReader(conn)
	}
	return nil
}

// saw takes a report.
func (w *watch) saw(r report) {
	w.past = append(w.past, r)
	if len(w.past) > window+1 {
		w.past = w.past[1:]
	}
	w.turn++
	now := w.seen(w.past[0], r)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = now
}

func (w *watch) read() (r report, err error) {
	w.conn.SetDeadline(time.Now().Add(answerTime))
	if _, err := io.WriteString(w.conn, "GET /stats HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return r, err
	}
	answer, err := http.ReadResponse(w.in, nil)
	if err != nil {
		return r, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return r, err
	}
	if answer.StatusCode != http.StatusOK {
		return r, fmt.Errorf("the answer is %s", answer.Status)
	}
	r.at = time.Now()
	return r, json.Unmarshal(text, &r)
}

// seen is what has happened from one report to a later one.
func (w *watch) seen(old, r report) look {
	seconds := max(r.at.Sub(old.at).Seconds(), 0.001)
	l := look{Stage: w.number, turn: w.turn, Connections: r.Connections.Active - 1, Queue: r.Queue.Length, QueueLimit: r.Queue.Limit, Threads: r.Threads.Doing, Master: r.Master.Pid}
	l.Rate = max(float64(r.Requests.Total-old.Requests.Total-(len(w.past)-1))/seconds, 0)
	l.Wait = median(w.waits).Seconds()
	l.All, l.Waiting = r.Threads.Total, r.Threads.Reading+r.Threads.Writing
	for i, u := range r.units() {
		s := shown{Clients: max(u.Connections, u.PollSet), State: u.State, Beat: u.Beat}
		if before := old.units(); i < len(before) {
			wakes := float64(u.Wakeups - before[i].Wakeups)
			s.Wakes = max(wakes/seconds, 0)
			s.Ready = max(float64(u.Events-before[i].Events)/max(wakes, 1), 0)
		}
		l.Units = append(l.Units, s)
	}
	if l.Units != nil { // their busy time is that of all together
		l.All = len(l.Units)
		l.Waiting = l.All - int((r.Lateness.Busy-old.Lateness.Busy)/seconds+0.5)
	}
	return l
}

// median is the wait in the middle of all, and the longer one of two.
func median(waits []*wait) time.Duration {
	if len(waits) == 0 {
		return 0
	}
	var all []time.Duration
	for _, w := range waits {
		all = append(all, w.look())
	}
	slices.Sort(all)
	return all[len(all)/2]
}
