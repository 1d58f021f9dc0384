package book

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestLabs(t *testing.T) {
	project := Project{FS: fstest.MapFS{"docs/results/labs/ten.json": {Data: []byte(
		`{"at": "2026-11-30T10:00:00Z", "kernel": "linux 6.18", "machine": "amd64, 2 processors", "drawn": ["one ██ 2.06 s", "two █ 1 s"],
		"bars": [{"Label": "one", "From": 0, "To": 2.06}, {"Label": "two, or so", "From": 1, "To": 2}]}`)}}}
	drawn := "```text\none ██ 2.06 s\ntwo █ 1 s\n\ngo run ./tests/lab ten: recorded 2026-11-30 on linux 6.18, amd64, 2 processors.\n```\n"
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"what the run drew", "<!-- lab: ten -->\n" + drawn, nil},
		{"another drawing", "<!-- lab: ten -->\n```text\none █ 1 s\n```\n", []string{"is not what the recorded run drew"}},
		{"no such run", "<!-- lab: eleven -->\n" + drawn, []string{"does not exist"}},
		{"no name", "<!-- lab -->\n" + drawn, []string{"write it as"}},
		{"another fence", "<!-- lab: ten -->\n```console\n```\n", []string{"write it as"}},
		{"what is said without one", drawn, nil},
	} {
		t.Run(c.name, func(t *testing.T) { wantFindings(t, project.Labs(page(c.text)), c.want...) })
	}
	t.Run("the page is mended", func(t *testing.T) {
		d := page("<!-- lab: ten -->\n```text\nx\n```\n")
		fix := project.Labs(d)[0].Fix
		require.Equal(t, "<!-- lab: ten -->\n"+drawn, splice(d.Text, []Edit{*fix}))
	})
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"the length of a bar, rounded as the text is", "<!-- result: lab ten one -->2.1<!-- /result -->, <!-- result: lab ten two, or so -->1<!-- /result -->", nil},
		{"another length", "<!-- result: lab ten one -->2.2<!-- /result -->", []string{`the page says "2.2", the result is "2.1"`}},
		{"no such bar", "<!-- result: lab ten three -->2<!-- /result -->", []string{`has no bar "three"`}},
	} {
		t.Run(c.name, func(t *testing.T) { wantFindings(t, project.Results(page(c.text)), c.want...) })
	}
}
