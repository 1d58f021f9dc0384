package states

import (
	"testing"

	"github.com/stretchr/testify/require"
)

type light uint8

const (
	red light = iota
	green
	off
	broken
)

func TestAMoveThatTheTableDoesNotHaveIsAFault(t *testing.T) {
	table := Table[light]{red: Of(green, off), green: Of(red)}
	for _, c := range []struct {
		from, to light
		may      bool
	}{
		{red, green, true},
		{red, off, true},
		{red, red, false},
		{green, red, true},
		{green, off, false},
		{off, red, false},
		{broken, red, false},
	} {
		state := c.from
		if c.may {
			table.Move("light", &state, c.to)
			require.Equal(t, c.to, state)
			continue
		}
		require.PanicsWithValue(t, "light: no way from state "+string('0'+rune(c.from))+" to "+string('0'+rune(c.to)),
			func() { table.Move("light", &state, c.to) })
		require.Equal(t, c.from, state)
	}
}

func TestASetHasWhatItIsOf(t *testing.T) {
	s := Of(red, off)
	for state, has := range map[light]bool{red: true, green: false, off: true, broken: false} {
		require.Equal(t, has, s.Has(state))
	}
	require.False(t, Of[light]().Has(red))
}
