package mutants

// Mutants that are built into stage 4: who outlives whom, and who notices.

const prefork = "stage4-prefork"

var stage4 = []Mutant{
	// What outlives a worker.
	{
		Name: "one-crash-and-all-stand-still", Stage: prefork, File: "stage4-prefork/master.go",
		Old:   "\t\t\tl.Set = app.Everybody // to this",
		New:   "\t\t\tif w.position.restarts > 0 {\n\t\t\t\tunix.SetNonblock(l.FD, false)\n\t\t\t}\n\t\t\tl.Set = app.Everybody // to this",
		Check: "stage4-prefork TestTheSharedSocketNeverBlocks",
		Why: "The socket is made blocking for a worker that replaces another, as happens to one that is passed by way of its " +
			"listener's File. That is no property of the copy but of the open file description, which all processes share " +
			"(open(2)). Each loop waits in accept(2) from its next client on, and whoever it has already waits with it.",
	},
	{
		Name: "regular-guests-are-locked-out", Stage: prefork, File: "stage4-prefork/master.go",
		Old:   "\tm.app.Server.Limiter.Reclaim(m.memory.ledgerOf(process))\n",
		New:   "",
		Check: "stage4-prefork TestWhatIsKnownOfAClientOutlivesTheWorkers",
		Why: "What a dead worker had open stays on its clients' counts. Each crash leaves some more there, until those who come " +
			"often may have no connection at all; and as the counts outlive every worker, only a new start helps.",
	},
	{
		Name: "port-stays-taken", Stage: prefork, File: "stage4-prefork/inherit.go",
		Old:   "\treturn syscall.SIGCONT\n",
		New:   "\treturn 0\n",
		Check: "stage4-prefork TestAMasterThatIsKilledLeavesNobodyBehind",
		Why: "A worker finds out that its master is gone by reading. One that is stopped reads nothing (signal(7)), and keeps the " +
			"port from the next start, though nobody has seen it run for days.",
	},

	// Deaths.
	{
		Name: "one-worker-less-each-time", Stage: prefork, File: "stage4-prefork/master.go",
		Old:   "\t\t\tm.successorDied(status)\n\t\t}\n\t}\n}\n",
		New:   "\t\t\tm.successorDied(status)\n\t\t}\n\t\treturn\n\t}\n}\n",
		Check: "stage4-prefork TestSeveralDeathsAtOnceAreAllNoticed",
		Why: "SIGCHLD is taken for one death. Signals do not queue (signal(7)): two that die together are one signal, one of them " +
			"stays a zombie, and its place stays empty.",
	},
	{
		Name: "one-bad-file-takes-a-processor", Stage: prefork, File: "stage4-prefork/respawn.go",
		Old:   "\tif b.deaths == 1 {\n\t\treturn 0\n\t}\n",
		New:   "\tif b.deaths > 0 {\n\t\treturn 0\n\t}\n",
		Check: "stage4-prefork TestAWorkerThatCannotLiveIsNotStartedInAStorm",
		Why: "Who dies is replaced at once, always. A worker that cannot live is started as often as the machine can, and the " +
			"others get what processor is left.",
	},
	{
		Name: "forgets-that-it-was-ever-well", Stage: prefork, File: "stage4-prefork/respawn.go",
		Old:   "\tif lived >= stableAfter {\n\t\tb.deaths = 0\n\t}\n",
		New:   "",
		Check: "stage4-prefork TestAWorkerThatKeepsDyingWaitsLongerEachTime/a_long_life_begins_a_new_row",
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
		New:   "\tunix.Kill(w.pid, sigStacks)\n",
		Check: "stage4-prefork TestAHungLoopIsReplacedAndSaysWhere",
		Why: "SIGQUIT is sent to the process, and the kernel has some thread handle it (signal(7)). Of one that hangs in a raw " +
			"system call on another thread, Go can only say that its stack is unavailable: such a hang leaves a log full of " +
			"stacks, and not the one.",
	},
	{
		Name: "everybody-is-killed-after-lunch", Stage: prefork, File: "stage4-prefork/watchdog.go",
		Old:   "\t\tm.forgiven = now\n",
		New:   "",
		Check: "stage4-prefork TestNobodyIsBlamedForBeingSuspendedTogether",
		Why: "The master is not aware that it was itself suspended. After Ctrl+Z, a debugger, or a virtual machine that was put " +
			"aside, all workers are silent for too long at once, and all are killed with their connections.",
	},

	// Changes.
	{
		Name: "cured-to-death", Stage: prefork, File: "stage4-prefork/reload.go",
		Old:   "\t\tif p.next = m.start(p); p.next == nil {\n",
		New:   "\t\tm.retire(p.current)\n\t\tif p.next = m.start(p); p.next == nil {\n",
		Check: "stage4-prefork TestAReloadWhoseWorkersDoNotLiveIsTakenBack",
		Why: "A reload retires the old worker first. As long as all settings are right nobody notices more than a short dip; with " +
			"one that no worker can live with, the old one has gone when that is found out.",
	},
	{
		Name: "one-of-four-knows-better", Stage: prefork, File: "stage4-prefork/master.go",
		Old:   "\tif r.Configured {\n",
		New:   "\tif false {\n",
		Check: "stage4-prefork TestAReloadReadsTheFileAnew",
		Why: "A worker that is started later reads the configuration file by itself, as it is by then. Somebody who edits it has " +
			"not reloaded yet; a worker crashes, and one of four serves by half-finished settings, or cannot start.",
	},
	{
		Name: "never-told-to-go", Stage: prefork, File: "stage4-prefork/master.go",
		Old:   "\t\tif w.retired {\n\t\t\tunix.Kill(w.pid, sigRetire)\n\t\t} else {\n",
		New:   "\t\tif !w.retired {\n",
		Check: "stage4-prefork TestAWorkerThatIsTooManyBeforeItIsReadyEnds",
		Why: "A worker that is not wanted any more while it starts is not told when it can hear. It serves on, beside those " +
			"that were asked for, and by settings that have been replaced.",
	},
	{
		Name: "socket-goes-with-the-old-program", Stage: prefork, File: "stage4-prefork/handover.go",
		Old:   "\tm.successor, m.replaced, m.owns = nil, true, false\n",
		New:   "\tm.successor, m.replaced = nil, true\n",
		Check: "stage4-prefork TestTheNameOfASocketStaysAcrossAHandOver",
		Why: "The old program tidies up at its end, and removes the name of the Unix socket that its successor serves. Those who " +
			"are connected notice nothing; nobody else comes in.",
	},
	{
		Name: "last-words-are-missing", Stage: prefork, File: "stage4-prefork/master.go",
		Old:   "\tif !m.replaced { // or they are closed already\n\t\tapp.CloseAll(m.app.Listeners)\n\t}\n",
		New:   "\tapp.CloseAll(m.app.Listeners)\n",
		Check: "stage4-prefork TestAReplacedProgramClosesNothingTwice",
		Why: "A program that was replaced closes its listeners' numbers once more when it is told to stop. By then they are " +
			"something else's: here the log's, which was opened anew meanwhile.",
	},
}
