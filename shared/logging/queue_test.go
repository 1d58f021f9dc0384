package logging

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// gate is a writer that stands still until it is opened.
type gate struct {
	open chan struct{}
	mu   sync.Mutex
	text strings.Builder
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.Write(p)
}

func TestAStalledWriterStopsNobody(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	q := NewQueue(g)
	line := []byte(strings.Repeat("x", 999) + "\n")
	const lines = 5 * queueSize / 1000
	for range lines {
		n, err := q.Write(line)
		require.NoError(t, err)
		require.Len(t, line, n)
	}
	close(g.open)
	q.Close()
	got := g.text.String()
	require.Contains(t, got, "lines of the log were lost")
	require.Greater(t, strings.Count(got, string(line)), queueSize/1000/2)
	require.Less(t, strings.Count(got, string(line)), lines)
}

func TestAllLinesAreWrittenInOrder(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	q := NewQueue(g)
	var want strings.Builder
	for i := range 1000 {
		line := strings.Repeat("a", i%50) + "\n"
		want.WriteString(line)
		q.Write([]byte(line))
	}
	q.Close()
	require.Equal(t, want.String(), g.text.String())
	q.Write([]byte("too late\n"))
	require.Equal(t, want.String(), g.text.String())
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	q := NewQueue(&gate{open: make(chan struct{})})
	q.Write([]byte("line\n"))
	q.Close()
}
