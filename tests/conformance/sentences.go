package conformance

// The sentences of the RFCs that the cases of level MUST rest on, word for word.
//
// A sentence without the word MUST says what something means. It binds all the same: interpret
// demands that a recipient goes by it. avoidNames alone demands in words of every day. What must
// not be done: a sentence must not be shortened or mended, for the next reader compares it with the
// RFC; and a case whose sentence says SHOULD, or cannot be found, is not of level MUST.

// sentence is one of an RFC.
type sentence struct {
	rfc  string // number and section
	text string
}

// What RFC 9110 demands of every message.
var (
	interpret = sentence{"9110 2.4", "A recipient MUST interpret a received protocol element according to the semantics defined for it by this specification, including extensions to this specification, unless the recipient has determined (through experience or configuration) that the sender incorrectly implements what is implied by those semantics."}

	getMeans   = sentence{"9110 9.3.1", "The GET method requests transfer of a current selected representation for the target resource."}
	supportGet = sentence{"9110 9.1", "All general-purpose servers MUST support the methods GET and HEAD."}

	emptyAuthority = sentence{"9110 4.2.1", "A recipient that processes such a URI reference MUST reject it as invalid."}
	hostCase       = sentence{"9110 4.2.3", "The scheme and host are case-insensitive and normally provided in lowercase; all other components are compared in a case-sensitive manner."}

	fieldRepeats  = sentence{"9110 5.2", "When a field name is repeated within a section, its combined field value consists of the list of corresponding field line values within that section, concatenated in order, with each field line value separated by a comma."}
	trimValue     = sentence{"9110 5.5", "When a specific version of HTTP allows such whitespace to appear in a message, a field parsing implementation MUST exclude such whitespace prior to evaluating the field value."}
	badFieldBytes = sentence{"9110 5.5", "Field values containing CR, LF, or NUL characters are invalid and dangerous, due to the varying ways that implementations might parse and interpret those characters; a recipient of CR, LF, or NUL within a field value MUST either reject the message or replace each of those characters with SP before further processing or forwarding of that message."}
	badWhitespace = sentence{"9110 5.6.3", "A recipient MUST parse for such bad whitespace and remove it before interpreting the protocol element."}
	emptyElements = sentence{"9110 5.6.1.2", "A recipient MUST parse and ignore a reasonable number of empty list elements: enough to handle common mistakes by senders that merge values, but not so much that they could be used as a denial-of-service mechanism."}
	threeDates    = sentence{"9110 5.6.7", "A recipient that parses a timestamp value in an HTTP field MUST accept all three HTTP-date formats."}

	optionCase = sentence{"9110 7.6.1", "Connection options are case-insensitive."}

	headLength    = sentence{"9110 8.6", "A server MAY send a Content-Length header field in a response to a HEAD request (Section 9.3.2); a server MUST NOT send Content-Length in such a response unless its field value equals the decimal number of octets that would have been sent in the content of a response if the same request had used the GET method."}
	largeLength   = sentence{"9110 8.6", "Since there is no predefined limit to the length of content, a recipient MUST anticipate potentially large decimal numerals and prevent parsing errors due to integer conversion overflows or precision loss due to integer conversion (Section 17.5)."}
	codingsListed = sentence{"9110 8.4", "If one or more encodings have been applied to a representation, the sender that applied the encodings MUST generate a Content-Encoding header field that lists the content codings in the order in which they were applied."}
	markedWeak    = sentence{"9110 8.8.3", `If an origin server provides an entity tag for a representation and the generation of that entity tag does not satisfy all of the characteristics of a strong validator (Section 8.8.1), then the origin server MUST mark the entity tag as weak by prefixing its opaque value with "W/" (case-sensitive).`}

	headBody = sentence{"9110 9.3.2", "The HEAD method is identical to GET except that the server MUST NOT send content in the response."}

	continueFirst  = sentence{"9110 10.1.1", "The origin server MUST NOT wait for the content before sending the 100 (Continue) response."}
	continueFinal  = sentence{"9110 10.1.1", "A server that sends a 100 (Continue) response MUST ultimately send a final status code, once it receives and processes the request content, unless the connection is closed prematurely."}
	continueHTTP10 = sentence{"9110 10.1.1", "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that expectation."}
	expectCase     = sentence{"9110 10.1.1", "The Expect field value is case-insensitive."}
)

// What RFC 9110 demands of conditions and ranges.
var (
	matchFirst        = sentence{"9110 13.1.1", "When an origin server receives a request that selects a representation and that request includes an If-Match header field, the origin server MUST evaluate the If-Match condition per Section 13.2 prior to performing the method."}
	matchFails        = sentence{"9110 13.1.1", "An origin server that evaluates an If-Match condition MUST NOT perform the requested method if the condition evaluates to false."}
	matchStrong       = sentence{"9110 13.1.1", "An origin server MUST use the strong comparison function when comparing entity tags for If-Match (Section 8.8.3.2), since the client intends this precondition to prevent the method from being applied if there have been any changes to the representation data."}
	noneMatchFirst    = sentence{"9110 13.1.2", "When an origin server receives a request that selects a representation and that request includes an If-None-Match header field, the origin server MUST evaluate the If-None-Match condition per Section 13.2 prior to performing the method."}
	noneMatchFails    = sentence{"9110 13.1.2", "An origin server that evaluates an If-None-Match condition MUST NOT perform the requested method if the condition evaluates to false; instead, the origin server MUST respond with either a) the 304 (Not Modified) status code if the request method is GET or HEAD or b) the 412 (Precondition Failed) status code for all other request methods."}
	noneMatchWeak     = sentence{"9110 13.1.2", "A recipient MUST use the weak comparison function when comparing entity tags for If-None-Match (Section 8.8.3.2), since weak entity tags can be used for cache validation even if there have been changes to the representation data."}
	sinceIgnored      = sentence{"9110 13.1.3", "A recipient MUST ignore If-Modified-Since if the request contains an If-None-Match header field; the condition in If-None-Match is considered to be a more accurate replacement for the condition in If-Modified-Since, and the two are only combined for the sake of interoperating with older intermediaries that might not implement If-None-Match."}
	sinceEarlier      = sentence{"9110 13.1.3", "Otherwise, the condition is true."}
	sinceInvalid      = sentence{"9110 13.1.3", "A recipient MUST ignore the If-Modified-Since header field if the received field value is not a valid HTTP-date, the field value has more than one member, or if the request method is neither GET nor HEAD."}
	unmodifiedFirst   = sentence{"9110 13.1.4", "When an origin server receives a request that selects a representation and that request includes an If-Unmodified-Since header field without an If-Match header field, the origin server MUST evaluate the If-Unmodified-Since condition per Section 13.2 prior to performing the method."}
	unmodifiedFails   = sentence{"9110 13.1.4", "An origin server that evaluates an If-Unmodified-Since condition MUST NOT perform the requested method if the condition evaluates to false."}
	unmodifiedInvalid = sentence{"9110 13.1.4", "A recipient MUST ignore the If-Unmodified-Since header field if the received field value is not a valid HTTP-date (including when the field value appears to be a list of dates)."}
	unmodifiedIgnored = sentence{"9110 13.1.4", "A recipient MUST ignore If-Unmodified-Since if the request contains an If-Match header field; the condition in If-Match is considered to be a more accurate replacement for the condition in If-Unmodified-Since, and the two are only combined for the sake of interoperating with older intermediaries that might not implement If-Match."}
	ifRangeAlone      = sentence{"9110 13.1.5", "A server MUST ignore an If-Range header field received in a request that does not contain a Range header field."}
	ifRangeFalse      = sentence{"9110 13.1.5", "A recipient of an If-Range header field MUST ignore the Range header field if the If-Range condition evaluates to false."}
	conditionsOn2xx   = sentence{"9110 13.2.1", "A server MUST ignore all received preconditions if its response to the same request without those conditions, prior to processing the request content, would have been a status code other than a 2xx (Successful) or 412 (Precondition Failed)."}
	conditionOrder    = sentence{"9110 13.2.2", "A recipient cache or origin server MUST evaluate the request preconditions defined by this specification in the following order:"}

	largeRange   = sentence{"9110 14.1.2", "Since there is no predefined limit to the length of content, recipients MUST anticipate potentially large decimal numerals and prevent parsing errors due to integer conversion overflows."}
	rangeOfGet   = sentence{"9110 14.2", "A server MUST ignore a Range header field received with a request method that is unrecognized or for which range handling is not defined."}
	rangeOf200   = sentence{"9110 14.2", "The Range header field is evaluated after evaluating the precondition header fields defined in Section 13.1, and only if the result in absence of the Range header field would be a 200 (OK) response."}
	unknownUnit  = sentence{"9110 14.2", "An origin server MUST ignore a Range header field that contains a range unit it does not understand."}
	fieldsOf206  = sentence{"9110 15.3.7", "A server that generates a 206 response MUST generate the following header fields, in addition to those required in the subsections below, if the field would have been sent in a 200 (OK) response to the same request: Date, Cache-Control, ETag, Expires, Content-Location, and Vary."}
	onePart      = sentence{"9110 15.3.7.1", "If a single part is being transferred, the server generating the 206 response MUST generate a Content-Range header field, describing what range of the selected representation is enclosed, and a content consisting of the range."}
	severalParts = sentence{"9110 15.3.7.2", `If multiple parts are being transferred, the server generating the 206 response MUST generate "multipart/byteranges" content, as defined in Section 14.6, and a Content-Type header field containing the "multipart/byteranges" media type and its required boundary parameter.`}
	fieldsOf304  = sentence{"9110 15.4.5", "The server generating a 304 response MUST generate any of the following header fields that would have been sent in a 200 (OK) response to the same request:"}
)

// What RFC 9112 demands of the form and the framing of messages.
var (
	bareCR           = sentence{"9112 2.2", "A recipient of such a bare CR MUST consider that element to be invalid or replace each bare CR with SP before processing the element or forwarding the message."}
	leadingSpace     = sentence{"9112 2.2", "A recipient that receives whitespace between the start-line and the first header field MUST either reject the message as invalid or consume each whitespace-preceded line without further processing of it (i.e., ignore the entire line, along with any subsequent lines preceded by whitespace, until a properly formed header field is received or the header section is terminated)."}
	oneHost          = sentence{"9112 3.2", "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a Host header field and to any request message that contains more than one Host header field line or a Host header field with an invalid field value."}
	absoluteForm     = sentence{"9112 3.2.2", "A server MUST accept the absolute-form in requests even though most HTTP/1.1 clients will only send the absolute-form to a proxy."}
	absoluteHost     = sentence{"9112 3.2.2", "When an origin server receives a request with an absolute-form of request-target, the origin server MUST ignore the received Host header field (if any) and instead use the host information of the request-target."}
	spaceBeforeColon = sentence{"9112 5.1", "A server MUST reject, with a response status code of 400 (Bad Request), any received request message that contains whitespace between a header field name and colon."}
	obsFold          = sentence{"9112 5.2", `A server that receives an obs-fold in a request message that is not within a "message/http" container MUST either reject the message by sending a 400 (Bad Request), preferably with a representation explaining that obsolete line folding is unacceptable, or replace each received obs-fold with one or more SP octets prior to interpreting the field value or forwarding the message downstream.`}

	bothLengths       = sentence{"9112 6.1", "Regardless, the server MUST close the connection after responding to such a request to avoid the potential attacks."}
	codingInHTTP10    = sentence{"9112 6.1", "A server or client that receives an HTTP/1.0 message containing a Transfer-Encoding header field MUST treat the message as if the framing is faulty, even if a Content-Length is present, and close the connection after processing the message."}
	codingToHTTP10    = sentence{"9112 6.1", "A server MUST NOT send a response containing Transfer-Encoding unless the corresponding request indicates HTTP/1.1 (or later minor revisions)."}
	chunkedNotLast    = sentence{"9112 6.3", "If a Transfer-Encoding header field is present in a request and the chunked transfer coding is not the final encoding, the message body length cannot be determined reliably; the server MUST respond with the 400 (Bad Request) status code and then close the connection."}
	badLength         = sentence{"9112 6.3", "If the unrecoverable error is in a request message, the server MUST respond with a 400 (Bad Request) status code and then close the connection."}
	lengthDefines     = sentence{"9112 6.3", "If a valid Content-Length header field is present without Transfer-Encoding, its decimal value defines the expected message body length in octets."}
	incomplete        = sentence{"9112 6.3", "If the sender closes the connection or the recipient times out before the indicated number of octets are received, the recipient MUST consider the message to be incomplete and close the connection."}
	codingCase        = sentence{"9112 7", "All transfer-coding names are case-insensitive and ought to be registered within the HTTP Transfer Coding registry, as defined in Section 7.3."}
	chunkedParse      = sentence{"9112 7.1", "A recipient MUST be able to parse and decode the chunked transfer coding."}
	largeChunk        = sentence{"9112 7.1", "Therefore, recipients MUST anticipate potentially large hexadecimal numerals and prevent parsing errors due to integer conversion overflows or precision loss due to integer representation."}
	ignoreExtensions  = sentence{"9112 7.1.1", "A recipient MUST ignore unrecognized chunk extensions."}
	trailersApart     = sentence{"9112 7.1.2", "A recipient MUST NOT merge a received trailer field into the header section unless its corresponding header field definition explicitly permits and instructs how the trailer field value can be safely merged."}
	chunkedIncomplete = sentence{"9112 8", "A message body that uses the chunked transfer coding is incomplete if the zero-sized chunk that terminates the encoding has not been received."}

	closeFirst  = sentence{"9112 9.3", `If the "close" connection option is present (Section 9.6), the connection will not persist after the current response; else,`}
	closesElse  = sentence{"9112 9.3", "The connection will close after the current response."}
	readBody    = sentence{"9112 9.3", "A server MUST read the entire request message body or close the connection after sending its response; otherwise, the remaining data on a persistent connection would be misinterpreted as the next request."}
	inOrder     = sentence{"9112 9.3.2", "A server MAY process a sequence of pipelined requests in parallel if they all have safe methods (Section 9.2.1 of [HTTP]), but it MUST send the corresponding responses in the same order that the requests were received."}
	closeAfter  = sentence{"9112 9.6", `A server that receives a "close" connection option MUST initiate closure of the connection (see below) after it sends the final response to the request that contained the "close" connection option.`}
	closeNoMore = sentence{"9112 9.6", "The server MUST NOT process any further requests received on that connection."}
)

// What faults rest on that are not a case's own: those of the reader, of the checks of every
// answer, and of what becomes of a connection.
var (
	grammar       = sentence{"9110 2.2", "A sender MUST NOT generate protocol elements that do not match the grammar defined by the corresponding ABNF rules."}
	oneFieldLine  = sentence{"9110 5.3", "This means that, aside from the well-known exception noted below, a sender MUST NOT generate multiple field lines with the same name in a message (whether in the headers or trailers) or append a field line when a field line of the same name already exists in the message, unless that field's definition allows multiple field line values to be recombined as a comma-separated list (i.e., at least one alternative of the field's definition allows a comma-separated list, such as an ABNF rule of #(values) defined in Section 5.6.1)."}
	fixdate       = sentence{"9110 5.6.7", "When a sender generates a field that contains one or more timestamps defined as HTTP-date, the sender MUST generate those timestamps in the IMF-fixdate format."}
	dated         = sentence{"9110 6.6.1", "An origin server with a clock (as defined in Section 5.6.7) MUST generate a Date header field in all 2xx (Successful), 3xx (Redirection), and 4xx (Client Error) responses, and MAY generate a Date header field in 1xx (Informational) and 5xx (Server Error) responses."}
	lengthless    = sentence{"9110 8.6", "A server MUST NOT send a Content-Length header field in any response with a status code of 1xx (Informational) or 204 (No Content)."}
	notLater      = sentence{"9110 8.8.2.1", "An origin server with a clock (as defined in Section 5.6.7) MUST NOT generate a Last-Modified date that is later than the server's time of message origination (Date, Section 6.6.1)."}
	noInterim     = sentence{"9110 15.2", "Since HTTP/1.0 did not define any 1xx status codes, a server MUST NOT send a 1xx response to an HTTP/1.0 client."}
	allowOf405    = sentence{"9110 15.5.6", "The origin server MUST generate an Allow header field in a 405 response containing a list of the target resource's currently supported methods."}
	upgradeOf426  = sentence{"9110 15.5.22", "The server MUST send an Upgrade header field in a 426 response to indicate the required protocol(s) (Section 7.8)."}
	avoidNames    = sentence{"9110 17.3", "Therefore, an origin server needs to avoid accessing names that have a special significance to the system when mapping the target resource to files, folders, or directories."}
	codingless    = sentence{"9112 6.1", "A server MUST NOT send a Transfer-Encoding header field in any response with a status code of 1xx (Informational) or 204 (No Content)."}
	notBoth       = sentence{"9112 6.2", "A sender MUST NOT send a Content-Length header field in any message that contains a Transfer-Encoding header field."}
	closureAlerts = sentence{"9112 9.8", "Servers MUST attempt to initiate an exchange of closure alerts with the client before closing the connection."}
)
