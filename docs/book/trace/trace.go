// Package trace records what the steppers of the book play: a few system calls in an order in which
// something can be seen, made for real, with what the kernel and the program had after each.
//
// A trace is committed as docs/steppers/NAME.json. Its test makes the calls again and compares, so
// a stepper can say nothing that the system does not do. A trace must hold only what is the same
// on every machine: counts and contents, never times or descriptors' numbers. Where it shows the
// room of a socket, it uses a pipe of one page, whose room is known.
package trace

import (
	"encoding/json"
	"fmt"
)

// Trace is one recording.
type Trace struct {
	Title  string  `json:"title"`
	Frames []Frame `json:"frames"`
}

// Frame is one step.
type Frame struct {
	Says   string  `json:"says"`           // what happens, in a sentence
	Call   string  `json:"call,omitempty"` // the system call and what it returned
	Places []Place `json:"places"`         // what there is after it
}

// Place is one thing that the program or the kernel has.
type Place struct {
	Of    string   `json:"of"` // "program" or "kernel"
	Name  string   `json:"name"`
	Bytes string   `json:"bytes,omitempty"` // a cell each
	Words []string `json:"words,omitempty"` // what is no bytes
	Waits bool     `json:"waits,omitempty"` // somebody sleeps here
}

// JSON is the trace as it is committed.
func (t Trace) JSON() []byte {
	b, err := json.MarshalIndent(t, "", " ")
	if err != nil {
		panic(err) // strings and booleans
	}
	return append(b, '\n')
}

// recorder gathers frames. The first error ends the recording.
type recorder struct {
	trace Trace
	look  func() []Place // what there is now
	err   error
}

// step notes what there is after a call.
func (r *recorder) step(says, call string, args ...any) {
	r.trace.Frames = append(r.trace.Frames, Frame{Says: says, Call: fmt.Sprintf(call, args...), Places: r.look()})
}

// must keeps the first error.
func (r *recorder) must(n int, err error) int {
	if r.err == nil {
		r.err = err
	}
	return n
}

func bytesOf(of, name, b string) Place { return Place{Of: of, Name: name, Bytes: b} }

func wordsOf(of, name string, words ...string) Place { return Place{Of: of, Name: name, Words: words} }

// short writes many bytes in few: what a call is given is shown by its first.
func short(b string) string {
	if len(b) > 12 {
		return fmt.Sprintf("%q… (%d bytes)", b[:4], len(b))
	}
	return fmt.Sprintf("%q", b)
}
