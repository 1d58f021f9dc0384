package conformance

// What a case is, and how a row of a table becomes one. To add a case, add its row to
// the table of its topic; to add a topic, add its function to Cases.

import (
	"fmt"
	"slices"
	"strings"
)

// Level says how binding an expectation is.
type Level uint8

// The order is that of weight: a case that breaks several is filed under the
// heaviest.
const (
	None   Level = iota
	SHOULD       // RFC 2119's SHOULD: a server may have its reasons
	HOUSE        // the policy of our own servers, where the RFCs leave a choice
	MUST         // RFC 2119's MUST
)

func (l Level) String() string { return [...]string{"-", "SHOULD", "HOUSE", "MUST"}[l] }

// Variant names a way of starting the server. Each is a process of its own.
type Variant string

// The variants that cases ask for.
const (
	Default Variant = "default" // no flags beyond the address and the root
	Short   Variant = "short"   // deadlines of about a second
	Inline  Variant = "inline"  // files under their own type, not as downloads
	Chunked Variant = "chunked" // files in chunks
	Limits  Variant = "limits"  // small limits of size and number
	Options Variant = "options" // CORS, an error page, extra fields
)

// Replay is one way of playing a case's bytes.
type Replay uint8

// The ways.
const (
	Whole      Replay = iota // in one write
	ByteByByte               // each byte in a write of its own
	Followed                 // with another request in the same write
)

func (r Replay) String() string {
	return [...]string{"in one write", "byte by byte", "with a request behind it"}[r]
}

// caretMark stands in a case's bytes before the byte that the case is about. It is
// not sent; the report sets its caret there.
const caretMark = "‸"

// longestByteByByte bounds what is sent in writes of one byte, in bytes: beyond it
// the replay costs time and finds nothing new.
const longestByteByByte = 2048

// Case is one thing a server must, should, or by our policy shall do.
type Case struct {
	ID    string // topic/short-name, what -run matches
	RFC   string // number and section, "9112 3.2"; "" where only our policy speaks
	Quote string // the sentence of the RFC that a MUST rests on, "" for the other levels
	Says  string // the expectation, as a sentence
	Level Level

	bytes    string // what goes out, with {names} to fill in (exchange.expand)
	wants    []want // the answers, in order
	script   func(x *exchange)
	variant  Variant
	replays  []Replay
	fixtures bool // needs files that only the suite's own root has
	streams  bool // asks for a file of 4 GiB: whoever takes files into memory whole would fall
	process  bool // needs to see the process's descriptors
}

// Topic is the part of the ID before the slash.
func (c *Case) Topic() string { topic, _, _ := strings.Cut(c.ID, "/"); return topic }

// Name is the part of the ID after the slash.
func (c *Case) Name() string { _, name, _ := strings.Cut(c.ID, "/"); return name }

// Variant is the way in which the case wants the server started.
func (c *Case) Variant() Variant { return c.variant }

func newCase(l Level, id, rfc, says, bytes string, wants []want) Case {
	c := Case{ID: id, RFC: rfc, Says: says, Level: l, bytes: bytes, wants: wants, variant: Default}
	c.replays = []Replay{Whole, ByteByByte, Followed}
	return c
}

// must, should and house make a case that is played from its bytes. A must rests on a sentence.
func must(id string, on sentence, says, bytes string, wants ...want) Case {
	return newCase(MUST, id, on.rfc, says, bytes, wants).quoting(on)
}

func should(id, rfc, says, bytes string, wants ...want) Case {
	return newCase(SHOULD, id, rfc, says, bytes, wants)
}

func house(id, rfc, says, bytes string, wants ...want) Case {
	return newCase(HOUSE, id, rfc, says, bytes, wants)
}

// script makes a case that is a dialogue. It is played once.
func script(l Level, id, rfc, says string, do func(x *exchange)) Case {
	c := newCase(l, id, rfc, says, "", nil)
	c.script, c.replays = do, []Replay{Whole}
	return c
}

// mustScript is script for what a sentence of an RFC demands.
func mustScript(id string, on sentence, says string, do func(x *exchange)) Case {
	return script(MUST, id, on.rfc, says, do).quoting(on)
}

// quoting notes the sentence that the case rests on.
func (c Case) quoting(on sentence) Case { c.Quote = on.text; return c }

// in has the case played against another variant of the server.
func (c Case) in(v Variant) Case { c.variant = v; return c }

// withFixtures marks a case that needs files beyond the sample site's.
func (c Case) withFixtures() Case { c.fixtures = true; return c }

// ofStreams marks a case that asks for the file of 4 GiB.
func (c Case) ofStreams() Case { c.fixtures, c.streams = true, true; return c }

// withProcess marks a case that looks at the server's process.
func (c Case) withProcess() Case { c.process = true; return c }

// once leaves the two replays out: for bodies that are large, or never end.
func (c Case) once() Case { c.replays = []Replay{Whole}; return c }

// alone leaves out the replay with a following request: where the bytes are not whole, what follows
// would become part of them.
func (c Case) alone() Case { c.replays = []Replay{Whole, ByteByByte}; return c }

// topic collects the cases of one topic and puts its name before theirs.
func topic(name string, groups ...[]Case) []Case {
	all := slices.Concat(groups...)
	for i := range all {
		all[i].ID = name + "/" + all[i].ID
	}
	return all
}

// each makes a case of every row of a table of bare values.
func each[R any](rows []R, build func(R) Case) []Case {
	cases := make([]Case, 0, len(rows))
	for _, row := range rows {
		cases = append(cases, build(row))
	}
	return cases
}

// Cases returns all cases, in the order of their topics. Their IDs are unique.
func Cases() []Case {
	cases := slices.Concat(
		requestLineCases(), targetCases(), hostCases(), fieldCases(),
		lengthCases(), codingCases(), chunkCases(), bodyCases(), expectCases(),
		connectionCases(), pipelineCases(),
		methodCases(), headCases(), fileCases(), changeCases(), typeCases(), encodingCases(),
		conditionalCases(), rangeCases(), uploadCases(), pathCases(),
		errorCases(), limitCases(), timeoutCases(), closingCases(), garbageCases(),
		healthCases(), optionCases(),
	)
	seen := make(map[string]bool, len(cases))
	for _, c := range cases {
		if seen[c.ID] {
			panic(fmt.Sprintf("conformance: two cases are called %s", c.ID))
		}
		seen[c.ID] = true
	}
	return cases
}
