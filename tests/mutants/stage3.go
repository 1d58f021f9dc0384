package mutants

// Mutants that are built into stage 3. Those in shared/ are in what it alone uses of it,
// sendfile(2), or show there first: a large file that is sent in parts.

const eventLoop = "stage3-epoll"

var stage3 = []Mutant{
	// The loop.
	{
		Name: "next-request-is-never-heard", Stage: eventLoop, File: "stage3-epoll/loop/socket.go",
		Old:   "\tif s.watch != want {\n",
		New:   "\tif s.watch < want {\n",
		Check: "stage3-epoll/loop TestInterestFollowsTheAnswer",
		Why: "Once it has waited to write, a connection is watched for room to write and never again for a request. There is " +
			"always room: the loop turns at full speed, and who asks for a second thing behind a large file gets no answer.",
	},
	{
		Name: "slow-reader-is-cut", Stage: eventLoop, File: "stage3-epoll/loop/socket.go",
		Old:   "\tcase err == nil || sysnet.Again(err):\n",
		New:   "\tcase err == nil:\n",
		Check: "stage3-epoll/loop TestInterestFollowsTheAnswer",
		Why: "EAGAIN says that the socket is full, and here it ends the connection. A file that fits into the socket's buffer " +
			"arrives, on one's own machine some megabytes; a larger one, or a slower client, and the download breaks off.",
	},
	{
		Name: "answer-to-somebody-else", Stage: eventLoop, File: "stage3-epoll/loop/loop.go",
		Old:   "s != nil && s.gen == e.Gen()",
		New:   "s != nil",
		Check: "stage3-epoll/loop TestAnEventForAFormerOwnerIsNobodys",
		Why: "An event is taken for whoever has the descriptor's number now. Nothing happens as long as a connection is only " +
			"ever closed by its own event. On the day something else closes it within a turn, its successor is driven in " +
			"the middle of its slow work, on two threads at once.",
	},
	{
		Name: "works-exactly-once", Stage: eventLoop, File: "stage3-epoll/loop/poller_linux.go",
		Old:   "unix.EPOLLIN|unix.EPOLLET)",
		New:   "unix.EPOLLIN|unix.EPOLLONESHOT)",
		Check: "stage3-epoll/loop TestSlowWorkWakesTheLoop",
		Why: "EPOLLONESHOT reports the first wake-up and none after it (epoll_ctl(2)). Work that a thread has finished is found " +
			"when something else wakes the loop: fine under load, and alone one waits for one's own idle timeout.",
	},
	{
		Name: "busy-with-nothing-to-do", Stage: eventLoop, File: "stage3-epoll/loop/poller_linux.go",
		Old:   "unix.EPOLLIN|unix.EPOLLET)",
		New:   "unix.EPOLLIN)",
		Check: "stage3-epoll/loop TestSlowWorkWakesTheLoop",
		Why: "Level-triggered, an eventfd that nobody reads stays readable for ever (eventfd(2)). From the first file that had to " +
			"be read on, the loop takes a whole processor, and everything else works.",
	},
	{
		Name: "hang-up-is-heard-too-soon", Stage: eventLoop, File: "stage3-epoll/loop/table.go",
		Old:   "\tif s.watch != 0 {\n\t\tl.poll.Remove(int(s.fd))\n\t\ts.watch = 0\n\t}\n",
		New:   "",
		Check: "stage3-epoll/loop TestAParkedConnectionIsNotWatched/the_client_hangs_up",
		Why: "A connection is watched while another thread works for it. Whatever its client sends or does then steps it on two " +
			"threads at once, and hangs up or not: what is not read is reported again and again.",
	},
	{
		Name: "stranger-is-cut-after-half-a-minute", Stage: eventLoop, File: "stage3-epoll/loop/socket.go",
		Old:   "\tl.wheel.Cancel(&s.timer)\n\ts.Close()\n",
		New:   "\ts.Close()\n",
		Check: "stage3-epoll/loop TestAClosedConnectionLeavesNoDeadline",
		Why: "The deadline outlives its connection. When it passes, the connection is closed a second time, and its descriptor's " +
			"number is somebody else's by then: that one is cut, and perhaps it was a log.",
	},
	{
		Name: "wakes-a-little-too-early", Stage: eventLoop, File: "shared/timerwheel/timerwheel.go",
		Old:   "(wait + millisecond - 1) / millisecond",
		New:   "wait / millisecond",
		Check: "stage3-epoll/loop TestADeadlineIsNeverLookedForTooEarly",
		Why: "epoll_wait(2) counts in milliseconds, and the wait is rounded down. The loop wakes up when nothing is due yet, and " +
			"for the rest of the millisecond it waits for no time at all, thousands of times.",
	},
	{
		Name: "refused-to-the-last-one", Stage: eventLoop, File: "stage3-epoll/loop/accept.go",
		Old:   "\tl.resting = true\n\tl.wheel.Schedule(&l.resume, int64(l.thread.Clock.Now()+exhaustedPause))\n",
		New:   "",
		Check: "stage3-epoll/loop TestOutOfDescriptorsNothingIsAcceptedForAMoment",
		Why: "Out of descriptors the loop does not pause: the listener stays readable (accept(2)), and everybody in the backlog is " +
			"turned away in an instant, or, where not even that can be done, a processor burns until somebody leaves.",
	},
	{
		Name: "crowd-at-the-door-is-not-seen", Stage: eventLoop, File: "stage3-epoll/loop/accept.go",
		Old:   "\t\tapp.Accepted(l.thread, fd, n+1, most)\n",
		New:   "",
		Check: "stage3-epoll/loop TestALateThreadCountsWhoWaitsAtTheListener",
		Why: "A loop takes a few connections a turn. Under a flood hundreds wait in the kernel's queue for a third of a second, while " +
			"the few that are in wait for milliseconds: the server takes itself for quick, and lowers nobody's rate.",
	},
	{
		Name: "stop-resets-who-just-came", Stage: eventLoop, File: "stage3-epoll/loop/loop.go",
		Old:   "\t\tl.accept(a, math.MaxInt)",
		New:   "",
		Check: "stage3-epoll/loop TestDraining/who_waits_at_the_listener_is_still_served",
		Why: "The kernel has taken connections that the loop has not accepted yet. When the listener closes they are reset: at each " +
			"restart under load a few clients see an error.",
	},

	// Machines that wait for one another.
	{
		Name: "leaver-keeps-the-other-end", Stage: eventLoop, File: "stage3-epoll/loop/loop.go",
		Old:   "\t\t\t\tcase s.watch == machine.WantPeer && e.HungUp():\n\t\t\t\t\ts.Fail()\n",
		New:   "",
		Check: "stage3-epoll TestMachinesThatAreNoSessions/a_client_that_breaks_ends_the_target's_connection",
		Why: "A socket that is read no more breaks, and nobody asks it. Its machine is stepped and waits on for the other end; the " +
			"poller reports the break again, and again, at full speed.",
	},
	{
		Name: "talker-burns-a-processor", Stage: eventLoop, File: "stage3-epoll/loop/table.go",
		Old:   "s.watch == machine.WantRead && s.notes&noteUnread == 0 {",
		New:   "s.watch == machine.WantRead {",
		Check: "stage3-epoll/loop TestASocketIsWatchedForReadingUntilSomethingComesThatNobodyWants/its_peer_talks:_true",
		Why: "A client that says more while its request is passed on is not read yet. Its socket is still watched for reading, so the " +
			"poller reports it at once, again and again, until the upstream has answered.",
	},
	{
		Name: "two-calls-for-nothing", Stage: eventLoop, File: "stage3-epoll/loop/table.go",
		Old:   "\tif want == machine.WantPeer && s.watch == machine.WantRead &&",
		New:   "\tif false &&",
		Check: "stage3-epoll TestSystemCalls/passed_on",
		Why: "The poller is told that nothing is wanted of a client whose request is passed on, and a moment later that its next request " +
			"is. Both calls are right and needless: mostly nothing comes in between. A fifth of a proxy's calls are these.",
	},
	{
		Name: "news-are-not-passed-on", Stage: eventLoop, File: "stage3-epoll/loop/loop.go",
		Old:   "\tl.stepNudged()\n",
		New:   "",
		Check: "stage3-epoll TestMachinesThatAreNoSessions/bytes_arrive_whole_both_ways_at_once,_and_an_end_is_passed_on",
		Why: "What one machine has for another lies there, and nobody steps the other one. As its own socket is silent, it waits " +
			"for ever.",
	},

	// Files by sendfile(2).
	{
		Name: "second-download-is-empty", Stage: eventLoop, File: "shared/sysnet/sender_linux.go",
		Old:   "sendfile(fd, from, &off, int(count), seen)",
		New:   "sendfile(fd, from, nil, int(count), seen)",
		Check: "shared/sysnet TestASenderLeavesTheFilesOwnOffsetAlone",
		Why: "Without an offset of its own sendfile(2) goes by the file's, and the cache lends one descriptor to everybody. The " +
			"first client gets the file, the next one begins at its end, and two at once get half each.",
	},
	{
		Name: "download-begins-again", Stage: eventLoop, File: "shared/sysnet/sender_linux.go",
		Old:   "sendfile(fd, from, &off, int(count), seen)",
		New:   "sendfile(fd, from, new(int64), int(count), seen)",
		Check: "files/large",
		Why: "What does not leave in one call goes on with the file's beginning. The length is right, so nobody complains but " +
			"those who open what they have fetched.",
	},
	{
		Name: "download-has-holes", Stage: eventLoop, File: "shared/sysnet/sender_linux.go",
		Old:   "\t\treturn int64(sent), err\n",
		New:   "\t\treturn count, err\n",
		Check: "shared/sysnet TestASenderSendsWhatIsInTheChain/a_whole_file_through_a_buffer_of_a_few_KiB",
		Why: "sendfile(2) may send less than it was asked to, and what it was asked for is taken for sent. Whenever a socket is " +
			"full a piece is missing, and in the end the client waits for as many bytes.",
	},
	{
		Name: "log-rotation-burns-a-processor", Stage: eventLoop, File: "shared/sysnet/sender_linux.go",
		Old:   "\t\terr = ErrTruncated\n",
		New:   "\t\terr = unix.EAGAIN\n",
		Check: "shared/sysnet TestASenderNoticesAFileThatShrank/to_nothing",
		Why: "At the end of a file sendfile(2) sends nothing and reports no error. Taken for a full socket it is tried again as " +
			"soon as there is room, which is at once: one file that is cut while somebody fetches it, and the loop spins.",
	},
	{
		Name: "everybody-waits-for-one-download", Stage: eventLoop, File: "shared/sysnet/sender_linux.go",
		Old:   "\t\tq.Ack(n)\n\t\tbudget -= n\n",
		New:   "\t\tq.Ack(n)\n",
		Check: "shared/sysnet TestASendersTurnHasAnEnd",
		Why: "A call sends as much as the client takes. To one on the same machine that may be all of a large file, and nobody " +
			"else on the loop gets a turn meanwhile.",
	},
	{
		Name: "every-answer-is-late", Stage: eventLoop, File: "shared/sysnet/sender_linux.go",
		Old:   "\tif fileNext {\n\t\tflags |= unix.MSG_MORE\n\t}\n",
		New:   "\tflags |= unix.MSG_MORE\n",
		Check: "shared/sysnet TestNothingIsHeldBack/one_segment_of_bytes",
		Why: "MSG_MORE promises more, and the kernel waits for it: 200 milliseconds with each answer on a connection that is kept " +
			"(send(2)). One that is closed shows nothing, for closing sends what is left.",
	},
	{
		Name: "what-follows-a-download-is-late", Stage: eventLoop, File: "shared/sysnet/sender_linux.go",
		Old:   "\t\tif q.CorkPassed() {\n\t\t\tuncork(fd, q)\n\t\t}\n",
		New:   "",
		Check: "shared/sysnet TestAnAnswerBehindALargeOneDoesNotWait/by_sendfile",
		Why: "A cork is put in for a large file and never pulled. The file's last bytes wait for a packet to become full, and so " +
			"does each small answer behind it: 200 milliseconds, on that connection, from that download on.",
	},

	// The files that are kept.
	{
		Name: "breaks-off-when-others-come", Stage: eventLoop, File: "shared/filecache/filecache.go",
		Old:   "\te.Retain()\n\tlook := ",
		New:   "\tlook := ",
		Check: "stage3-epoll/loop TestAFileThatLeavesTheCacheIsSentToItsEnd",
		Why: "A file that is found in the cache is lent without being counted. When others push it out, its descriptor is closed " +
			"under those who are still sending it; with bad luck the number is another file's by then, and they send that.",
	},
	{
		Name: "popular-page-never-changes", Stage: eventLoop, File: "shared/filecache/filecache.go",
		Old:   "\tif look {\n\t\te.checked = now",
		New:   "\t{\n\t\te.checked = now",
		Check: "shared/filecache TestChangesAreNoticedAfterASecond/a_small_file_is_written_again",
		Why: "Each request puts the next look at the file off by a second. A page that is asked for seldom is always new, and one " +
			"that is asked for all the time stays as it was.",
	},
	{
		Name: "half-of-it-is-compressed", Stage: eventLoop, File: "shared/filecache/coding.go",
		Old:   "\t\tETag:     bodyTag(p.made.Bytes(), suffix[Gzip]),\n",
		New:   "\t\tETag:     e.ETag,\n",
		Check: "shared/filecache TestWhatIsCompressed",
		Why: "A file and what gzip makes of it have the same tag, which says that they are the same bytes (RFC 9110 8.8.3.3). " +
			"A download that is taken up again with the other form joins two halves that do not fit.",
	},
}
