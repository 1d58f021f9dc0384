package session

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/chain"
	"fourways/shared/fault"
	"fourways/shared/stats"
)

// Where a thread's connections hold all the memory that they may, nobody begins another request;
// what is under way ends as it began, and then there is room again.
func TestWhereMemoryIsShortNobodyBeginsAnything(t *testing.T) {
	r := newRig(t)
	var other Session
	other.Open(r.thread, Admission{}, peer, 4)
	other.Step()
	n := copy(other.Recv(), "GET /a HT")
	other.Received(n)
	other.Step()
	lent := r.thread.lentBytes()
	r.thread.Memory = lent + 1 // there is room for one
	require.False(t, r.over, "who is idle may stay")

	r.send(request("a"))
	require.Equal(t, []string{"503"}, r.statuses())
	require.True(t, r.shut)
	require.EqualValues(t, 1, r.srv.Stats.Refused(fault.MemoryShort))
	require.Equal(t, lent, r.thread.lentBytes(), "and nothing is kept for whoever was refused")

	n = copy(other.Recv(), "TP/1.1\r\nHost: h\r\n\r\n")
	other.Received(n)
	other.Step()
	require.EqualValues(t, 1, r.srv.Stats.Total(stats.Requests), "a request that had begun is answered")
	other.Close()
	require.Zero(t, r.thread.lentBytes())
	r.connect()
	r.got = nil
	r.send(request("a"))
	require.Equal(t, []string{"200"}, r.statuses())
}

func TestWhatIsHeldOutsideOfThePoolsCounts(t *testing.T) {
	r := newRig(t)
	r.thread.Memory = 4 * chain.ChunkSize
	require.False(t, r.thread.Scarce())
	r.thread.Hold(2 * chain.ChunkSize)
	require.True(t, r.thread.Scarce())
	require.False(t, r.thread.Full())
	r.thread.Pool(2 * chain.ChunkSize).Get()
	require.True(t, r.thread.Full())
	r.thread.Hold(-2 * chain.ChunkSize)
	require.False(t, r.thread.Full())
	r.thread.Memory = 0
	require.False(t, r.thread.Full(), "0 is no bound")
}

// What is read to be passed on counts as long as somebody holds it. Where memory is scarce nothing
// is read that would be held, and nothing is in a pipe that would have to be.
func TestNothingLargeIsReadAheadWhereMemoryIsScarce(t *testing.T) {
	r := newRig(t)
	r.thread.Pipes = onePipe{}
	r.thread.Memory = 2 * chain.IntakeSize
	require.Equal(t, chain.IntakeSize, len(r.thread.Room()))
	_, held := r.thread.Intake().Took(chain.IntakeSize)
	require.NotNil(t, held)
	require.True(t, r.thread.Scarce())
	require.Nil(t, r.thread.Pipe())
	_, none := r.thread.Intake().Took(len(r.thread.Room()))
	require.Nil(t, none, "it is copied")
	require.True(t, r.thread.Full())
	held.Release()
	require.False(t, r.thread.Full())
	r.thread.Memory *= 2
	require.NotNil(t, r.thread.Pipe())
}

// onePipe lends a pipe, which nobody fills.
type onePipe struct{}

func (onePipe) Get() chain.Pipe { return struct{ chain.Pipe }{} }
