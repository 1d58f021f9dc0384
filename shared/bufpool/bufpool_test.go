package bufpool

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheLastSliceGivenBackIsLentFirst(t *testing.T) {
	p := New(64, 8)
	a, b := p.Get(), p.Get()
	require.Equal(t, 2, p.Out())
	p.Put(a)
	p.Put(b[:3])
	require.Zero(t, p.Out())
	again := p.Get()
	require.Same(t, &b[0], &again[0])
	require.Len(t, again, 64)
}

func TestNoMoreThanKeepAreKept(t *testing.T) {
	p := New(8, 1)
	a, b := p.Get(), p.Get()
	p.Put(a)
	p.Put(b)
	require.Len(t, p.free, 1)
}

func TestASliceOfAnotherSizeIsRefused(t *testing.T) {
	require.Panics(t, func() { New(8, 1).Put(make([]byte, 9)) })
}

func TestLendingDoesNotAllocate(t *testing.T) {
	p := New(16, 1)
	p.Put(p.Get())
	require.Zero(t, testing.AllocsPerRun(100, func() { p.Put(p.Get()) }))
}
