package session

import (
	"net/netip"
	"strings"
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
	require.EqualValues(t, 2, r.srv.Stats.Total(stats.Requests), "a request that had begun is answered")
	other.Close()
	require.Zero(t, r.thread.lentBytes())
	r.connect()
	r.got = nil
	r.send(request("a"))
	require.Equal(t, []string{"200"}, r.statuses())
}

// Whoever may end a server that does not answer gets an answer, if the question comes whole: to
// wait for the rest of it would need memory. All others are told that there is none.
func TestWhereMemoryIsShortProbesAndReportsAreAnswered(t *testing.T) {
	const probe, report = "GET /probe HTTP/1.1\r\nHost: h\r\n\r\n", "GET /report HTTP/1.1\r\nHost: h\r\n\r\n"
	for name, tt := range map[string]struct {
		sent     string
		statuses []string
	}{
		"a probe":                                {probe, []string{"200"}},
		"a report":                               {report, []string{"200"}},
		"several":                                {probe + report + probe, []string{"200", "200", "200"}},
		"a request":                              {request("a"), []string{"503"}},
		"a request behind a probe":               {probe + request("a"), []string{"200", "503"}},
		"some of a probe":                        {probe[:20], []string{"503"}},
		"some of a probe behind another one":     {probe + probe[:20], []string{"200", "503"}},
		"a request with a body that is not here": {"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n", []string{"503"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.srv.Prober = prober{}
			r.thread.Hold(10)
			r.thread.Memory = 10
			r.send(tt.sent)
			require.Equal(t, tt.statuses, r.statuses())
			refused := tt.statuses[len(tt.statuses)-1] == "503"
			require.Equal(t, refused, r.shut)
			require.EqualValues(t, 10, r.thread.lentBytes(), "nothing is kept")
			require.EqualValues(t, len(tt.statuses), r.srv.Stats.Total(stats.Requests))
			require.Equal(t, strings.Count(strings.Join(tt.statuses, ""), "503")+strings.Count(tt.sent, report), len(r.ev.done), "all but probes are logged")
			if !refused {
				r.thread.Memory = 0
				r.got = nil
				r.send(request("a"))
				require.Equal(t, []string{"200"}, r.statuses(), "there is memory again")
			}
		})
	}
}

// Below HTTP nobody knows yet what is asked: whoever may probe finds an eighth more.
func TestThereIsAReserveForWhoMayProbe(t *testing.T) {
	r := newRig(t)
	stranger := netip.MustParseAddr("198.51.100.1")
	r.thread.Memory = 800
	r.thread.Hold(799)
	require.False(t, r.thread.FullTo(stranger))
	r.thread.Hold(1)
	require.True(t, r.thread.FullTo(peer.Addr()), "nobody may probe")
	r.srv.Prober = prober{}
	require.True(t, r.thread.FullTo(stranger))
	require.False(t, r.thread.FullTo(peer.Addr()))
	r.thread.Hold(100)
	require.True(t, r.thread.FullTo(peer.Addr()))
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
