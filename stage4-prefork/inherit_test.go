//go:build linux

package main

// What a process finds in its environment about its role. No process is started; descriptors are
// files of the test's own.

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/shared/app"
	"fourways/tests/harness"
)

func TestWhoAProcessIsStandsInItsEnvironment(t *testing.T) {
	const socket = fdPassed + app.MemoryFiles + 2 // the first, behind two texts
	for _, c := range []struct {
		says, variable string
		want           *role
		wrong          string // in the error
	}{
		{says: "nothing: a master that somebody else has started"},
		{says: "an empty text is nothing", variable: ""},
		{says: "a worker", variable: `{"Process":3,"Position":2,"Configured":true}`, want: &role{Process: 3, Position: 2, Passed: app.Passed{Configured: true}}},
		{
			says: "sockets, whose numbers are this process's own", variable: `{"Process":1,"Listeners":[{"FD":77,"Set":-1},{"FD":78,"Set":-1}]}`,
			want: &role{Process: 1, Passed: app.Passed{Listeners: []app.Listener{{FD: socket, Set: app.Everybody}, {FD: socket + 1, Set: app.Everybody}}}},
		},
		{says: "a new master", variable: `{"Master":true,"Activated":true}`, want: &role{Master: true, Passed: app.Passed{Activated: true}}},
		{says: "no JSON", variable: "worker", wrong: "unset it"},
		{says: "JSON that is no object", variable: "[]", wrong: "unset it"},
		{says: "a field of another type", variable: `{"Process":"one"}`, wrong: "unset it"},
		{says: "an address that is none", variable: `{"Listeners":[{"Want":{"IP":"here"}}]}`, wrong: "unset it"},
		{says: "half of a text", variable: `{"Process":1,`, wrong: "unset it"},
	} {
		t.Run(c.says, func(t *testing.T) {
			t.Setenv(roleVariable, c.variable)
			r, err := inheritedRole()
			if c.wrong != "" {
				require.ErrorContains(t, err, roleVariable)
				require.ErrorContains(t, err, c.wrong)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, r)
			_, there := os.LookupEnv(roleVariable)
			assert.False(t, there && c.variable != "", "it is not for those whom this process starts")
		})
	}
}

// A variable that somebody has set by hand ends the program with one line that says so.
func TestARoleThatNobodyHasGivenIsRefused(t *testing.T) {
	for _, variable := range []string{"worker", "{}", `{"Process":-1}`, `{"Master":true}`} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(roleVariable, variable)
			code, stdout, stderr := harness.Run(t)
			assert.Equal(t, 1, code)
			assert.Empty(t, stdout)
			assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		})
	}
}
