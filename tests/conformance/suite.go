package conformance

// The suite as a whole: what it is run against, which server a case is played on, and
// what is looked at when the last one is through. It owns the document roots that it
// makes and the processes that it starts, and leaves neither behind.

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Target says how to reach or start a server.
type Target struct {
	Name string // in reports; by default the address or command

	// Addr is where a running server listens, "host:port". Cmd is used without it.
	Addr string

	// Cmd starts a server. {port} and {root} are filled in, in every argument. It
	// must listen on 127.0.0.1 and stay in the foreground. A wrapper such as
	// "go run" does not pass SIGTERM on: build first.
	Cmd []string

	// Root is the folder that a server at Addr serves, where it is known: a folder
	// that MakeSite filled. Without it, cases that look at files are skipped.
	Root string

	// Args holds the further arguments of each variant. A variant that has no entry
	// is not run. FourWays has those of our own servers. A nil map runs Default.
	Args map[Variant][]string

	// ZeroCopy says that files leave by sendfile(2). The socket then holds the page cache's
	// own pages, and when a file is cut off, the kernel clears the rest of its last page,
	// in the socket too: zeros may be seen before the connection breaks.
	ZeroCopy bool

	// Streams says that files are sent as they are read, which is true of ours. Where it is not
	// set, it is found out; and a server that takes a file into memory whole is not asked for the
	// one of 4 GiB.
	Streams bool

	// AtOnce bounds the cases that are played at a time; 0 is eight. A server that serves one
	// connection at a time is played with one.
	AtOnce int

	// RFCOnly leaves out what is our policy and not the RFCs'.
	RFCOnly bool

	// TLS says that the server speaks TLS at Addr or {port}. Its certificate is not looked at.
	TLS bool

	// WholeOnly plays each case once, in one write.
	WholeOnly bool

	// LeftOut names cases that are not to be played, and why.
	LeftOut map[string]string

	// Behind starts another server first, in the same way as Cmd and with the same root. The one
	// that is judged passes its answers on: {behind} in Cmd is its address. BehindArgs holds the
	// further arguments of each variant.
	Behind     []string
	BehindArgs map[Variant][]string

	// Differs names cases in which such a server must do something else than one that answers by
	// itself, and why. Run wants each of them to fail.
	Differs map[string]string
}

// Result is what became of one case.
type Result struct {
	Case    *Case
	Skipped string    // why it was not played, "" where it was
	Failed  []Failure // one for each replay that found faults
	Took    time.Duration
}

// Level is the weight of the heaviest fault.
func (r *Result) Level() Level {
	level := None
	for _, f := range r.Failed {
		for _, fault := range f.Faults {
			level = max(level, fault.Level)
		}
	}
	return level
}

// Failure is one play of a case that found faults.
type Failure struct {
	How      Replay
	Faults   []Fault
	Sent     []byte
	Mark     int // offset in Sent of the byte that the case is about, -1 for none
	Received []byte
}

// Suite plays cases against one target. Close it.
type Suite struct {
	target Target
	root   string // made for the target, "" where it has its own
	temp   string

	turn sync.RWMutex // held for reading by a play, for writing by one that has to be alone
	gone atomic.Bool  // nobody listens at the target's address any more

	mu      sync.Mutex
	servers map[Variant]*startedServer
	serial  bool    // the server serves one connection at a time
	deaths  []error // of processes, that no case is blamed for
}

var errNoServer = errors.New("neither an address nor a command is given")

// startedServer is a server that is started at the first case that wants it.
type startedServer struct {
	once   sync.Once
	server *server
	err    error
}

// New makes a suite, and the document root for a target that it shall start.
func New(target Target) (*Suite, error) {
	if target.Name == "" {
		target.Name = cmp.Or(target.Addr, strings.Join(target.Cmd, " "))
	}
	s := &Suite{target: target, root: target.Root, servers: map[Variant]*startedServer{}}
	if target.Addr != "" {
		return s, nil
	}
	if len(target.Cmd) == 0 {
		return nil, errNoServer
	}
	temp, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		return nil, err
	}
	s.temp = temp
	return s, os.Chmod(temp, 0o755) // for servers that give up their rights
}

// Play plays one case in all its replays. It may be called from many goroutines: a
// server gets a bounded number of connections at a time.
func (s *Suite) Play(c *Case) Result { return s.play(c, s.target.WholeOnly) }

// PlayWhole plays a case once, in one write.
func (s *Suite) PlayWhole(c *Case) Result { return s.play(c, true) }

func (s *Suite) play(c *Case, wholeOnly bool) Result {
	result := Result{Case: c}
	if result.Skipped = s.inapplicable(c); result.Skipped != "" {
		return result
	}
	s.turn.RLock()
	server, err := s.server(c.variant)
	if err != nil {
		s.turn.RUnlock()
		result.Failed = []Failure{{Mark: -1, Faults: []Fault{{Level: MUST, Text: err.Error(), At: -1}}}}
		return result
	}
	s.playOn(server, &result, wholeOnly)
	s.turn.RUnlock()
	if result.unanswered() {
		s.afterDeath(server, &result, wholeOnly)
	}
	return result
}

// playOn plays a case in all its replays on a server.
func (s *Suite) playOn(server *server, result *Result, wholeOnly bool) {
	server.slots <- struct{}{}
	defer func() { <-server.slots }()
	c, began := result.Case, time.Now()
	if c.streams && !s.target.Streams && !s.target.ZeroCopy {
		if result.Skipped = server.whyNoStream(); result.Skipped != "" {
			return
		}
	}
	for _, how := range replays(c, wholeOnly) {
		x := play(server, c, how)
		if x.skip != "" {
			result.Skipped = x.skip
			break
		}
		faults := s.relevant(x.faults)
		own := slices.ContainsFunc(faults, func(f Fault) bool { return !f.Everywhere() })
		if own || len(faults) > 0 && len(result.Failed) == 0 {
			result.Failed = append(result.Failed, Failure{how, faults, x.sent, x.mark, x.in.buf})
		}
		if own {
			break // the others would only wait for the same
		}
	}
	result.Took = time.Since(began)
}

// unanswered reports whether the case failed because nothing was heard of the server.
func (r *Result) unanswered() bool {
	for _, f := range r.Failed {
		for _, fault := range f.Faults {
			if fault.Kind == NoAnswer || fault.Kind == Malformed {
				return true
			}
		}
	}
	return false
}

// afterDeath finds out whether a case failed because the server's process had ended. Another case
// may have ended it: so this one is played again, on a new process and alone, and blamed only where
// that ends as well. An address has no process; where nobody listens there any more, what is left
// is not played.
func (s *Suite) afterDeath(dead *server, result *Result, wholeOnly bool) {
	if dead.cmd == nil {
		if conn, _, err := dead.dial(dead.addr); err == nil {
			_ = conn.Close()
		} else {
			s.gone.Store(true)
		}
		return
	}
	if dead.ended() == "" {
		return
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	server, err := s.replace(dead, result.Case)
	if err != nil {
		result.Failed[0].Faults = []Fault{{Level: MUST, Text: "the server's process ended, and another cannot be started: " + err.Error(), At: -1, Kind: Died}}
		return
	}
	failed := result.Failed
	result.Failed, result.Skipped = nil, ""
	s.playOn(server, result, wholeOnly)
	if end := server.ended(); end != "" {
		if len(result.Failed) == 0 {
			result.Failed = failed
		}
		s.mu.Lock()
		s.deaths = slices.DeleteFunc(s.deaths, func(err error) bool { return errors.Is(err, errDied{result.Case.ID}) })
		s.mu.Unlock()
		f := &result.Failed[0]
		f.Faults = []Fault{{Level: MUST, RFC: supportGet.rfc, Quote: supportGet.text, Text: "the server's process ended: " + end, At: -1, Kind: Died}}
	}
}

// errDied is the end of a process that did not end again when a case was repeated.
type errDied struct{ id string }

func (e errDied) Error() string {
	return "the server's process ended at " + e.id + ", or at a case beside it, and did not when that was repeated"
}

// replace returns the server of a variant, and starts another in place of a dead one.
func (s *Suite) replace(dead *server, c *Case) (*server, error) {
	s.mu.Lock()
	if entry := s.servers[dead.variant]; entry.server == dead {
		s.deaths = append(s.deaths, fmt.Errorf("%w: %s\n%s", errDied{c.ID}, dead.ended(), dead.output))
		entry.server.killAll() // what is left of its group
		delete(s.servers, dead.variant)
	}
	s.mu.Unlock()
	return s.server(dead.variant)
}

// replays are the ways in which the target gets the bytes of a case.
func replays(c *Case, wholeOnly bool) []Replay {
	return slices.DeleteFunc(slices.Clone(c.replays), func(how Replay) bool {
		return how == ByteByByte && len(c.bytes) > longestByteByByte || how != Whole && wholeOnly
	})
}

// inapplicable says why a case does not apply to the target, or "".
func (s *Suite) inapplicable(c *Case) string {
	_, runs := s.target.Args[c.variant]
	switch {
	case s.target.LeftOut[c.ID] != "":
		return s.target.LeftOut[c.ID]
	case s.gone.Load():
		return "the server had gone"
	case s.target.RFCOnly && c.Level == HOUSE:
		return "our policy, not the RFCs'"
	case c.variant != Default && s.target.Addr != "":
		return fmt.Sprintf("needs a server started for %q", c.variant)
	case c.variant != Default && !runs:
		return fmt.Sprintf("needs the flags of %q", c.variant)
	case c.fixtures && s.target.Addr != "" && s.root == "":
		return "needs the suite's own files: -cmd, or -site with -addr"
	case c.process && s.target.Addr != "":
		return "needs to see the server's process"
	}
	return ""
}

// relevant drops the faults that this target is not judged by.
func (s *Suite) relevant(faults []Fault) []Fault {
	if !s.target.RFCOnly {
		return faults
	}
	return slices.DeleteFunc(faults, func(f Fault) bool { return f.Level == HOUSE })
}

// server returns the server of a variant, and starts it if it is the first to ask.
func (s *Suite) server(v Variant) (*server, error) {
	s.mu.Lock()
	entry := s.servers[v]
	if entry == nil {
		entry = &startedServer{}
		s.servers[v] = entry
	}
	s.mu.Unlock()
	entry.once.Do(func() {
		server, err := s.start(v)
		s.mu.Lock() // Close may come at any time
		entry.server, entry.err = server, err
		s.mu.Unlock()
	})
	return entry.server, entry.err
}

func (s *Suite) start(v Variant) (server *server, err error) {
	if s.target.Addr != "" {
		server = newServer(v, s.target.Addr, s.root)
		server.secure = s.target.TLS
	} else {
		root := s.temp + "/" + string(v) + "/site"
		// A server that has ended leaves its root behind.
		if err := errors.Join(os.RemoveAll(filepath.Dir(root)), MakeSite(root), os.Chmod(filepath.Dir(root), 0o755)); err != nil {
			return nil, fmt.Errorf("make the document root: %w", err)
		}
		if server, err = s.startBoth(v, root); err != nil {
			return nil, err
		}
	}
	server.house = !s.target.RFCOnly
	server.zeroCopy = s.target.ZeroCopy
	server.slots = make(chan struct{}, s.atOnce())
	return server, nil
}

// atOnce is how many cases are played at a time.
func (s *Suite) atOnce() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serial {
		return 1
	}
	return cmp.Or(s.target.AtOnce, atOnce)
}

// startBoth starts a server, after the one behind it where there is one.
func (s *Suite) startBoth(v Variant, root string) (front *server, err error) {
	command := append(slices.Clone(s.target.Cmd), s.target.Args[v]...)
	var behind *server
	if len(s.target.Behind) > 0 {
		args := append(slices.Clone(s.target.Behind), s.target.BehindArgs[v]...)
		if behind, err = startServer(v, args, root, false); err != nil {
			return nil, err
		}
		for i := range command {
			command[i] = strings.ReplaceAll(command[i], "{behind}", behind.addr)
		}
	}
	if front, err = startServer(v, command, root, s.target.TLS); err != nil {
		if behind != nil {
			behind.kill()
		}
		return nil, err
	}
	front.upstream = behind
	return front, nil
}

// Finish looks at the servers after the last case: alive, no connection left, and an
// orderly end. It returns one error for each thing that is not so.
func (s *Suite) Finish() (errs []error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	errs = append(errs, s.deaths...)
	for v, entry := range s.servers {
		if entry.server == nil {
			continue
		}
		for server := entry.server; server != nil; server = server.upstream { // whoever is behind ends last
			for _, check := range []func() error{server.alive, server.settled, server.stop} {
				if err := check(); err != nil {
					errs = append(errs, fmt.Errorf("%s, server %q: %w\n%s", s.target.Name, v, err, server.output))
				}
			}
		}
	}
	return errs
}

// CloseOnSignal closes the suite and exits with a status when the command is interrupted: the
// servers are in process groups of their own, and would stay. The function returned ends the watch.
func (s *Suite) CloseOnSignal(status int) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case <-signals:
			s.Close()
			os.Exit(status)
		case <-done:
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

// Close ends what is still running and removes the document root. It may be called
// while cases are played, to give up.
func (s *Suite) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, entry := range s.servers {
		entry.server.killAll()
	}
	if s.temp != "" {
		_ = os.RemoveAll(s.temp)
	}
}

// Run plays all cases as subtests TOPIC/NAME of t, and looks at the servers when the
// last of them is through.
func Run(t *testing.T, target Target) {
	t.Helper()
	suite, err := New(target)
	if err != nil {
		t.Fatal(err)
	}
	for _, named := range []map[string]string{target.LeftOut, target.Differs} {
		for id := range named {
			if !slices.ContainsFunc(Cases(), func(c Case) bool { return c.ID == id }) {
				t.Errorf("no case is called %s", id)
			}
		}
	}
	t.Cleanup(func() { // runs after the parallel subtests
		defer suite.Close()
		for _, err := range suite.Finish() {
			t.Errorf("after the last case: %v", err)
		}
	})
	for cases := range byTopic(Cases()) {
		t.Run(cases[0].Topic(), func(t *testing.T) {
			t.Parallel()
			suite.runTopic(t, cases)
		})
	}
}

// runTopic plays a topic's cases at once and reports them one by one. Subtests that
// ran in parallel themselves would wait for one another at the limit of -parallel,
// which is the number of CPUs, while most of a case's time is waiting. The Short server has
// deadlines of a second. Where the machine lets a client wait for as long, it is the client who is
// late: so a case that fails there is played once more, by itself.
func (s *Suite) runTopic(t *testing.T, cases []Case) {
	results := make([]Result, len(cases))
	var all sync.WaitGroup
	for i := range cases {
		all.Go(func() { results[i] = s.Play(&cases[i]) })
	}
	all.Wait()
	for i := range results {
		r := &results[i]
		if r.Level() != None && cases[i].variant == Short {
			*r = s.Play(&cases[i])
		}
		t.Run(r.Case.Name(), func(t *testing.T) {
			why, differs := s.target.Differs[r.Case.ID]
			switch failed := r.Level() != None; {
			case r.Skipped != "":
				t.Skip(r.Skipped)
			case failed && differs:
				t.Logf("as it must be here, since %s: %s", why, r.Explain())
			case failed:
				t.Error(r.Explain())
			case differs:
				t.Errorf("it does not differ any more, although %s", why)
			}
		})
	}
}

// byTopic yields the runs of cases of one topic.
func byTopic(cases []Case) iter.Seq[[]Case] {
	return func(yield func([]Case) bool) {
		for from, i := 0, 1; i <= len(cases); i++ {
			if i == len(cases) || cases[i].Topic() != cases[from].Topic() {
				if !yield(cases[from:i]) {
					return
				}
				from = i
			}
		}
	}
}
