package mutants

// Mutants of what every stage has around its waiting: the defence per address, and the
// minimum speed. They are built into stage 3, which serves a flood as readily as anything.

var common = []Mutant{
	// Rates and bans.
	{
		Name: "absence-is-saved-up", Stage: eventLoop, File: "shared/limiter/limiter.go",
		Old:   "next := max(due, now) + min(interval*requests, early)",
		New:   "next := due + min(interval*requests, early)",
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
		Old:   "\t\t\ts.praise(way, id)\n\t\tcase Malformed",
		New:   "\t\tcase Malformed",
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

	{
		Name: "regulars-pay-for-the-rush", Stage: eventLoop, File: "shared/limiter/limiter.go",
		Old:   "case flood && !lowered:",
		New:   "case flood || !lowered:",
		Check: "shared/limiter TestOnlyWhatTheFullRateRefusesIsAStepToABan",
		Why: "While the rate is lowered, whoever keeps to the full one is refused now and then, and each refusal is a step to a ban. " +
			"In the worst hour of the year the best customers are shut out for a minute each.",
	},
	{
		Name: "neighbour-lowers-the-rate", Stage: eventLoop, File: "shared/app/adaptive.go",
		Old:   "return own.wait >= leastWait",
		New:   "return true",
		Check: "shared/app TestTheRateFollowsTheServersOwnLateness/nothing_to_do,_beside_a_neighbour_who_takes_everything",
		Why: "The machine's pressure counts whether or not the server has anything to do. While somebody else compiles beside it, " +
			"visitors of an idle server are refused.",
	},

	// Who is who.
	{
		Name: "neighbour-speaks-for-the-world", Stage: eventLoop, File: "shared/session/client.go",
		Old:   "!x.s.proxy && passedOn(x.Request()) {",
		New:   "x.s.proxy && x.unknown {",
		Check: "shared/site TestWhoSpeaksForOthersDoesNotLookInsideForHimself/a_proxy_on_this_machine_that_nobody_named",
		Why: "Who comes from the server's own machine may look inside, and a proxy there comes from it with the requests of the whole " +
			"world. Nobody notices until a stranger draws the operator's figures.",
	},

	// The built-in site.
	{
		Name: "tidied-away-under-a-server", Stage: eventLoop, File: "shared/site/hold.go",
		Old:   "flock(lock, unix.LOCK_EX|unix.LOCK_NB)",
		New:   "flock(lock, unix.LOCK_SH|unix.LOCK_NB)",
		Check: "shared/site TestWhatNobodyNeedsIsRemoved/another_process_serves_it",
		Why: "Who wants to remove a folder asks for the lock that those who serve it have, and gets it: a shared one can be had by " +
			"any number. The next program that is started on the machine takes the site from under the one that serves.",
	},
	{
		Name: "uploads-are-rubbish", Stage: eventLoop, File: "shared/site/hold.go",
		Old:   "return err == nil && len(unpacked) > 0 && bytes.Equal(list, unpacked), err",
		New:   "return err == nil && len(unpacked) > 0 && bytes.HasPrefix(list, unpacked[:1]), err",
		Check: "shared/site TestWhatNobodyNeedsIsRemoved/there_is_an_upload",
		Why: "An old folder goes whatever lies in it. Nobody notices until the program is replaced by a newer one, and what visitors " +
			"have uploaded to the old one is gone.",
	},

	// Minimum speed.
	{
		Name: "quick-start-buys-an-hour", Stage: eventLoop, File: "shared/session/pace.go",
		Old:   "\tp.credit = min(p.credit, rate*int64(maxSilence/clock.Second))\n",
		New:   "",
		Check: "shared/session TestDeadlines/a_reader_that_takes_much_at_once_may_be_silent_for_a_minute",
		Why: "What a client moves beyond the minimum counts for ever. One that takes a few megabytes at full speed, which its " +
			"kernel does by itself, may then read nothing for hours, and its connection is held all the while.",
	},
	{
		Name: "slow-reader-is-invisible", Stage: eventLoop, File: "shared/session/pace.go",
		Old:   "now, taken := s.thread.Clock.Now(), s.sent()-s.unsent()",
		New:   "now, taken := s.thread.Clock.Now(), s.sent()",
		Check: "shared/session TestDeadlines/bytes_that_leave_the_kernel's_buffer_do",
		Why: "What the socket has taken is counted as read. The kernel takes megabytes for a client that reads nothing, and takes " +
			"them in jumps: the speed that is measured is that of its buffers. Who reads steadily and slowly is cut, and who " +
			"reads not at all is cut late.",
	},

	// Descriptors.
	{
		Name: "table-grows-under-load", Stage: eventLoop, File: "shared/app/app.go",
		Old:   "sysnet.GrowDescriptorTable(min(a.files, a.Config.Limits.Conns+a.reserved))",
		New:   "sysnet.GrowDescriptorTable(64)",
		Check: "stage3-epoll TestBehaviour/Slowloris",
		Why: "The table of descriptors has the size that the kernel gives every process. With the 64th connection, the 128th, and each " +
			"further power of two, accept(2) waits for 10 milliseconds or more until all processors have let go of the old table, " +
			"and all clients of the loop wait with it. No answer is wrong, and no profile shows it, for nothing runs meanwhile.",
	},

	// TLS.
	{
		Name: "stranger-next-door", Stage: prefork, File: "shared/tickets/tickets.go",
		Old:   "\t\tr.publish(now, now.Add(Lead))\n",
		New:   "\t\tr.publish(now, now)\n",
		Check: "shared/tickets TestNoProcessEverGetsATicketThatItCannotRead",
		Why: "A new key encrypts as soon as it is there. Until the other workers have looked, once a day for some seconds, a client " +
			"that lands in another worker than before pays a whole handshake. Nothing fails, and only the processor's load shows it.",
	},
	{
		Name: "key-of-another-lock", Stage: eventLoop, File: "shared/certs/pair.go",
		Old:   "\t\tcase public.Equal(c.PublicKey) && i == 0:\n",
		New:   "\t\tcase i == 0:\n",
		Check: "shared/certs TestAPairThatCannotBeUsedIsSaidInOneLine/somebody_else's_key",
		Why: "Whether the key belongs to the certificate is not looked at. A renewal that has replaced the one and not yet the other " +
			"is taken on HUP, and from then on every handshake fails, though the server is up and its log is silent.",
	},
	{
		Name: "half-a-renewal", Stage: eventLoop, File: "shared/app/tls.go",
		Old:   "\tif err == nil {\n\t\tchanged, err = a.tls.certs.Reload()\n\t}\n",
		New:   "\tchanged, err = a.tls.certs.Reload()\n",
		Check: "shared/app TestCertificatesAndTicketKeysAreReloadedTogetherOrNotAtAll",
		Why: "The certificates are reloaded though the ticket keys cannot be read. The log says that all stays as it was, and it " +
			"does not.",
	},
	{
		Name: "round-and-round", Stage: eventLoop, File: "shared/site/https.go",
		Old:   " && x.Security().Version == 0",
		New:   "",
		Check: "stage3-epoll TestBehaviour/HTTPSRedirect",
		Why: "Who asks by https is sent to https. The browser gives up after some twenty times, and says that the page has moved " +
			"too often.",
	},

	// What is answered.
	{
		Name: "page-for-a-script", Stage: eventLoop, File: "shared/site/pages.go",
		Old:   "return s.app != nil && len(guard.Extension(path)) == 0 && ",
		New:   "return s.app != nil && ",
		Check: "shared/site TestAnApplicationAnswersWhereSomebodyGoes/a_missing_script",
		Why: "A script that is gone is answered with the application's page and 200. The browser says that it cannot read the " +
			"script's first character, and nobody thinks of a file that is missing.",
	},
	{
		Name: "nobody-is-somebody", Stage: eventLoop, File: "shared/auth/auth.go",
		Old:   "\t\thash, ok = u.nobody, false\n",
		New:   "\t\thash = u.nobody\n",
		Check: "shared/auth TestPasswords/nobody_there,_by_the_hash_that_stands_in",
		Why: "The hash that is checked where there is no such user, so that no time tells it, is a real one, and whoever knows its " +
			"password may come in by any name.",
	},
	{
		Name: "question-is-passed-on-for-anybody", Stage: eventLoop, File: "shared/site/options.go",
		Old:   "return !passedOn && r.Has(http1.Origin)",
		New:   "return r.Has(http1.Origin)",
		Check: "stage3-epoll TestBehaviour/Passwords/such_a_question_that_would_be_passed_on",
		Why: "Many a server answers OPTIONS as it does GET. Whoever writes the two fields of a browser's question reads any page of " +
			"such a server without the password.",
	},
}
