//go:build linux

package main

// The scoreboard: how it sums up, and that the README shows its file.
//
// Nobody is judged here. What must not be done: no test may say how other servers do, since they
// have newer versions some day.

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAScoreSumsUpByTopic(t *testing.T) {
	var j judgement
	require.NoError(t, json.Unmarshal([]byte(`{
		"everywhere": [{"level": "MUST", "text": "no Date", "rfc": "9110 6.6.1"}, {"level": "SHOULD", "text": "a blank"}],
		"cases": [{"case": "host/a", "outcome": "passed"}, {"case": "host/b", "outcome": "MUST"}, {"case": "host/c", "outcome": "skipped"},
			{"case": "range/a", "outcome": "SHOULD"}, {"case": "range/b", "outcome": "passed"}]}`), &j))
	topics, broken := j.count()
	assert.Equal(t, []topicScore{{"host", 2, 1, 0}, {"range", 2, 0, 1}, {everyone, 0, 1, 1}}, topics)
	assert.Equal(t, []string{"no Date (RFC 9110 6.6.1)", "host/b"}, broken)

	all := scores{Servers: []score{{Server: "mine", Topics: topics}, {Server: stage3Name, Topics: []topicScore{{"host", 3, 0, 0}, {everyone, 0, 0, 0}}}, {Server: "absent", Why: "it is not there"}}}
	assert.Equal(t, [][]string{
		{"topic", "mine", "stage 3"}, {"cases played", "4", "3"}, {"a MUST is broken", "2", "0"}, {"a SHOULD is not met", "2", "0"},
		{"host", "1", "✓"}, {"range", "0 + 1", "–"}, {everyone, "1 + 1", "✓"},
	}, all.table())
	assert.Contains(t, all.readme(), "absent: it is not there.")
}

// What the README shows is made by go run ./tests/bench -scoreboard.
func TestTheReadmeShowsTheScoreboard(t *testing.T) {
	text, err := os.ReadFile(root(t) + filepath.Join(resultsDir, scoreFile))
	require.NoError(t, err)
	var all scores
	require.NoError(t, json.Unmarshal(text, &all))
	readme, err := os.ReadFile(root(t) + readmeFile)
	require.NoError(t, err)
	_, shown, _, err := between(string(readme), scoreMark)
	require.NoError(t, err)
	assert.Equal(t, all.readme(), shown)
	for _, s := range all.Servers {
		if kindOf(s.Server) == "ours" {
			assert.Empty(t, s.Broken, s.Server)
			assert.Equal(t, topicScore{Played: s.sum().Played}, s.sum(), s.Server)
		}
	}
}
