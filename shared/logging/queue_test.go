package logging

// The queue before the log's writer: order, limits, and writers that hang or fail. The writer is
// the test's own, and waits until it is told to go on.

import (
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

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

func asText(w io.Writer) *slog.Logger { return New(w, slog.LevelInfo, false) }

// What is lost is told in the form of all other lines, or a reader of JSON fails at that line.
func TestALogOfJSONIsThatWhenLinesWereLost(t *testing.T) {
	f := &failing{}
	q := NewQueue(f, func(w io.Writer) *slog.Logger { return New(w, slog.LevelInfo, true).With(WorkerKey, "main") })
	q.Write([]byte("{}\n"))
	require.Eventually(t, func() bool { return q.Failed() == 1 }, 20*time.Second, time.Millisecond)
	f.take(1000)
	q.Write([]byte("{}\n"))
	q.Close()
	for line := range strings.Lines(f.text.String()) {
		require.True(t, json.Valid([]byte(line)), line)
	}
	require.Regexp(t, `"level":"ERROR","msg":"1 line of the log was lost: nobody took it","worker":"main"`, f.text.String())
}

func TestAStalledWriterStopsNobody(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	q := NewQueue(g, asText)
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
	q := NewQueue(g, asText)
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
	q := NewQueue(&gate{open: make(chan struct{})}, asText)
	q.Write([]byte("line\n"))
	q.Close()
}

// failing is a disk that takes so many bytes of each write, and then is full.
type failing struct {
	mu    sync.Mutex
	takes int
	text  strings.Builder
}

func (f *failing) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(f.takes, len(p))
	f.text.Write(p[:n])
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

func (f *failing) take(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.takes = n
}

func TestLinesThatAreNotWrittenAreCountedAndTold(t *testing.T) {
	f := &failing{takes: 12}
	q := NewQueue(f, asText)
	q.Write([]byte("written\nhalf written\nnot written\n"))
	require.Eventually(t, func() bool { return q.Failed() == 1 }, 20*time.Second, time.Millisecond)
	require.EqualValues(t, 2, q.Lost())
	f.take(1000)
	q.Write([]byte("again\n"))
	q.Close()
	require.Regexp(t, `^written\nhalfagain\n\[[-0-9: ]+\] 2 lines of the log were lost: nobody took them level=ERROR\n$`, f.text.String())
	q.Write([]byte("too\nlate\n"))
	require.EqualValues(t, 4, q.Lost())
	require.EqualValues(t, 1, q.Failed())
}

func TestAQueueWhoseLastWriteFailsCloses(t *testing.T) {
	q := NewQueue(&failing{}, asText)
	q.Write([]byte("line\n"))
	go q.Close()
	select {
	case <-q.done: // it did not have to be given up
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
	require.EqualValues(t, 1, q.Lost())
}
