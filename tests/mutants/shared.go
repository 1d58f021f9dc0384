package mutants

// Mutants of what every stage has around its waiting: the defence per address, and the
// minimum speed. They are built into stage 3, which serves a flood as readily as anything.

var common = []Mutant{
	// Rates and bans.
	{
		Name: "absence-is-saved-up", Stage: eventLoop, File: "shared/limiter/limiter.go",
		Old:   "next := max(due, now) + interval",
		New:   "next := due + interval",
		Check: "shared/limiter TestRateBurstAndBan",
		Why: "The next request's time is counted on from the last one's and never from the present. A client that was away for an " +
			"hour has an hour's requests to spend at once, and so has everybody whom the server does not know yet: to them it " +
			"is as if they had been quiet since the clock began.",
	},
	{
		Name: "flood-frees-the-banned", Stage: eventLoop, File: "shared/limiter/entry.go",
		Old:   "return e.conns() == 0 && (!e.banned() || s.until[way].Load() <= now)",
		New:   "return e.conns() == 0",
		Check: "shared/limiter TestAFloodOfAddressesForgetsNoBanAndNoConnection",
		Why: "An entry without an open connection gives way, whatever else it holds. All is well as long as there is room. An " +
			"attacker who has a network of IPv6 addresses sends one request from each of some hundred thousand, and all the " +
			"bans are forgotten.",
	},
	{
		Name: "regulars-are-banned", Stage: eventLoop, File: "shared/limiter/limiter.go",
		Old:   "\t\ts.praise(way, id)\n",
		New:   "",
		Check: "shared/limiter TestRateBurstAndBan",
		Why: "A request that is let through no longer ends the row of refusals. Whoever is a little too quick now and then is " +
			"refused for the twentieth time after an hour or a week, and is banned as if for a flood: the best customers first.",
	},
	{
		Name: "calm-returns-all-at-once", Stage: eventLoop, File: "shared/limiter/adaptive.go",
		Old:   "a.level, a.calm = a.level-1, notCalm",
		New:   "a.level, a.calm = 0, notCalm",
		Check: "shared/limiter TestAdaptive/the_way_back_is_one_step_for_each_half_minute_of_calm",
		Why: "After half a minute of calm the whole rate is back, whatever the calm was measured against. At a quarter of the rate " +
			"a busy machine may look calm enough for a half. The flood is let in, turned away, and let in again: the rate swings.",
	},

	// Minimum speed.
	{
		Name: "quick-start-buys-an-hour", Stage: eventLoop, File: "shared/session/deadline.go",
		Old:   "\t\ts.credit = min(s.credit, rate*int64(maxSilence/clock.Second))\n",
		New:   "",
		Check: "shared/session TestDeadlines/a_reader_that_takes_much_at_once_may_be_silent_for_a_minute",
		Why: "What a client moves beyond the minimum counts for ever. One that takes a few megabytes at full speed, which its " +
			"kernel does by itself, may then read nothing for hours, and its connection is held all the while.",
	},
	{
		Name: "slow-reader-is-invisible", Stage: eventLoop, File: "shared/session/deadline.go",
		Old:   "\t\tsent -= s.loc.Unsent(s.handle)\n",
		New:   "",
		Check: "shared/session TestDeadlines/bytes_that_leave_the_kernel's_buffer_do",
		Why: "What the socket has taken is counted as read. The kernel takes megabytes for a client that reads nothing, and takes " +
			"them in jumps: the speed that is measured is that of its buffers. Who reads steadily and slowly is cut, and who " +
			"reads not at all is cut late.",
	},

	// Descriptors.
	{
		Name: "table-grows-under-load", Stage: eventLoop, File: "shared/app/app.go",
		Old:   "sysnet.GrowDescriptorTable(a.descriptors)",
		New:   "sysnet.GrowDescriptorTable(64)",
		Check: "stage3-epoll TestBehaviour/Slowloris",
		Why: "The table of descriptors has the size that the kernel gives every process. With the 64th connection, the 128th, and each " +
			"further power of two, accept(2) waits for 10 milliseconds or more until all processors have let go of the old table, " +
			"and all clients of the loop wait with it. No answer is wrong, and no profile shows it, for nothing runs meanwhile.",
	},
}
