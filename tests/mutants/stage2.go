package mutants

// Mutants that are built into stage 2.
//
// A row's text stands in its file exactly once, and has no comment in it, so that comments can be
// improved. What every stage has in common is in shared.go.

const pollLoop = "stage2-poll"

var stage2 = []Mutant{
	{
		Name: "stranger-gets-the-answer", Stage: pollLoop, File: "stage2-poll/runner.go",
		Old:   "\tr.entry(int(s.slot)).slot = s.slot\n",
		New:   "",
		Check: "stage2-poll TestMany/ReusedDescriptors",
		Why: "The connection that moves into a gap still believes in its old slot. What it wants to wait for is written into " +
			"somebody else's entry: one client hangs when another has left, and the more come and go, the more hang.",
	},

	// Readiness.
	{
		Name: "large-files-break-off", Stage: pollLoop, File: "stage2-poll/socket.go",
		Old:   "\tcase err == nil || sysnet.Again(err):\n",
		New:   "\tcase err == nil:\n",
		Check: "stage2-poll TestBehaviour/PausedReader",
		Why: "EAGAIN from a socket that does not block says that its buffer is full for now, and not that it is broken. On one's own " +
			"machine the buffer takes a whole turn and the fault never shows; over a slow line every large file is reset in the middle.",
	},
	{
		Name: "file-has-holes", Stage: pollLoop, File: "shared/sysnet/send.go",
		Old:   "\t\tq.Ack(int64(n))\n",
		New:   "\t\tn = 0\n\t\tfor _, p := range iov {\n\t\t\tn += len(p)\n\t\t}\n\t\tq.Ack(int64(n))\n",
		Check: "stage2-poll TestBehaviour/PausedReader",
		Why: "A socket that does not block takes what fits and says how much that was (write(2)). Here all of it counts as sent. The " +
			"rest is missing in the middle of the file, and the client waits in vain for as many bytes at its end.",
	},
	{
		Name: "signal-fells-the-server", Stage: pollLoop, File: "stage2-poll/runner.go",
		Old:   "\t\tcase unix.EINTR:\n\t\t\tcontinue",
		New:   "",
		Check: "stage2-poll TestBehaviour/Interruptions",
		Why: "A wait that a signal ends early fails with EINTR, whatever the signal's handler asked for (signal(7)). Go's own scheduler " +
			"sends signals, so the server ends now and then, for no reason that anybody can see.",
	},
	{
		Name: "leaver-is-never-let-go", Stage: pollLoop, File: "stage2-poll/socket.go",
		Old:   "\tcase n > 0:\n\t\ts.Received(n)\n",
		New:   "\tcase n >= 0:\n\t\ts.Received(n)\n",
		Check: "closing/half-close",
		Why: "The end of the stream is readable, and stays so: a descriptor whose 0 bytes are not understood is ready in every " +
			"turn. Each client that leaves makes its runner spin until the idle timeout, with all the others on it.",
	},

	// Deadlines.
	{
		Name: "drip-outlives-its-timeout", Stage: pollLoop, File: "shared/timerwheel/timerwheel.go",
		Old:   "\tif n.waits() && tick >= n.tick() {\n",
		New:   "\tif n.waits() {\n",
		Check: "shared/timerwheel TestCancelAndMove",
		Why: "A deadline that is moved to an earlier time stays where it stood, as if it had been moved to a later one. The " +
			"first byte of a head starts the shorter clock, and the connection is looked at when the idle timeout is over.",
	},

	// Notify pipes.
	{
		Name: "burst-leads-to-nonsense", Stage: pollLoop, File: "stage2-poll/runner.go",
		Old:   "\tinbox    [inbox * messageLen]byte\n",
		New:   "\tinbox    [4 << 10]byte\n",
		Check: "stage2-poll TestABurstOfMessagesIsReadWhole",
		Why: "A buffer of 4,096 bytes is no multiple of 48. As soon as 86 messages wait, the last one that is read is cut, and " +
			"what is left of it is read as the next. Nothing is wrong as long as nobody is in a hurry.",
	},
	{
		Name: "crowd-at-the-door", Stage: pollLoop, File: "stage2-poll/runner.go",
		Old:   "\tfor ; len(b) >= messageLen; b = b[messageLen:] {\n",
		New:   "\tif len(b) >= messageLen {\n",
		Check: "stage2-poll TestMany/Uploads",
		Why: "One wake-up is taken for one message. Where several have come since the last look, the first is handled and the " +
			"others are gone: clients that were accepted, or whose upload is stored, never get an answer.",
	},
	{
		Name: "address-is-never-free-again", Stage: pollLoop, File: "stage2-poll/notify.go",
		Old:   "binary.NativeEndian.PutUint64(b[16:], m.ticket)",
		New:   "binary.NativeEndian.PutUint32(b[16:], uint32(m.ticket))",
		Check: "stage2-poll TestMessagesComeBackAsTheyWere",
		Why: "Half of the number is lost on its way through the pipe. It comes back as another one, so what was counted for a " +
			"client's address when it came is not given back when it goes.",
	},
	{
		Name: "full-pipe-swallows-clients", Stage: pollLoop, File: "stage2-poll/distribute.go",
		Old:   "\t\tcase errFull:\n",
		New:   "\t\tcase errFull:\n\t\t\treturn true\n",
		Check: "stage2-poll TestTheLeastBusyRunnerWithRoomGetsTheConnection",
		Why: "The result of a write that does not block is not looked at. If the pipe is full the message is not in it: nobody " +
			"has the connection, nobody closes it, and its client waits until it gives up.",
	},
	{
		Name: "runner-is-shunned", Stage: pollLoop, File: "stage2-poll/distribute.go",
		Old:   "\t\tr.load.Add(-1)\n",
		New:   "",
		Check: "stage2-poll TestTheLeastBusyRunnerWithRoomGetsTheConnection",
		Why: "A connection that could not be handed over still counts for the runner that had no room. After each burst that " +
			"one looks busier than it is, for ever, and sits idle while the others work.",
	},
	{
		Name: "one-runner-gets-all", Stage: pollLoop, File: "stage2-poll/distribute.go",
		Old:   "\t\tr.load.Add(1)\n",
		New:   "",
		Check: "stage2-poll TestTheLeastBusyRunnerWithRoomGetsTheConnection",
		Why: "Connections are counted when they end and not when they are given. All runners look equally idle, so the first one " +
			"gets the whole burst; later it is the one that has ended the most, which is the busiest.",
	},

	// Slow work.
	{
		Name: "one-reset-fells-the-server", Stage: pollLoop, File: "stage2-poll/runner.go",
		Old:   "\tr.fds[s.slot].Fd = ^s.fd\n",
		New:   "\tr.fds[s.slot].Events = 0\n",
		Check: "stage2-poll TestNothingIsReportedOfASocketThatIsNotWatched",
		Why: "poll(2) reports a hang-up and an error although nobody asked for them. A client that resets while a disk works for " +
			"it has its session stepped by two threads, its work begun twice, and its slot given back twice.",
	},

	// Refusing and stopping.
	{
		Name: "full-server-hangs-up", Stage: pollLoop, File: "stage2-poll/distribute.go",
		Old:   "\t\tm.kind, m.why = msgRefused, why\n",
		New:   "\t\tsysnet.Close(fd, false)\n\t\treturn\n",
		Check: "stage2-poll TestBehaviour/ConnectionLimit",
		Why: "A connection over the limit is closed without a word. To its client that looks like a crash, so it tries again at " +
			"once, and so do all the others that a full server turns away.",
	},
	{
		Name: "refusal-is-overtaken", Stage: pollLoop, File: "stage2-poll/socket.go",
		Old:   "\t\t\tsysnet.EndSending(int(s.fd))\n",
		New:   "\t\t\tr.close(s)\n\t\t\treturn\n",
		Check: "stage2-poll TestBehaviour/ConnectionLimit",
		Why: "WantShut asks for the end of our direction only. A close instead sends a reset where the client's bytes lie unread " +
			"(RFC 9112 9.6), and the reset destroys the answer that explains it.",
	},
	{
		Name: "stop-never-ends", Stage: pollLoop, File: "stage2-poll/socket.go",
		Old:   "\t\ts.Fail()\n\t\tr.drive(s, false)\n",
		New:   "\t\ts.Fail()\n",
		Check: "stage2-poll TestBehaviour/StopCutsWhatIsLeft",
		Why: "The session is told that it has failed, and nobody steps it: a state is changed and nothing acts on it. A client " +
			"that never finishes its request keeps the server from stopping, until its own deadline comes.",
	},
	{
		Name: "stop-waits-for-the-dead", Stage: pollLoop, File: "stage2-poll/notify.go",
		Old:   "\tfor !n.ended.Load() {\n",
		New:   "\tfor {\n",
		Check: "stage2-poll TestSendingToARunnerThatHasEndedGivesUp",
		Why: "A sender that waits for room in a pipe waits for its reader. If that one has ended there will never be any, and the " +
			"server hangs while it stops: seldom, and only if it was busy.",
	},
}
