package chain_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/chain/chaintest"
)

// Whatever is put in comes out, in order, however it is taken, and all that was
// lent is given back.
func TestAChainIsAQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pool := bufpool.New(chain.ChunkSize, 4)
		q := chain.New(pool)
		var want, got []byte
		refs := &chaintest.Counted{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			n := rapid.Int64Range(0, 20000).Draw(t, "n")
			p := chaintest.Content(n, n)
			switch rapid.IntRange(0, 5).Draw(t, "kind") {
			case 0:
				q.Copy(p)
				want = append(want, p...)
			case 1:
				b := q.Reserve(int(n % 2000))
				q.Commit(append(b, p...))
				want = append(want, p...)
			case 2:
				refs.Refs++
				q.AppendBytes(p, refs)
				want = append(want, p...)
			case 3:
				refs.Refs++
				q.AppendFile(refs, n, n)
				want = append(want, p...)
			default:
				got = append(got, chaintest.Drain(&q, rapid.Int64Range(1, 30000).Draw(t, "take"))...)
			}
			require.EqualValues(t, len(want)-len(got), q.Len())
			require.Equal(t, q.Len() == 0, q.Empty())
			require.EqualValues(t, len(got), q.Sent())
		}
		if rapid.Bool().Draw(t, "to the end") {
			for !q.Empty() {
				got = append(got, chaintest.Drain(&q, 7000)...)
			}
			require.True(t, bytes.Equal(want, got))
		}
		q.Reset()
		require.Zero(t, refs.Refs)
		require.Zero(t, pool.Out())
	})
}

func TestSmallPiecesAreOneSegment(t *testing.T) {
	q := chain.New(bufpool.New(chain.ChunkSize, 4))
	for range 100 {
		q.Copy([]byte("answer"))
	}
	iov, more := q.Bytes(make([][]byte, 0, 4))
	require.Len(t, iov, 1)
	require.False(t, more)
	require.Equal(t, strings.Repeat("answer", 100), string(iov[0]))
}

func TestBytesSaysThatAFileFollows(t *testing.T) {
	q := chain.New(bufpool.New(chain.ChunkSize, 4))
	f := &chaintest.Counted{Refs: 1}
	q.Copy([]byte("head"))
	q.AppendFile(f, 10, 20)
	q.Copy([]byte("tail"))
	iov, more := q.Bytes(make([][]byte, 0, 4))
	require.Len(t, iov, 1)
	require.True(t, more)
	q.Ack(4 + 5)
	_, off, n, ok := q.FileRange()
	require.True(t, ok)
	require.EqualValues(t, 15, off)
	require.EqualValues(t, 15, n)
	q.Ack(15)
	require.Zero(t, f.Refs)
	require.False(t, q.HasFile())
}

func TestNoMoreCanBeAcknowledgedThanThereIs(t *testing.T) {
	q := chain.New(bufpool.New(chain.ChunkSize, 4))
	q.Copy([]byte("four"))
	require.Panics(t, func() { q.Ack(5) })
}

// What was read of a file for its sending is noted where the file stands, whatever lies before it,
// and counts for this turn.
func TestAChainKnowsWhatWasReadForIt(t *testing.T) {
	q := chain.New(bufpool.New(chain.ChunkSize, 4))
	says := func(n int64, fresh bool) {
		t.Helper()
		read, now := q.FileRead()
		require.Equal(t, n, read)
		require.Equal(t, fresh, now)
	}
	says(0, false)
	q.NoteRead(5) // there is no file
	q.Copy([]byte("head"))
	q.AppendFile(&chaintest.Counted{Refs: 1}, 0, 100)
	q.AppendFile(&chaintest.Counted{Refs: 1}, 0, 100)
	says(0, false)
	q.NoteRead(50)
	q.Ack(4)
	says(50, true)
	q.Ack(20)
	says(30, true)
	q.NoteWait()
	says(30, false)
	q.Ack(40)
	says(0, false)
	q.NoteRead(40)
	says(40, true)
	q.Ack(40)
	says(0, false)
}

// A chain that is empty leaves its memory to others of its thread, and what is put into one costs
// no allocation while there is some.
func TestEmptyChainsShareTheirMemory(t *testing.T) {
	pool, spare := bufpool.New(chain.ChunkSize, 4), &chain.Spare{}
	chains := make([]chain.Chain, 100)
	for i := range chains {
		chains[i] = chain.NewSparing(pool, spare)
	}
	each := testing.AllocsPerRun(10, func() {
		for i := range chains {
			q := &chains[i]
			q.Copy([]byte("answer"))
			q.Ack(q.Len())
			q.Reset()
			q.Copy([]byte("left"))
			q.Reset()
		}
	})
	require.Zero(t, each)
	q := &chains[0]
	for range 100 { // more than such memory has room for
		q.AppendBytes([]byte("x"), nil)
	}
	require.EqualValues(t, 100, q.Len())
	q.Ack(q.Len())
	q.Reset()
	require.True(t, q.Empty())
}
