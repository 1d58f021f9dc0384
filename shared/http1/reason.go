package http1

// Reason says why a request was refused or failed. One list serves the whole
// server, the checks above this package included, so that log, statistics and
// error pages use the same words, and counters can be arrays.
type Reason uint8

const (
	NoReason Reason = iota

	// The wire (this package).
	BadRequestLine
	BadTarget
	BadVersion
	UnsupportedVersion
	BadLineEnding
	BadField
	TargetTooLong
	HeadTooLarge
	TooManyFields
	BadContentLength
	BadTransferEncoding
	UnknownCoding
	AmbiguousFraming
	BadChunk
	BadTrailer
	BodyTooLarge
	CutShort

	// The checks on one request.
	MissingHost
	RepeatedHost
	BadHost
	ForeignHost
	BadPathEncoding
	PathTraversal
	HiddenFile
	OutsideRoot
	RefusedType
	BadBodyType
	BadJSON
	EmptyBody
	UnknownExpectation
	UnknownMethod
	RefusedMethod

	// What was asked for.
	NotFound
	PreconditionFailed
	UnsatisfiableRange

	// Time, numbers and our own state.
	HeadTimeout
	BodyTooSlow
	ReaderTooSlow
	RateLimited
	Banned
	TooManyFromClient
	TooManyConnections
	TooManyRefused
	QueueFull
	Draining
	DiskFull
	Fault500

	NumReasons
)

var reasonText = [NumReasons]string{
	NoReason:            "none",
	BadRequestLine:      "bad-request-line",
	BadTarget:           "bad-target",
	BadVersion:          "bad-version",
	UnsupportedVersion:  "unsupported-version",
	BadLineEnding:       "bad-line-ending",
	BadField:            "bad-field",
	TargetTooLong:       "target-too-long",
	HeadTooLarge:        "head-too-large",
	TooManyFields:       "too-many-fields",
	BadContentLength:    "bad-content-length",
	BadTransferEncoding: "bad-transfer-encoding",
	UnknownCoding:       "unknown-transfer-coding",
	AmbiguousFraming:    "ambiguous-framing",
	BadChunk:            "bad-chunk",
	BadTrailer:          "bad-trailer",
	BodyTooLarge:        "body-too-large",
	CutShort:            "cut-short",
	MissingHost:         "missing-host",
	RepeatedHost:        "repeated-host",
	BadHost:             "bad-host",
	ForeignHost:         "foreign-host",
	BadPathEncoding:     "bad-path-encoding",
	PathTraversal:       "path-traversal",
	HiddenFile:          "hidden-file",
	OutsideRoot:         "outside-root",
	RefusedType:         "refused-type",
	BadBodyType:         "bad-body-type",
	BadJSON:             "bad-json",
	EmptyBody:           "empty-body",
	UnknownExpectation:  "unknown-expectation",
	UnknownMethod:       "unknown-method",
	RefusedMethod:       "refused-method",
	NotFound:            "not-found",
	PreconditionFailed:  "precondition-failed",
	UnsatisfiableRange:  "unsatisfiable-range",
	HeadTimeout:         "head-timeout",
	BodyTooSlow:         "body-too-slow",
	ReaderTooSlow:       "reader-too-slow",
	RateLimited:         "rate-limited",
	Banned:              "banned",
	TooManyFromClient:   "too-many-from-client",
	TooManyConnections:  "too-many-connections",
	TooManyRefused:      "too-many-refused",
	QueueFull:           "queue-full",
	Draining:            "draining",
	DiskFull:            "disk-full",
	Fault500:            "server-fault",
}

func (r Reason) String() string { return reasonText[r] }

// Refusal reports whether a security check or a limit turned the request away,
// as against an ordinary answer that happens to be an error: a file that is not
// there, a precondition that does not hold.
func (r Reason) Refusal() bool {
	switch r {
	case NoReason, NotFound, PreconditionFailed, UnsatisfiableRange, CutShort, Draining, DiskFull, Fault500:
		return false
	}
	return true
}

// Fault is an answer other than success: its status code (RFC 9110 section 15)
// and its reason. The zero Fault is none.
type Fault struct {
	Status int
	Reason Reason
}

// OK reports whether there is no fault.
func (f Fault) OK() bool { return f.Status == 0 }
