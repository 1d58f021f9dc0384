package config

// Settings that are read again: which of them a process takes, which it keeps, and which mistakes
// count. The file is written anew for each reading; nothing else of a process can change. What must
// not be done: no test may share a variable of a stage's flags between two readings.

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAProcessTakesWhatItCanAndKeepsTheRest(t *testing.T) {
	path := file(t, "max-body 100\nworkers 3\nqueue 7\nmonitor-from 10.0.0.0/8\ntypes html\n")
	args := []string{"-config", path, "-types", "txt"}
	var queue, other int // of the process, and of what is read again
	before, err := Parse(sample(&queue), args, []string{"FOURWAYS_RATE=9"})
	require.NoError(t, err)
	again := func(text string) (*Config, Changes, error) {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return Again(sample(&other), args, []string{"FOURWAYS_RATE=9"}, before)
	}

	c, changes, err := again("max-body 100\nworkers 3\nqueue 7\nmonitor-from 10.0.0.0/8\ntypes html\n")
	require.NoError(t, err)
	assert.Equal(t, Changes{}, changes)
	assert.Equal(t, before.Limits, c.Limits)

	c, changes, err = again("max-body 200\nworkers 4\nlisten :1\nqueue 8\nmonitor-from 10.0.0.0/8\nmonitor-from ::1\ntypes png\nrate 8\n")
	require.NoError(t, err)
	assert.Equal(t, Changes{Taken: []string{"max-body", "monitor-from"}, Kept: []string{"listen", "workers", "queue"}}, changes,
		"what a flag or the environment outranks has not changed")
	assert.EqualValues(t, 200, c.Limits.Body)
	assert.Len(t, c.Monitor, 2)
	assert.Equal(t, 3, c.Workers)
	assert.Equal(t, before.Listen, c.Listen)
	assert.Equal(t, []int{7, 7}, []int{queue, other})

	c, changes, err = again("workers 3\nqueue 7\n")
	require.NoError(t, err)
	assert.Equal(t, []string{"max-body", "monitor-from"}, changes.Taken)
	assert.EqualValues(t, 1<<20, c.Limits.Body, "what is left out has its default")

	for text, says := range map[string]string{
		"max-body x\n":                         "max-body",
		"workers 0\n":                          "workers",
		"tls-listen :2\n":                      "there is no certificate",
		"nonsense 1\n":                         "no setting of this program",
		"workers 3\nqueue 7\ntls-cert a.pem\n": "has no key",
	} {
		_, _, err = again(text)
		assert.ErrorContains(t, err, says)
	}
	require.NoError(t, os.Remove(path))
	_, _, err = Again(sample(&other), args, nil, before)
	assert.ErrorContains(t, err, "give a file that can be read")
}

func TestWhatIsKeptMustFitTheRest(t *testing.T) {
	path := file(t, "proxy-protocol 127.0.0.1:8080\ntrusted-proxy 127.0.0.1\n")
	args := []string{"-config", path}
	before, err := Parse(sample(new(int)), args, nil)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("max-body 1\n"), 0o600))
	_, _, err = Again(sample(new(int)), args, nil, before)
	assert.ErrorContains(t, err, "nobody is trusted")
	assert.ErrorContains(t, err, "the server keeps -proxy-protocol")
}
