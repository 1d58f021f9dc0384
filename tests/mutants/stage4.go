package mutants

// Mutants that are built into stage 4: which process outlives which, and which one notices.
//
// A row's text stands in its file exactly once, and has no comment in it, so that comments can be
// improved. What every stage has in common is in shared.go.

const prefork = "stage4-prefork"

var stage4 = []Mutant{
	// What outlives a worker.
	{
		Name: "one-crash-and-all-stand-still", Stage: prefork, File: "stage4-prefork/spawn.go",
		Old:   "\tc.Pass(fdLifeline, m.lifeline[0])\n",
		New:   "\tc.Pass(fdLifeline, m.lifeline[0])\n\tfor _, l := range m.app.Listeners {\n\t\tif w.position.backoff.Tried() {\n\t\t\tunix.SetNonblock(l.FD, false)\n\t\t}\n\t}\n",
		Check: "stage4-prefork TestTheSharedSocketNeverBlocks",
		Why: "The socket is made blocking for a worker that replaces another, as happens to one that is passed by way of its " +
			"listener's File. That is no property of the copy but of the open file description, which all processes share " +
			"(open(2)). Each loop waits in accept(2) from its next client on, and whoever it has already waits with it.",
	},
	{
		Name: "rate-leaps-at-each-death", Stage: prefork, File: "stage4-prefork/worker.go",
		Old:   "a.Thread(s.role.Position, a.Name())",
		New:   "a.Thread(1+s.role.Process%maxWorkers, a.Name())",
		Check: "stage4-prefork TestWhatAPositionHasCountedOutlivesItsProcesses",
		Why: "Each process counts in a slot that goes with its entry, and not with its position. A successor gets the counters of " +
			"whoever had the entry before: what was worker 1's yesterday is told of worker 3 today, and a rate drawn from either " +
			"leaps at each death.",
	},
	{
		Name: "regular-guests-are-locked-out", Stage: prefork, File: "stage4-prefork/master.go",
		Old:   "\tm.app.Server.Limiter.Reclaim(m.stage.Memory.LedgerOf(process))\n",
		New:   "",
		Check: "stage4-prefork TestWhatIsKnownOfAClientOutlivesTheWorkers",
		Why: "What a dead worker had open stays on its clients' counts. Each crash leaves some more there, until those who come " +
			"often may have no connection at all; and as the counts outlive every worker, only a new start helps.",
	},
	{
		Name: "port-stays-taken", Stage: prefork, File: "stage4-prefork/spawn.go",
		Old:   ", Death: unix.SIGCONT, Hold: ignored}",
		New:   ", Death: unix.Signal(0), Hold: ignored}",
		Check: "stage4-prefork TestAMasterThatIsKilledLeavesNobodyBehind",
		Why: "A worker finds out that its master is gone by reading. One that is stopped reads nothing (signal(7)), and keeps the " +
			"port from the next start, though nobody has seen it run for days.",
	},

	{
		Name: "stumbles-over-half-a-renewal", Stage: prefork, File: "shared/app/passon_linux.go",
		Old:   "\tif s.Process > 0 {\n",
		New:   "\tif s.Process < 0 {\n",
		Check: "stage4-prefork TestANewWorkerDoesNotReadTheCertificates",
		Why: "Each worker reads the certificates by itself. One that takes a dead one's place in the moment in which a renewal has " +
			"replaced the certificate and not yet the key cannot start, and neither can any other after it.",
	},

	// Deaths.
	{
		Name: "one-worker-less-each-time", Stage: prefork, File: "shared/children/start_linux.go",
		Old:   "\t\tended(pid, End(status))\n",
		New:   "\t\tended(pid, End(status))\n\t\treturn\n",
		Check: "stage4-prefork TestSeveralDeathsAtOnceAreAllNoticed",
		Why: "SIGCHLD is taken for one death. Signals do not queue (signal(7)): two that die together are one signal, one of them " +
			"stays a zombie, and its place stays empty.",
	},
	{
		Name: "deaf-in-a-storm", Stage: prefork, File: "shared/app/signals.go",
		Old:   "\tfor _, kind := range kinds {\n\t\tarrived := make(chan os.Signal, 1)\n",
		New:   "\tarrived := make(chan os.Signal, 64)\n\tfor _, kind := range kinds {\n",
		Check: "stage4-prefork TestAStormOfOneSignalDrownsNoOther",
		Why: "All kinds of signals come by one channel, and package os/signal drops what it has no room for. A script that sends " +
			"USR1 in a loop makes the master miss a death, whose place stays empty, or the order to stop.",
	},
	{
		Name: "one-bad-file-takes-a-processor", Stage: prefork, File: "shared/children/backoff.go",
		Old:   "\tif b.deaths == 1 {\n\t\treturn 0\n\t}\n",
		New:   "\tif b.deaths > 0 {\n\t\treturn 0\n\t}\n",
		Check: "stage4-prefork TestAWorkerThatCannotLiveIsNotStartedInAStorm",
		Why: "Who dies is replaced at once, always. A worker that cannot live is started as often as the machine can, and the " +
			"others get what processor is left.",
	},
	{
		Name: "forgets-that-it-was-ever-well", Stage: prefork, File: "shared/children/backoff.go",
		Old:   "\tif lived >= stableAfter {\n\t\tb.deaths = 0\n\t}\n",
		New:   "",
		Check: "shared/children TestAWorkerThatKeepsDyingWaitsLongerEachTime/a_long_life_begins_a_new_row",
		Why: "Deaths are counted over all of a server's life, and not in a row. A worker that crashes once a week is replaced at " +
			"once in the first week, and after half a minute in the tenth.",
	},

	// The watchdog.
	{
		Name: "hung-and-in-good-health", Stage: prefork, File: "stage4-prefork/worker.go",
		Old: "\t\tWatched:   s.entry,\n\t\tBeat:      s.opt.beat(),\n\t}\n",
		New: "\t}\n\tgo func() {\n\t\tfor range time.Tick(200 * time.Millisecond) {\n\t\t\tvar now unix.Timespec\n" +
			"\t\t\tunix.ClockGettime(unix.CLOCK_MONOTONIC, &now)\n\t\t\ts.entry.Beat.Store(now.Nano())\n\t\t}\n\t}()\n",
		Check: "stage4-prefork TestAHungLoopIsReplacedAndSaysWhere",
		Why: "The heartbeat comes from a goroutine beside the loop, so that idle loops can sleep. It shows that the process " +
			"lives. A loop that hangs, which is what the watchdog is for, is never found.",
	},
	{
		Name: "silent-about-where-it-hung", Stage: prefork, File: "stage4-prefork/watchdog.go",
		Old:   "\tif unix.Tgkill(w.pid, int(entry.Thread.Load()), sigStacks) != nil {\n\t\tunix.Kill(w.pid, sigStacks)\n\t}\n",
		New:   "\tunix.Tgkill(w.pid, w.pid, sigStacks)\n",
		Check: "stage4-prefork TestAHungLoopIsReplacedAndSaysWhere",
		Why: "SIGQUIT is sent to the process's first thread, as kill(2) mostly does (signal(7)). Of one that hangs in a raw " +
			"system call on another thread, Go can only say that its stack is unavailable: such a hang leaves a log full of " +
			"stacks, and not the one.",
	},
	{
		Name: "everybody-is-killed-after-lunch", Stage: prefork, File: "shared/children/patience.go",
		Old:   "\tp.Excuse(now)\n",
		New:   "",
		Check: "shared/children TestNoSuspensionIsBlamedOnAChild",
		Why: "The master is not aware that it was itself suspended. After Ctrl+Z, a debugger, or a virtual machine that was put " +
			"aside, all workers are silent for too long at once, and all are killed with their connections.",
	},

	// Changes.
	{
		Name: "ready-and-dead", Stage: prefork, File: "stage4-prefork/reload.go",
		Old:   "\tif m.change.committed {\n",
		New:   "\tif true {\n",
		Check: "stage4-prefork TestAWorkerThatCrashesWhenItServesHasNotTakenOver",
		Why: "The first new worker is believed when it says that it serves, and the old one goes at once. One that crashes a " +
			"moment later has passed the trial of the new settings, and one after the other all workers are replaced by such.",
	},
	{
		Name: "everybody-obeys", Stage: prefork, File: "stage4-prefork/worker.go",
		Old:   "\tsignal.Ignore(ignored...)",
		New:   "",
		Check: "stage4-prefork TestAWorkerLeavesTheMastersSignalsToTheMaster",
		Why: "A terminal and a service manager send their signals to all processes of a group. Workers that do by themselves " +
			"what the master is told end, or stand still, before it has heard of it, and it takes that for their deaths.",
	},
	{
		Name: "cured-to-death", Stage: prefork, File: "stage4-prefork/reload.go",
		Old:   "\t\tswitch p.next, err = m.start(p); {\n",
		New:   "\t\tm.dismiss(p.current)\n\t\tswitch p.next, err = m.start(p); {\n",
		Check: "stage4-prefork TestAReloadWhoseWorkersDoNotLiveIsTakenBack",
		Why: "A reload retires the old worker first. As long as all settings are right nobody notices more than a short dip; with " +
			"one that no worker can live with, the old one has gone when that is found out.",
	},
	{
		Name: "one-of-four-knows-better", Stage: prefork, File: "shared/app/passon_linux.go",
		Old:   "text != nil {\n",
		New:   "text != nil && first < 0 {\n",
		Check: "stage4-prefork TestAReloadReadsTheFileAnew",
		Why: "A worker that is started later reads the configuration file by itself, as it is by then. Somebody who edits it has " +
			"not reloaded yet; a worker crashes, and one of four serves by half-finished settings, or cannot start.",
	},
	{
		Name: "never-told-to-go", Stage: prefork, File: "stage4-prefork/workers.go",
		Old:   "\t\tm.bidFarewell(w)\n\t\treturn\n",
		New:   "\t\tw.enter(workerLeaving)\n\t\treturn\n",
		Check: "stage4-prefork TestAWorkerThatIsTooManyBeforeItIsReadyEnds",
		Why: "A worker that is not wanted any more while it starts is not told when it can hear. It serves on, beside those " +
			"that were asked for, and by settings that have been replaced.",
	},
	{
		Name: "socket-goes-with-the-old-program", Stage: prefork, File: "stage4-prefork/stop.go",
		Old:   "app.CloseAll(m.listeners())",
		New:   "app.CloseForGood(m.listeners())",
		Check: "stage4-prefork TestTheNameOfASocketStaysAcrossAHandOver",
		Why: "The old program tidies up when it is replaced, and removes the name of the Unix socket that its successor serves. Those " +
			"who are connected notice nothing; nobody else comes in.",
	},
	{
		Name: "last-words-are-missing", Stage: prefork, File: "stage4-prefork/handover.go",
		Old:   "\tm.app.Listeners = nil",
		New:   "",
		Check: "stage4-prefork TestAReplacedProgramClosesNothingTwice",
		Why: "A program that was replaced closes its listeners' numbers once more when it is told to stop. By then they are " +
			"something else's: here the log's, which was opened again meanwhile.",
	},
}
