package conformance

// Every case of the table must notice the flaw that was made for it. The servers are those of
// internal/flawed, each with one flaw.

import (
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/tests/conformance/internal/flawed"
)

// Every flaw is caught by the case named for it, and no case complains without one.
func TestEachFlawIsCaughtByItsCase(t *testing.T) {
	root := filepath.Join(t.TempDir(), "site")
	require.NoError(t, MakeSite(root))
	var verdicts []verdict
	for _, row := range []struct {
		flaw flawed.Flaw
		id   string
	}{
		{flawed.OneReadOneRequest, "request-line/plain"},
		{flawed.DropsPipelined, "pipeline/two"},
		{flawed.WaitsForSecond, "pipeline/half-request-behind"},
		{flawed.RunsBehindClose, "connection/close"},
		{flawed.CloseCaseSensitive, "connection/close-case"},
		{flawed.CloseFirstItemOnly, "connection/close-list"},
		{flawed.HalfCloseIsGone, "closing/half-close"},
		{flawed.StaysAfterBadLength, "content-length/letter"},
		{flawed.LengthPrefix, "content-length/letter"},
		{flawed.LengthSign, "content-length/plus"},
		{flawed.FirstOfTwoLengths, "content-length/twice-different"},
		{flawed.LengthBesideChunked, "transfer-encoding/with-length"},
		{flawed.UnknownCodingIgnored, "transfer-encoding/unknown"},
		{flawed.ChunkSizeWraps, "chunked/size-17-digits"},
		{flawed.ChunkEndUnchecked, "chunked/data-any-two"},
		{flawed.TrailerUnread, "chunked/trailer"},
		{flawed.GetBodyUnread, "unasked-body/get"},
		{flawed.NoContinue, "expect/continue"},
		{flawed.HostOptional, "host/missing"},
		{flawed.TwoHosts, "host/twice-equal"},
		{flawed.SpaceBeforeColon, "fields/space-before-colon"},
		{flawed.FoldedLines, "fields/obs-fold"},
		{flawed.BareLF, "fields/bare-lf"},
		{flawed.MethodAnyCase, "method/lower-case"},
		{flawed.VersionAnyCase, "request-line/version-lower-case"},
		{flawed.HeadBody, "head/no-body"},
		{flawed.HeadBody, "head/no-body-404"},
		{flawed.HeadOtherLength, "head/text"},
		{flawed.NoDate, "files/text"},
		{flawed.NoDateOnErrors, "host/missing"},
		{flawed.NoAllow, "method/put"},
		{flawed.LFInHead, "files/text"},
		{flawed.TwoLengths, "files/text"},
		{flawed.ShortBody, "files/content"},
		{flawed.LongBody, "files/text"},
		{flawed.BodyOf304, "conditional/none-match"},
		{flawed.NoWeakCompare, "conditional/none-match-weak"},
		{flawed.FirstTagOnly, "conditional/none-match-list"},
		{flawed.DateBeatsTag, "conditional/none-match-first-304"},
		{flawed.RangeOffByOne, "range/middle"},
		{flawed.SuffixFromStart, "range/suffix"},
		{flawed.RangeOnHead, "range/on-head"},
		{flawed.IfRangeIgnored, "range/if-range-other"},
		{flawed.DotsBeforeDecoding, "path/encoded"},
		{flawed.RootIsPrefix, "path/dot-dot"},
		{flawed.DecodesTwice, "path/double-encoded"},
		{flawed.FollowsLinks, "path/link-outside"},
		{flawed.OpensFIFO, "path/fifo"},
		{flawed.UploadKeepsPartial, "closing/end-in-body"},
	} {
		verdicts = append(verdicts, verdict{flaw: row.flaw, c: caseByID(t, row.id)})
	}
	// All at once: a case that finds its flaw mostly does so by waiting in vain.
	var all sync.WaitGroup
	for i := range verdicts {
		all.Go(func() {
			v := &verdicts[i]
			v.good, v.bad = judge(t, root, flawed.None, v.c), judge(t, root, v.flaw, v.c)
		})
	}
	all.Wait()
	for _, v := range verdicts {
		t.Run(v.c.ID+" catches a server that "+string(v.flaw), func(t *testing.T) {
			assert.Equal(t, None, v.good.Level(), "without the flaw: %s", v.good.Explain())
			assert.Empty(t, v.good.Skipped)
			assert.NotEqual(t, None, v.bad.Level(), "with the flaw the case still passes")
		})
	}
}

// verdict is what a case says of a server without and with a flaw.
type verdict struct {
	flaw      flawed.Flaw
	c         *Case
	good, bad Result
}

func caseByID(t *testing.T, id string) *Case {
	t.Helper()
	for _, c := range Cases() {
		if c.ID == id {
			return &c
		}
	}
	require.Fail(t, "no such case", id)
	return nil
}

// judge plays one case against a server with that flaw.
func judge(t *testing.T, root string, flaw flawed.Flaw, c *Case) Result {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if !assert.NoError(t, err) {
		return Result{Case: c}
	}
	defer l.Close()
	go (&flawed.Server{Root: root, Flaw: flaw}).Serve(l)
	suite, err := New(Target{Addr: l.Addr().String(), Root: root})
	if !assert.NoError(t, err) {
		return Result{Case: c}
	}
	defer suite.Close()
	return suite.Play(c)
}
