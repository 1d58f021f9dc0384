package partial

// What the piece has to do. These tests are a reader's as well, so they need nothing but the
// standard library; each of them fails on the skeleton.

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// file is a text that counts how often it was released.
type file struct {
	*strings.Reader
	released int
}

func (f *file) Release() { f.released++ }

func newFile(text string) *file { return &file{Reader: strings.NewReader(text)} }

// sips is a socket that takes no more than the next number of bytes, and nothing where that is 0.
type sips struct {
	got   strings.Builder
	takes []int
}

func (s *sips) write(p []byte) (int, error) {
	if len(s.takes) == 0 {
		s.got.Write(p)
		return len(p), nil
	}
	n := min(s.takes[0], len(p))
	s.takes = s.takes[1:]
	s.got.Write(p[:n])
	return n, nil
}

// message is head, ten bytes of a file from the third on, and an end.
func message() (*Chain, *file, string) {
	var c Chain
	f := newFile("0123456789abcdef")
	c.AppendBytes([]byte("head"))
	c.AppendFile(f, 3, 10)
	c.AppendBytes([]byte("end"))
	return &c, f, "head3456789abcend"
}

func TestAllIsSentInOrder(t *testing.T) {
	c, f, want := message()
	if c.Len() != int64(len(want)) {
		t.Errorf("Len is %d, want %d", c.Len(), len(want))
	}
	s := &sips{}
	if done, err := c.Write(s.write); !done || err != nil || s.got.String() != want || c.Len() != 0 {
		t.Errorf("%q, done: %v, %v, %d left; want %q", &s.got, done, err, c.Len(), want)
	}
	if f.released != 1 {
		t.Errorf("the file is released %d times", f.released)
	}
}

// Whatever a socket takes, and wherever it stops, the rest comes next.
func TestEveryWayToTakeIt(t *testing.T) {
	for step := 1; step < 20; step++ {
		for stop := range 20 {
			c, f, want := message()
			s := &sips{takes: make([]int, stop+1)} // the last one is 0
			for i := range stop {
				s.takes[i] = step
			}
			done, err := c.Write(s.write)
			if err != nil || done != (c.Len() == 0) || int64(s.got.Len())+c.Len() != int64(len(want)) {
				t.Fatalf("%d at a time, %d times: %q was taken, %d are left, done: %v, %v", step, stop, &s.got, c.Len(), done, err)
			}
			if done, err := c.Write((&sips{}).write); c.Len() != 0 || !done || err != nil {
				t.Fatalf("%d at a time, %d times: then %d are left, done: %v, %v", step, stop, c.Len(), done, err)
			}
			if f.released != 1 {
				t.Fatalf("%d at a time, %d times: the file is released %d times", step, stop, f.released)
			}
		}
	}
}

func TestTheRestIsTheRest(t *testing.T) {
	for step := 1; step < 20; step++ {
		c, _, want := message()
		s := &sips{}
		for range 2 * len(want) {
			s.takes = []int{step, 0}
			if done, _ := c.Write(s.write); done {
				break
			}
		}
		if s.got.String() != want {
			t.Fatalf("%d at a time: %q, want %q", step, &s.got, want)
		}
	}
}

func TestAFileThatShrinks(t *testing.T) {
	var c Chain
	f := newFile("short")
	c.AppendFile(f, 0, 10)
	s := &sips{}
	if done, err := c.Write(s.write); done || !errors.Is(err, io.ErrUnexpectedEOF) || s.got.String() != "short" {
		t.Errorf("%q, done: %v, %v; want the five bytes that are there, and io.ErrUnexpectedEOF", &s.got, done, err)
	}
	c.Drop()
	if f.released != 1 || c.Len() != 0 {
		t.Errorf("after Drop the file is released %d times, and %d bytes are left", f.released, c.Len())
	}
}

func TestAnErrorIsPassedOn(t *testing.T) {
	c, f, _ := message()
	broken := errors.New("broken pipe")
	if done, err := c.Write(func([]byte) (int, error) { return 0, broken }); done || !errors.Is(err, broken) {
		t.Errorf("done: %v, %v", done, err)
	}
	c.Drop()
	if f.released != 1 {
		t.Errorf("the file is released %d times", f.released)
	}
}
