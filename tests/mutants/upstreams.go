package mutants

// Mutants of the way to an upstream and back: kept connections, what is sent again, health,
// back-pressure, and the ends. They are built into stage 3; all stages have the same code.

var ofUpstreams = []Mutant{
	// What is sent again.
	{
		Name: "paid-twice", Stage: eventLoop, File: "shared/proxy/transfer.go",
		Old:   "return why == upstream.Overtaken && t.repeatable() || why == upstream.Unasked && !t.taken",
		New:   "return (why == upstream.Overtaken || why == upstream.Unasked) && !t.taken",
		Check: "shared/proxy TestAKeptConnectionThatWasClosedMeanwhile/ended,_and_the_request_cannot_be_repeated,_though_it_has_none",
		Why: "A request is sent again whatever its method is, as long as no body has left. The upstream may have done it before it " +
			"closed. A POST without a body, such as a button that pays, is done twice, on days on which the upstream is restarted.",
	},
	{
		Name: "second-half-of-an-upload", Stage: eventLoop, File: "shared/proxy/bodies.go",
		Old:   "\tt.taken = true\n",
		New:   "",
		Check: "shared/proxy TestAKeptConnectionThatWasClosedMeanwhile/nor_is_what_has_a_body_that_has_begun",
		Why: "It is not noted that some of the body has left. The request is sent again with what comes next of it, so that the file " +
			"lacks its beginning, or the upstream waits for as many bytes as are missing.",
	},
	{
		Name: "retries-double-the-load", Stage: eventLoop, File: "shared/upstream/budget.go",
		Old:   "retries*budgetShare < b.sum.requests",
		New:   "b.sum.retries < b.sum.requests",
		Check: "shared/upstream TestRetriesAreAtMostATenthOfTheRequests",
		Why: "Each request may have a retry. While all is well nobody sees a difference. An upstream that closes connections because it has " +
			"too much to do gets twice as much.",
	},

	// Connections that are kept.
	{
		Name: "what-nobody-asked-for-is-forgotten", Stage: eventLoop, File: "shared/upstream/receive.go",
		Old:   "\tif l.client == nil {\n\t\tl.shunned = true\n\t\treturn\n",
		New:   "\tif l.client == nil {\n\t\treturn\n",
		Check: "shared/upstream TestAConnectionThatIsKeptIsUsedAgainUntilItsTimeIsOver/until_something_comes_unasked",
		Why: "Bytes that come on an idle connection are read and dropped, and the connection is used again. What follows them, the rest " +
			"of an answer that nobody asked for, is then the next client's.",
	},
	{
		Name: "one-request-in-a-thousand-is-lost", Stage: eventLoop, File: "shared/upstream/link.go",
		Old:   "clock.Time(seconds)*clock.Second-clock.Second/2)",
		New:   "clock.Time(seconds)*clock.Second)",
		Check: "shared/upstream TestAConnectionThatIsKeptIsUsedAgainUntilItsTimeIsOver/the_target's_time",
		Why: "A connection is kept for exactly as long as the upstream says that it keeps it. So requests are sent at the very moment at " +
			"which it is closed, and those that cannot be repeated are 502.",
	},

	// Health.
	{
		Name: "upstream-never-comes-back", Stage: eventLoop, File: "shared/upstream/health.go",
		Old:   "return now-clock.Time(last) >= probeTime &&",
		New:   "return last != 0 && now-clock.Time(last) >= probeTime &&",
		Check: "shared/upstream TestATargetThatHasRestedIsTriedAgain",
		Why: "After its rest an upstream gets no request by which it could show that it is well. It looks as if it were down " +
			"until the server is restarted, and the others do its work.",
	},
	{
		Name: "slow-client-is-the-upstreams-fault", Stage: eventLoop, File: "shared/upstream/link.go",
		Old:   "timed := !l.dropped && !l.paused && (",
		New:   "timed := !l.dropped && (",
		Check: "shared/upstream TestATargetThatIsSilentForTooLong/is_not_to_blame_while_its_user_takes_no_more",
		Why: "The time of an upstream runs on while it is not read, because its client takes nothing. The answer is cut, it is counted as the " +
			"upstream's, and three slow clients have an upstream rest that is well.",
	},

	{
		Name: "next-answer-is-swallowed", Stage: eventLoop, File: "shared/upstream/receive.go",
		Old:   "return p[:min(int64(len(p)), n)]",
		New:   "return p",
		Check: "shared/upstream TestALargeBodyIsReadInLargePieces/of_known_length,_with_bytes_behind_it",
		Why: "A large body is read in pieces that do not end where it does. What comes behind it becomes a part of it, and a client gets more " +
			"than was announced.",
	},

	{
		Name: "ten-requests-share-one-retry", Stage: eventLoop, File: "shared/upstream/local.go",
		Old:   "others = l.budget.mayNeed",
		New:   "others = 0",
		Check: "shared/upstream TestAKeptConnectionThatItsTargetHasClosed/nor,_once_that_has_happened,_one_for_which_no_retry_would_be_left_if_all_others_needed_theirs",
		Why: "Whether a retry is left is asked when a request gets its connection, and used when that fails. In between others ask, and get " +
			"the same answer. In front of a server that closes after each answer one request in fourteen is a 502.",
	},
	{
		Name: "what-was-not-sent-needs-a-retry", Stage: eventLoop, File: "shared/proxy/transfer.go",
		Old:   "(why == upstream.Unasked || t.local.up.MayRetry())",
		New:   "t.local.up.MayRetry()",
		Check: "shared/proxy TestAKeptConnectionThatWasClosedMeanwhile/ended,_before_the_request_was_sent:_then_no_retry_has_to_be_left",
		Why: "A connection was closed before its request was sent, so the target has never seen that. Nothing is done twice, and still it " +
			"counts as a retry, and is refused where none is left.",
	},
	{
		Name: "whats-behind-an-answer-is-in-the-pipe", Stage: eventLoop, File: "shared/upstream/receive.go",
		Old:   "pipe.Fill(l.fd, min(l.due(), chain.PipeSize))",
		New:   "pipe.Fill(l.fd, chain.PipeSize)",
		Check: "shared/upstream TestALargeBodyGoesByPipes/with_bytes_behind_it",
		Why: "A pipe takes all that has come, and not only what is the body's. The client gets bytes after the end of its answer, and " +
			"takes them for its next one.",
	},

	// Pipes.
	{
		Name: "bytes-of-another", Stage: eventLoop, File: "shared/sysnet/pipes_linux.go",
		Old:   "if p.held != 0 || p.of.most == 0 {",
		New:   "if p.of.most == 0 {",
		Check: "shared/sysnet TestAPipeIsLentEmptyOrNotAtAll",
		Why: "A client leaves in the middle of its answer, and the pipe that still holds some of that is lent to the next one, who gets the " +
			"bytes of a stranger at the beginning of his own.",
	},
	{
		Name: "half-a-pipe-is-enough", Stage: eventLoop, File: "shared/chain/pipe.go",
		Old:   "for got := int64(0); got < s.n; {",
		New:   "for got := int64(0); got == 0; {",
		Check: "shared/chain TestAPipeIsDrainedWhereItStands",
		Why: "What a slow client has not taken of a pipe is read from that once. A read gives less than there is now and then, and the rest " +
			"is whatever the memory held before: the answer has the right length and the wrong end.",
	},

	// Back-pressure.
	{
		Name: "memory-follows-the-slowest", Stage: eventLoop, File: "shared/proxy/transfer.go",
		Old:   "} else if t.queue.Take(p, ref); t.queue.Full() {\n\t\tt.link.Pause()\n\t}",
		New:   "} else {\n\t\tt.queue.Take(p, ref)\n\t}",
		Check: "shared/proxy TestASlowClientHoldsTheTargetUpAndALongAnswerIsNeverKeptWhole",
		Why: "A queue that is full stops nobody. Whoever asks for something large and does not read it has it all put into the server's " +
			"memory, and the second of them ends the server.",
	},

	// The ends.
	{
		Name: "half-a-page-looks-whole", Stage: eventLoop, File: "shared/session/ending.go",
		Old:   "s.phase != phaseOpen || !s.req.conn.Delimited() {\n",
		New:   "s.phase != phaseOpen {\n",
		Check: "shared/proxy TestScripts/nor_one_in_chunks_to_a_client_of_HTTP/1.0,_byte_by_byte_false",
		Why: "Each answer that cannot be completed ends politely, and none by a reset. Where the client knows a length or waits for a last " +
			"chunk, it notices all the same. To one of HTTP/1.0 the end of the connection is the end of the answer.",
	},
	{
		Name: "works-on-for-those-who-left", Stage: eventLoop, File: "shared/proxy/transfer.go",
		Old:   "\t\tt.times = t.link.Times()\n\t\tt.link.Drop()\n",
		New:   "\t\tt.times = t.link.Times()\n\t\tt.link.Detach()\n",
		Check: "shared/proxy TestScripts/a_client_that_leaves_before_the_answer_frees_the_target_at_once,_byte_by_byte_false",
		Why: "A client that leaves is forgotten, and its request is not. Visitors of a slow page reload it, and each time the upstream has one more " +
			"of them to make, for nobody.",
	},
}
