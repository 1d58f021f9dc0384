package chain_test

// Pipes in a chain: their place, their release, and what becomes of them where a socket is full.
//
// The pipes are buffers of the test's. What must not be done: the chain must not be asked to fill
// one, which is for machines.

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
)

// held is a pipe that is filled already.
type held struct {
	bytes.Buffer
	released bool
	most     int // bytes that one Read takes out
	err      error
}

func (p *held) Fill(int, int64) (int64, error) { panic("it is full") }
func (p *held) Pour(_ int, n int64) (int64, error) {
	p.Next(int(n))
	return n, nil
}

func (p *held) Read(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	return p.Buffer.Read(b[:min(len(b), p.most)])
}
func (p *held) Release() { p.released = true }

func pipeOf(n int) *held {
	p := &held{most: 10_000}
	for i := range n {
		p.WriteByte(byte(i / 7))
	}
	return p
}

func TestAPipeHasItsPlaceAmongTheRest(t *testing.T) {
	q := chain.New(bufpool.New(chain.ChunkSize, 4))
	q.Copy([]byte("head"))
	p := pipeOf(1000)
	q.AppendPipe(p, 1000)
	q.Copy([]byte("tail"))
	require.EqualValues(t, 1008, q.Len())
	require.True(t, q.Large())
	require.False(t, q.HasFile())
	_, _, ok := q.FrontPipe()
	require.False(t, ok, "the head comes first")
	iov, more := q.Bytes(make([][]byte, 0, 4))
	require.Len(t, iov, 1)
	require.True(t, more)
	q.Ack(4)
	front, n, ok := q.FrontPipe()
	require.True(t, ok)
	require.Same(t, p, front)
	require.EqualValues(t, 1000, n)
	q.Ack(400)
	_, n, _ = q.FrontPipe()
	require.EqualValues(t, 600, n)
	require.False(t, p.released)
	q.Ack(600)
	require.True(t, p.released)
	iov, more = q.Bytes(iov[:0])
	require.Equal(t, "tail", string(iov[0]))
	require.False(t, more)
}

// What a socket has not taken of a pipe is the same bytes in memory, in the same place.
func TestAPipeIsDrainedWhereItStands(t *testing.T) {
	const size = chain.PipeSize
	for _, sent := range []int64{0, 4, 5, 300, size - 100, size + 3, size + 4} {
		in, pool := chain.NewIntake(), bufpool.New(chain.ChunkSize, 4)
		q, p := chain.New(pool), pipeOf(size)
		want := append(append([]byte("head"), p.Bytes()...), "tail"...)
		q.Copy([]byte("head"))
		q.AppendPipe(p, size)
		q.Copy([]byte("tail"))
		p.Next(int(min(max(sent-4, 0), size)))
		q.Ack(sent)
		require.Equal(t, sent < size+4, q.Piped())
		require.NoError(t, q.Drain(in))
		require.False(t, q.Piped())
		require.True(t, p.released)
		require.EqualValues(t, int64(len(want))-sent, q.Len())
		var got []byte
		iov, more := q.Bytes(make([][]byte, 0, 4))
		require.False(t, more)
		for _, b := range iov {
			got = append(got, b...)
		}
		require.True(t, bytes.Equal(want[sent:], got))
		require.NoError(t, q.Drain(in), "there is none any more")
		q.Ack(q.Len())
		q.Reset()
		require.Zero(t, pool.Out())
	}
}

func TestAPipeThatCannotBeReadIsAnError(t *testing.T) {
	q, p := chain.New(bufpool.New(chain.ChunkSize, 4)), pipeOf(10)
	p.err = io.ErrUnexpectedEOF
	q.AppendPipe(p, 10)
	require.ErrorIs(t, q.Drain(chain.NewIntake()), p.err)
	q.Reset()
	require.True(t, p.released)
}
