package chain_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
)

// What is large is not copied on its way, and its memory is not read into again before it has left.
func TestWhatIsReadLargeGoesIntoAChainAsItLies(t *testing.T) {
	in, q := chain.NewIntake(), chain.New(bufpool.New(chain.ChunkSize, 4))
	room := in.Room()
	require.Len(t, room, chain.IntakeSize)
	require.Same(t, unsafe.SliceData(room), unsafe.SliceData(in.Room()), "the same until something is read")
	q.Append(in.Took(chain.IntakeSize))
	iov, _ := q.Bytes(make([][]byte, 0, 4))
	require.Same(t, unsafe.SliceData(room), unsafe.SliceData(iov[0]))
	other := in.Room()
	require.NotSame(t, unsafe.SliceData(room), unsafe.SliceData(other))
	q.Append(in.Took(chain.IntakeSize))
	q.Ack(chain.IntakeSize)
	require.Same(t, unsafe.SliceData(room), unsafe.SliceData(in.Room()), "it has left")
	q.Reset()
}

func TestWhatIsReadSmallIsCopied(t *testing.T) {
	in, q := chain.NewIntake(), chain.New(bufpool.New(chain.ChunkSize, 4))
	room := in.Room()
	copy(room, "small")
	p, ref := in.Took(5)
	require.Nil(t, ref)
	q.Append(p, ref)
	require.Same(t, unsafe.SliceData(room), unsafe.SliceData(in.Room()))
	clear(room[:5])
	iov, _ := q.Bytes(make([][]byte, 0, 4))
	require.Equal(t, "small", string(iov[0]))
}

func TestReadingAllocatesNothingWhileAllIsSent(t *testing.T) {
	in, q := chain.NewIntake(), chain.New(bufpool.New(chain.ChunkSize, 4))
	require.Zero(t, testing.AllocsPerRun(10, func() {
		for range 3 {
			in.Room()
			q.Append(in.Took(chain.IntakeSize))
		}
		q.Ack(q.Len())
	}))
}
