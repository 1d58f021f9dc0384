package mutants

// Mutants of what is passed on or has been: PROXY headers, and relays. They are built into stage 3;
// stage 2 has the same machines.

var passedOn = []Mutant{
	// PROXY headers.
	{
		Name: "client-of-whatever-name-it-likes", Stage: eventLoop, File: "shared/proxyproto/conn.go",
		Old:   "if !l.Trusts(peer.Addr()) {",
		New:   "if !l.Trusts(peer.Addr()) && !peer.IsValid() {",
		Check: "shared/proxyproto TestHowAConnectionEndsBeforeItsClientIsKnown/from_a_stranger",
		Why: "A header is believed whoever has sent it. A client that can reach the listener beside the proxy says that it is " +
			"127.0.0.1 and reads /metrics, says that it is somebody else to get that one banned, or is a new client each time.",
	},
	{
		Name: "first-request-is-lost-at-times", Stage: eventLoop, File: "shared/proxyproto/conn.go",
		Old:   "\tif n < h.have {\n",
		New:   "\tif n > h.have {\n",
		Check: "shared/proxyproto TestARequestIsTheNamedClientsHoweverTheBytesAreCut/version_1",
		Why: "What came behind the header in the same read is dropped. A proxy that sends its header first and waits a moment never " +
			"shows it; one that sends both in one packet, as most do under load, has clients that wait for an answer to nothing.",
	},
	{
		Name: "banned-client-is-back", Stage: eventLoop, File: "shared/proxyproto/conn.go",
		Old:   "\t\tif why != fault.NoReason {\n",
		New:   "\t\tif why == fault.QueueFull {\n",
		Check: "shared/proxyproto TestANamedClientIsLetInOrNotByItself",
		Why: "The client that a header names is looked at and let in all the same. Bans and the number of connections hold for whoever " +
			"comes directly, and behind a proxy for nobody.",
	},
	{
		Name: "header-has-all-the-time", Stage: eventLoop, File: "shared/proxyproto/conn.go",
		Old:   "\tcase now >= h.deadline:\n\t\treturn h.refuse(",
		New:   "\tcase now >= h.deadline && h.have == 0:\n\t\treturn h.refuse(",
		Check: "shared/proxyproto TestTheTimeOfAHeaderDoesNotGrowByItsBytes",
		Why: "Only a connection that has said nothing at all has a timeout. One that has sent the word PROXY keeps its place for ever, " +
			"and so do the fifty thousand after it.",
	},
	{
		Name: "damaged-header-is-believed", Stage: eventLoop, File: "shared/proxyproto/header.go",
		Old:   "case whole && checksum > 0 && !checks(b[:n], checksum):",
		New:   "case whole && checksum > 0 && !checks(b[:n], checksum) && !named:",
		Check: "shared/proxyproto TestHeaders/a_wrong_checksum",
		Why:   "A checksum counts only where it protects nothing. A header that was damaged on its way names a client who never came.",
	},

	// Relays.
	{
		Name: "half-a-dump-looks-whole", Stage: eventLoop, File: "shared/relay/leg.go",
		Old:   "return !(l.eof && l.shut)",
		New:   "return l.eof && l.shut",
		Check: "stage3-epoll TestBehaviour/RelayPassesResetsOn",
		Why: "A relay that breaks off ends as one that is done. A protocol in which the end of the connection is the end of the data, " +
			"such as a database's dump through a pipe, has a file that looks whole and is not.",
	},

	{
		Name: "one-moment-is-for-ever", Stage: eventLoop, File: "shared/relay/leg.go",
		Old:   "\t\tl.until = l.relay.thread.Clock.Now() + keepsUp\n",
		New:   "\t\tl.until = l.relay.thread.Clock.Now() + 1e6*keepsUp\n",
		Check: "stage3-epoll TestBehaviour/APipeIsNotWaitedForLongerThanAMoment",
		Why: "What a reader has not taken of a pipe is waited for, and not only for a moment. Each slow reader holds the server behind the relay, " +
			"with the queue for such readers empty.",
	},

	// Requests that are passed on.
	{
		Name: "upload-blocks-its-own-answer", Stage: eventLoop, File: "shared/proxy/transfer.go",
		Old:   "\t\tif !t.sent {\n\t\t\tx.DiscardBody()",
		New:   "\t\tif !t.sent && x.NoBody() {\n\t\t\tx.DiscardBody()",
		Check: "shared/proxy TestScripts/while_an_early_answer_goes_on,_the_rest_of_the_upload_is_read_and_dropped,_byte_by_byte_false",
		Why: "An answer that comes before the end of an upload is passed on, and nothing more of the upload is read before it ends. A client " +
			"that sends all before it reads waits for the server, and the server for the client.",
	},
	{
		Name: "slow-browser-holds-the-chat-server", Stage: eventLoop, File: "shared/proxy/transfer.go",
		Old:   "t.queue.Take(p, ref); t.queue.Full() {",
		New:   "t.queue.Take(p, ref); t.queue.Full() || t.tunnels {",
		Check: "shared/proxy TestASlowClientOfATunnelDoesNotHoldTheTarget",
		Why: "What comes through a WebSocket waits with its sender. Answers free the server behind from slow clients, and " +
			"tunnels, which last longer, do not.",
	},
	{
		Name: "files-of-slow-readers-lock-everybody-out", Stage: eventLoop, File: "shared/spill/spill.go",
		Old:   "s.files.Add(1) <= s.cfg.Files ||",
		New:   "s.files.Add(1) <= s.cfg.Files*0+1<<30 ||",
		Check: "shared/spill TestThereAreNoMoreFilesThanMayBe",
		Why: "Each slow reader takes a descriptor more, however few there are. A thousand of them, and nobody new can connect, " +
			"although the server has announced for how many clients there is room.",
	},
	{
		Name: "two-policies-in-one-answer", Stage: eventLoop, File: "shared/proxy/fields.go",
		Old:   "if !says(&r.Message, added[i].Name) {",
		New:   "if added[i].Name != \"\" {",
		Check: "shared/proxy TestFieldsAreAddedToAnswersThatDoNotHaveThem/one_of_them",
		Why: "A field of -header goes into every answer, also where the server behind has said the same or something else. A browser that " +
			"gets two X-Frame-Options obeys neither.",
	},
}
