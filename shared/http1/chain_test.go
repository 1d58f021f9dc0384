package http1

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fourways/shared/bufpool"
)

// counted is a file, or the owner of some bytes, that counts its references.
type counted struct{ refs int }

func (c *counted) Release() { c.refs-- }

// content is what drain writes for a range of a test's file: each byte tells its offset.
func content(off, n int64) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(off + int64(i))
	}
	return p
}

// drain takes up to n bytes off the front of the chain, as a writer would.
func drain(q *Chain, n int64) (out []byte) {
	iov, more := q.Bytes(make([][]byte, 0, 3))
	for _, p := range iov {
		out = append(out, p[:min(int64(len(p)), n-int64(len(out)))]...)
	}
	if len(iov) == 0 && more {
		_, off, have, _ := q.FileRange()
		out = content(off, min(have, n))
	}
	q.Ack(int64(len(out)))
	return out
}

// Whatever is put in comes out, in order, however it is taken, and all that was
// lent is given back.
func TestAChainIsAQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pool := bufpool.New(ChunkSize, 4)
		q := NewChain(pool)
		var want, got []byte
		refs := &counted{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			n := rapid.Int64Range(0, 20000).Draw(t, "n")
			p := content(n, n)
			switch rapid.IntRange(0, 5).Draw(t, "kind") {
			case 0:
				q.Copy(p)
				want = append(want, p...)
			case 1:
				b := q.Reserve(int(n % 2000))
				q.Commit(append(b, p...))
				want = append(want, p...)
			case 2:
				refs.refs++
				q.AppendBytes(p, refs)
				want = append(want, p...)
			case 3:
				refs.refs++
				q.AppendFile(refs, n, n)
				want = append(want, p...)
			default:
				got = append(got, drain(&q, rapid.Int64Range(1, 30000).Draw(t, "take"))...)
			}
			require.EqualValues(t, len(want)-len(got), q.Len())
			require.Equal(t, q.Len() == 0, q.Empty())
			require.EqualValues(t, len(got), q.Sent())
		}
		if rapid.Bool().Draw(t, "to the end") {
			for !q.Empty() {
				got = append(got, drain(&q, 7000)...)
			}
			require.True(t, bytes.Equal(want, got))
		}
		q.Reset()
		require.Zero(t, refs.refs)
		require.Zero(t, pool.Out())
	})
}

func TestSmallPiecesAreOneSegment(t *testing.T) {
	q := NewChain(bufpool.New(ChunkSize, 4))
	for range 100 {
		q.Copy([]byte("answer"))
	}
	iov, more := q.Bytes(make([][]byte, 0, 4))
	require.Len(t, iov, 1)
	require.False(t, more)
	require.Equal(t, strings.Repeat("answer", 100), string(iov[0]))
}

func TestBytesSaysThatAFileFollows(t *testing.T) {
	q := NewChain(bufpool.New(ChunkSize, 4))
	f := &counted{refs: 1}
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
	require.Zero(t, f.refs)
	require.False(t, q.HasFile())
}

func TestNoMoreCanBeAcknowledgedThanThereIs(t *testing.T) {
	q := NewChain(bufpool.New(ChunkSize, 4))
	q.Copy([]byte("four"))
	require.Panics(t, func() { q.Ack(5) })
}
