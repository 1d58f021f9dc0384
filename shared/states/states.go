// Package states is the table of a state machine: which states may follow each, asserted at every
// move. A move that the table does not have is a fault of the program, and ends it.
package states

import "fmt"

// Set is some of a machine's states, one bit each. There may be 32 states.
type Set[S ~uint8] uint32

// Of is the set of these states.
func Of[S ~uint8](states ...S) (s Set[S]) {
	for _, state := range states {
		s |= 1 << state
	}
	return s
}

// Has reports whether a state is in the set.
func (s Set[S]) Has(state S) bool { return s>>state&1 == 1 }

// Table has, for each state, those that it may lead to. States behind its end lead nowhere.
type Table[S ~uint8] []Set[S]

// Move moves a machine from the state that it is in. The name is for the panic's text.
func (t Table[S]) Move(name string, state *S, next S) {
	if int(*state) >= len(t) || !t[*state].Has(next) {
		panic(fmt.Sprintf("%s: no way from state %d to %d", name, *state, next))
	}
	*state = next
}
