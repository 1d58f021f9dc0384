// Package fault has the reasons for which a request is refused or fails: one list for the
// whole server, from the wire to the disk, so that log, statistics and error pages use the
// same words, and counters can be arrays.
//
// A new reason is one constant and one row of the table: its status, its name, and whether
// it is a refusal. Nothing else has to be told of it. The order of the constants is no
// part of any format; the names are (log lines, /stats, /metrics).
package fault

// Reason says why a request was refused or failed.
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
	TLSOnPlainPort
	BadStatusLine
	UnaskedAnswer
	TooManyHops

	// Below the wire: the PROXY protocol.
	ProxyStranger
	NoProxyHeader
	BadProxyHeader
	ProxyHeaderTimeout
	ProxyHeaderCut

	// Below the wire: TLS. Those of a handshake come first.
	PlainOnTLSPort
	BadClientHello
	BadServerName
	NoTLSVersion
	NoALPN
	NoCipher
	HandshakeBroken
	CertificateRefused
	HandshakeRefused
	HandshakeTimeout
	HandshakeCut
	TLSBroken
	TLSFlood
	TLSAlert

	// Connections that are passed on as they are.
	RelayRefused
	RelayTimeout

	// The checks on one request.
	MissingHost
	RepeatedHost
	BadHost
	ForeignHost
	Misdirected
	BadPathEncoding
	PathTraversal
	HiddenFile
	OutsideRoot
	RefusedType
	BadBodyType
	EncodedBody
	BadJSON
	EmptyBody
	UnknownExpectation
	UnknownMethod
	RefusedMethod
	NoPassword
	WrongPassword
	PasswordInTheOpen

	// What was asked for.
	NotFound
	PreconditionFailed
	UnsatisfiableRange

	// A server behind this one.
	UpstreamRefused
	UpstreamCut
	UpstreamMalformed
	UpstreamTimeout
	UpstreamsFull

	// Time, numbers and our own state.
	HeadTimeout
	BodyTooSlow
	ReaderTooSlow
	RateLimited
	Banned
	TooManyFromClient
	TooManyConnections
	TooManyRefused
	MemoryShort
	QueueFull
	Draining
	DiskFull
	BrokenFile
	UploadsFull
	UploadsUnavailable
	OutOfDescriptors
	Internal

	NumReasons
)

// OfHandshakes are the reasons for which a handshake of TLS comes to nothing.
var OfHandshakes = []Reason{BadClientHello, BadServerName, NoTLSVersion, NoALPN, NoCipher, HandshakeBroken, CertificateRefused, HandshakeRefused, HandshakeTimeout, HandshakeCut}

// row is what the server knows of one reason.
type row struct {
	status int    // RFC 9110 15; that of the answer where nothing else decides
	name   string // in logs and statistics: lower case, words joined by "-"
	kind   kind
}

// kind tells what turned a request away from an ordinary answer that happens to be an
// error: a file that is not there, a precondition that does not hold.
type kind uint8

const (
	ordinary kind = iota
	refusal       // a security check or a limit: logged at warn, counted as blocked
)

var table = [NumReasons]row{
	NoReason:            {0, "none", ordinary},
	BadRequestLine:      {400, "bad-request-line", refusal},
	BadTarget:           {400, "bad-target", refusal},
	BadVersion:          {400, "bad-version", refusal},
	UnsupportedVersion:  {505, "unsupported-version", refusal},
	BadLineEnding:       {400, "bad-line-ending", refusal},
	BadField:            {400, "bad-field", refusal},
	TargetTooLong:       {414, "target-too-long", refusal},
	HeadTooLarge:        {431, "head-too-large", refusal},
	TooManyFields:       {431, "too-many-fields", refusal},
	BadContentLength:    {400, "bad-content-length", refusal},
	BadTransferEncoding: {400, "bad-transfer-encoding", refusal},
	UnknownCoding:       {501, "unknown-transfer-coding", refusal},
	AmbiguousFraming:    {400, "ambiguous-framing", refusal},
	BadChunk:            {400, "bad-chunk", refusal},
	BadTrailer:          {400, "bad-trailer", refusal},
	BodyTooLarge:        {413, "body-too-large", refusal},
	CutShort:            {400, "cut-short", ordinary},
	TLSOnPlainPort:      {400, "tls-on-plain-port", refusal},
	BadStatusLine:       {502, "bad-status-line", ordinary}, // these two are an upstream's
	UnaskedAnswer:       {502, "unasked-answer", ordinary},
	TooManyHops:         {508, "too-many-hops", refusal},
	ProxyStranger:       {403, "proxy-header-stranger", refusal},
	NoProxyHeader:       {400, "proxy-header-missing", refusal},
	BadProxyHeader:      {400, "proxy-header", refusal},
	ProxyHeaderTimeout:  {408, "proxy-header-timeout", refusal},
	ProxyHeaderCut:      {400, "proxy-header-cut-short", ordinary},
	PlainOnTLSPort:      {400, "plain-on-tls-port", refusal},
	BadClientHello:      {400, "tls-client-hello", refusal},
	BadServerName:       {400, "tls-server-name", ordinary}, // a slip, and no attack
	NoTLSVersion:        {400, "tls-version", refusal},
	NoALPN:              {400, "tls-no-protocol", refusal},
	NoCipher:            {400, "tls-no-cipher", refusal},
	HandshakeBroken:     {400, "handshake-broken", refusal},
	CertificateRefused:  {400, "tls-certificate-refused", ordinary}, // ours, by the client
	HandshakeRefused:    {400, "handshake-refused", ordinary},       // by the client
	HandshakeTimeout:    {408, "handshake-timeout", refusal},
	HandshakeCut:        {400, "handshake-cut-short", ordinary},
	TLSBroken:           {400, "tls-broken", refusal},
	TLSFlood:            {400, "tls-flood", refusal},
	TLSAlert:            {400, "tls-alert", ordinary},     // the client's
	RelayRefused:        {502, "relay-refused", ordinary}, // the target
	RelayTimeout:        {504, "relay-timeout", ordinary},
	MissingHost:         {400, "missing-host", refusal},
	RepeatedHost:        {400, "repeated-host", refusal},
	BadHost:             {400, "bad-host", refusal},
	ForeignHost:         {403, "foreign-host", refusal},
	Misdirected:         {421, "misdirected", refusal},
	BadPathEncoding:     {400, "bad-path-encoding", refusal},
	PathTraversal:       {403, "path-traversal", refusal},
	HiddenFile:          {403, "hidden-file", refusal},
	OutsideRoot:         {403, "outside-root", refusal},
	RefusedType:         {415, "refused-type", refusal},
	BadBodyType:         {415, "bad-body-type", refusal},
	EncodedBody:         {415, "encoded-body", refusal},
	BadJSON:             {400, "bad-json", refusal},
	EmptyBody:           {400, "empty-body", refusal},
	UnknownExpectation:  {417, "unknown-expectation", refusal},
	UnknownMethod:       {501, "unknown-method", refusal},
	RefusedMethod:       {405, "refused-method", refusal},
	NoPassword:          {401, "no-password", ordinary}, // as each client begins
	WrongPassword:       {401, "wrong-password", refusal},
	PasswordInTheOpen:   {403, "password-in-the-open", refusal},
	NotFound:            {404, "not-found", ordinary},
	PreconditionFailed:  {412, "precondition-failed", ordinary},
	UnsatisfiableRange:  {416, "unsatisfiable-range", ordinary},
	UpstreamRefused:     {502, "upstream-refused", ordinary},
	UpstreamCut:         {502, "upstream-cut-short", ordinary},
	UpstreamMalformed:   {502, "upstream-malformed", ordinary},
	UpstreamTimeout:     {504, "upstream-timeout", ordinary},
	UpstreamsFull:       {503, "upstreams-full", ordinary},

	HeadTimeout:        {408, "head-timeout", refusal},
	BodyTooSlow:        {408, "body-too-slow", refusal},
	ReaderTooSlow:      {408, "reader-too-slow", refusal},
	RateLimited:        {429, "rate-limited", refusal},
	Banned:             {429, "banned", refusal},
	TooManyFromClient:  {503, "too-many-from-client", refusal},
	TooManyConnections: {503, "too-many-connections", refusal},
	TooManyRefused:     {503, "too-many-refused", refusal},
	MemoryShort:        {503, "memory-short", refusal},
	QueueFull:          {503, "queue-full", refusal},
	Draining:           {503, "draining", ordinary},
	DiskFull:           {507, "disk-full", ordinary},
	BrokenFile:         {500, "broken-file", ordinary},
	UploadsFull:        {507, "uploads-full", ordinary},
	UploadsUnavailable: {503, "uploads-unavailable", ordinary},
	OutOfDescriptors:   {503, "out-of-descriptors", ordinary},
	Internal:           {500, "server-fault", ordinary},
}

// String is the reason's name.
func (r Reason) String() string { return table[r].name }

// Refusal reports whether a security check or a limit turned the request away.
func (r Reason) Refusal() bool { return table[r].kind == refusal }

// Fault is an answer other than success: its status code (RFC 9110 15) and its reason. The zero
// Fault is none.
type Fault struct {
	Status int
	Reason Reason
}

// Of is the fault that a reason usually is.
func Of(r Reason) Fault { return Fault{Status: table[r].status, Reason: r} }

// OK reports whether there is no fault.
func (f Fault) OK() bool { return f.Status == 0 }
