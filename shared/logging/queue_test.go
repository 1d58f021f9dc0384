package logging

// The queue before the log's writer: order, limits, and writers that hang or fail. The writer is
// the test's own, and waits until it is told to go on.

import (
	"io"
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
	q := NewQueue(f)
	q.Write([]byte("written\nhalf written\nnot written\n"))
	require.Eventually(t, func() bool { return q.Failed() == 1 }, 20*time.Second, time.Millisecond)
	require.EqualValues(t, 2, q.Lost())
	f.take(1000)
	q.Write([]byte("again\n"))
	q.Close()
	require.Equal(t, "written\nhalfagain\n2 lines of the log were lost: nobody took them\n", f.text.String())
	q.Write([]byte("too\nlate\n"))
	require.EqualValues(t, 4, q.Lost())
	require.EqualValues(t, 1, q.Failed())
}

func TestAQueueWhoseLastWriteFailsCloses(t *testing.T) {
	q := NewQueue(&failing{})
	q.Write([]byte("line\n"))
	go q.Close()
	select {
	case <-q.done: // it did not have to be given up
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
	require.EqualValues(t, 1, q.Lost())
}
