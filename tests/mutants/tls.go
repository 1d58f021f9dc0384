package mutants

// Mutants of TLS: of the machine around a session, of the keys of tickets, and of the certificates.
// They are built into stage 3, where a handshake may not run on the loop, unless they are about
// several processes.

var overTLS = []Mutant{
	// The handshake.
	{
		Name: "everybody-waits-for-a-handshake", Stage: eventLoop, File: "shared/secure/opening.go",
		Old:   "c.shake.parked = c.thread.Clock.Now()\n\treturn machine.WantWake",
		New:   "c.resume()\n\treturn 0",
		Check: "shared/secure TestTheHandshakeBeginsWhenTheWholeHelloIsHere/in_one_record",
		Why: "The handshake goes on where it stands, on the loop, instead of in Work. One client notices nothing. With a hundred new " +
			"ones a second, everybody waits for the signatures of all the others, and those who were connected long ago wait too.",
	},
	{
		Name: "hello-in-two-packets-is-forgotten", Stage: eventLoop, File: "shared/secure/pipe.go",
		Old:   "p.in != nil && (all || p.at == p.have)",
		New:   "p.in != nil",
		Check: "shared/secure TestTheHandshakeBeginsWhenTheWholeHelloIsHere/in_one_record",
		Why: "The buffer is given back whenever the connection waits, with what is in it. On one's own machine a ClientHello comes in one " +
			"piece. Browsers send some 1,800 bytes with their hybrid key share, which are two packets on most networks, and their " +
			"users see a page that never loads, now and then.",
	},
	{
		Name: "handshake-has-all-the-time", Stage: eventLoop, File: "shared/secure/conn.go",
		Old:   "case phaseOpen, phasePlain, phaseEnding:\n\t\treturn c.session.Deadline()",
		New:   "case phaseShaking, phaseOpen, phasePlain, phaseEnding:\n\t\treturn c.session.Deadline()",
		Check: "shared/secure TestAHandshakeHasItsTimeAsAWhole/who_says_no_more_after_it",
		Why: "The driver sets its alarm by the session's deadline, though it is the handshake that is waited for. A client that falls " +
			"silent after its ClientHello holds its connection, and one of the handshakes that may be under way, for longer than it may.",
	},
	{
		Name: "memory-for-those-who-left", Stage: eventLoop, File: "shared/secure/handshake.go",
		Old:   "\t\tgo h.stop()\n",
		New:   "\t\t_ = h.stop\n",
		Check: "shared/secure TestConnectionsThatAreCutInTheirHandshakeLeaveNothing/a_loop_and_a_pool",
		Why: "A handshake whose client has gone is not stopped. Its coroutine stays suspended for ever, and holds its stack and all " +
			"that the library has allocated: some 20 KB for each client that leaves after its ClientHello, and a scanner leaves a million times.",
	},
	{
		Name: "cheap-for-whoever-says-so", Stage: eventLoop, File: "shared/secure/handshake.go",
		Old:   "why := c.session.Charge(cost)",
		New:   "why := c.session.Charge(resumedCost)",
		Check: "shared/secure TestAHandshakeCountsForTheRate/a_full_one",
		Why: "Every handshake has the price of a resumed one. A flood of whole ones costs the server five times what the limiter " +
			"believes, so the processors are full long before anybody is refused.",
	},

	// Records.
	{
		Name: "upload-stops-in-the-middle", Stage: eventLoop, File: "shared/secure/records.go",
		Old:   "for c.more || c.pipe.whole() {",
		New:   "for c.pipe.whole() {",
		Check: "shared/secure TestWhatIsDecryptedIsHandedOnBeforeMoreIsWaitedFor",
		Why: "The socket is waited for while some of a record lies decrypted in the library. The socket has nothing more, since the client " +
			"has sent all it has, and so nobody ever reads the rest. Small requests never show it.",
	},

	// The end.
	{
		Name: "answer-looks-cut-short", Stage: eventLoop, File: "shared/secure/records.go",
		Old:   "\t\tc.tls.CloseWrite()\n",
		New:   "",
		Check: "shared/secure TestTheLastRecordIsTheGoodbye",
		Why: "The connection ends without close_notify. Browsers do not mind, where the length of the answer is known. A client that is " +
			"strict (RFC 8446 6.1) reports a truncation, and rightly: anybody on the way can end a TCP connection.",
	},
	{
		Name: "goodbye-cuts-the-answer", Stage: eventLoop, File: "shared/secure/records.go",
		Old:   "case err == io.EOF:\n\t\t\tc.hear()",
		New:   "case err == io.EOF:\n\t\t\tc.goodbye(true)",
		Check: "shared/secure TestHowAConnectionEnds/a_client_that_has_said_goodbye_still_gets_its_answers",
		Why: "A client's close_notify is taken for the end of the connection. It is the end of what the client sends (RFC 8446 6.1). " +
			"A script that sends its request, closes its direction and then reads gets half an answer, or none.",
	},
	{
		Name: "silence-on-the-wrong-port", Stage: eventLoop, File: "shared/secure/opening.go",
		Old:   "c.layer.Bypassed, c.phase = true, phasePlain",
		New:   "c.phase = phaseOver",
		Check: "shared/secure TestPlainHTTPIsToldThatItIsInTheWrongPlace/0_bytes_at_once",
		Why: "Who speaks plain HTTP to a port of TLS is closed without a word. Whoever forgot the s of https looks for the fault in " +
			"the network, the firewall and the certificate.",
	},

	// Tickets and certificates.
	{
		Name: "ticket-that-nobody-can-read-yet", Stage: prefork, File: "shared/tickets/tickets.go",
		Old:   "for first > 0 && all[first].from > now.UnixNano() {",
		New:   "for first > 0 && all[first].from > now.Add(Lead).UnixNano() {",
		Check: "shared/tickets TestANewKeyDecryptsForAMinuteBeforeItEncrypts",
		Why: "A key's time is taken for when it was published, and it is used a minute too early. Other processes have not looked yet, so once a day there are tickets for some " +
			"seconds which they cannot read, and their clients pay for whole handshakes. No request fails, and no log says why.",
	},
	{
		Name: "second-site-shows-the-first", Stage: eventLoop, File: "shared/certs/choose.go",
		Old:   "p, doubts, err := parse(part)\n\t\tif err != nil {\n\t\t\treturn nil, err\n\t\t}",
		New:   "p, doubts, err := parse(part)\n\t\tif err != nil {\n\t\t\tcontinue\n\t\t}",
		Check: "shared/certs TestReloadTakesAllPairsOrNone",
		Why: "A pair that cannot be used is left out, and the others are taken. With one slip in a renewal, the visitors of that site are " +
			"shown another site's certificate, which their browsers call an attack. The pair that was in use was still good.",
	},
}
