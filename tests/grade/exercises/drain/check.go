package drain

// What the piece has to do. These tests are a reader's as well, so they need nothing but the
// standard library; each of them fails on the skeleton.

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// socket has texts to read, at most sip bytes at a time.
type socket struct {
	name    string
	text    string
	sip     int
	closed  bool
	fails   error
	reads   int
	endless bool // it never runs dry
}

func (s *socket) Read(p []byte) (int, error) {
	s.reads++
	switch {
	case s.endless:
		return copy(p, strings.Repeat("x", len(p))), nil
	case s.text == "" && s.fails != nil:
		return 0, s.fails
	case s.text == "" && s.closed:
		return 0, nil
	case s.text == "":
		return 0, ErrAgain
	}
	n := copy(p[:min(len(p), s.sip)], s.text)
	s.text = s.text[n:]
	return n, nil
}

// heard is a loop that writes down what it does.
func heard() (*Loop, *strings.Builder) {
	var log strings.Builder
	return &Loop{
		Got:   func(s Socket, data []byte) { fmt.Fprintf(&log, "%s:%s ", s.(*socket).name, data) },
		Ended: func(s Socket) { fmt.Fprintf(&log, "%s. ", s.(*socket).name) },
	}, &log
}

func TestAnEdgeIsReadToItsEnd(t *testing.T) {
	l, log := heard()
	l.Edge(&socket{name: "a", text: "hello, you", sip: 4})
	if sleep := l.Turn(); !sleep || log.String() != "a:hell a:o, y a:ou " {
		t.Errorf("%q, may sleep: %v", log, sleep)
	}
}

func TestNothingIsReadWithoutAnEdge(t *testing.T) {
	l, log := heard()
	s := &socket{name: "a", text: "one", sip: 9}
	l.Edge(s)
	l.Turn()
	s.text = "two"
	reads := s.reads
	if sleep := l.Turn(); !sleep || s.reads != reads || log.String() != "a:one " {
		t.Errorf("%q, may sleep: %v, %d reads too many", log, sleep, s.reads-reads)
	}
	l.Edge(s)
	l.Turn()
	if log.String() != "a:one a:two " {
		t.Errorf("%q", log)
	}
}

func TestAGreedyOneHasItsBudgetAndIsNotForgotten(t *testing.T) {
	l, log := heard()
	big := &socket{name: "a", text: strings.Repeat("x", 2*Budget+3), sip: 100}
	l.Edge(big)
	l.Edge(&socket{name: "b", text: "hi", sip: 9})
	full := "a:" + strings.Repeat("x", Budget) + " "
	for i, want := range []struct {
		says  string
		sleep bool
	}{{full + "b:hi ", false}, {full, false}, {"a:xxx ", true}} {
		log.Reset()
		if sleep := l.Turn(); sleep != want.sleep || log.String() != want.says {
			t.Fatalf("turn %d: %q, may sleep: %v; want %q, %v", i+1, log, sleep, want.says, want.sleep)
		}
	}
}

func TestTheBudgetIsOfAllReadsTogether(t *testing.T) {
	l, log := heard()
	l.Edge(&socket{name: "a", text: strings.Repeat("x", 3*Budget), sip: Budget - 3})
	if l.Turn(); strings.Count(log.String(), "x") != Budget {
		t.Errorf("%q: %d bytes in a turn, want %d", log, strings.Count(log.String(), "x"), Budget)
	}
}

// One that never runs dry must not keep a turn from ending.
func TestATurnEnds(t *testing.T) {
	l, _ := heard()
	s := &socket{name: "a", endless: true}
	l.Edge(s)
	for range 3 {
		before := s.reads
		if l.Turn() || s.reads == before {
			t.Fatal("there is more, and the loop would sleep")
		}
	}
}

func TestEndsAndErrors(t *testing.T) {
	l, log := heard()
	l.Edge(&socket{name: "a", text: "bye", sip: 9, closed: true})
	l.Edge(&socket{name: "b", text: "oh", sip: 9, fails: errors.New("reset")})
	if sleep := l.Turn(); !sleep || log.String() != "a:bye a. b:oh b. " {
		t.Errorf("%q, may sleep: %v", log, sleep)
	}
	if l.Turn(); log.String() != "a:bye a. b:oh b. " {
		t.Errorf("one that has ended is read again: %q", log)
	}
}

func TestTwoEdgesAreOneTurn(t *testing.T) {
	l, log := heard()
	s := &socket{name: "a", text: strings.Repeat("x", 2*Budget), sip: 100}
	l.Edge(s)
	l.Edge(s)
	l.Turn()
	if got := strings.Count(log.String(), "x"); got != Budget {
		t.Errorf("%d bytes in a turn, want %d", got, Budget)
	}
}
