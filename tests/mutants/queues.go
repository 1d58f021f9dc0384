package mutants

// Mutants of the queues for slow readers. They are built into stage 3, which sends out of their
// files without a copy.

var ofQueues = []Mutant{
	{
		Name: "new-bytes-overtake-those-on-the-disk", Stage: eventLoop, File: "shared/spill/queue.go",
		Old:   "if q.back.first != nil || q.store != nil && q.store.left() > 0 {",
		New:   "if q.back.first != nil {",
		Check: "shared/spill TestNewBytesStayBehindThoseOnTheDisk",
		Why: "As soon as there is room in memory again, what comes goes there, though older bytes are still in the file. A reader who is " +
			"slow all the time gets everything right. One who pauses and then catches up gets pieces in the wrong order.",
	},
	{
		Name: "full-disk-swallows-the-rest", Stage: eventLoop, File: "shared/spill/store.go",
		Old:   "for n := w.wrote; n > 0; {",
		New:   "for n := w.size; n > 0; {",
		Check: "shared/spill TestADiskThatFailsSlowsAndNeverCuts/no_space",
		Why: "What was given to the disk leaves the memory, whether the disk has taken it or not. Nobody sees it until the day on which " +
			"the disk is full. Then downloads arrive with holes, and with the right length where the length was not announced.",
	},
	{
		Name: "killed-workers-keep-their-disk", Stage: eventLoop, File: "shared/stats/process.go",
		Old:   "&p.CacheItems, &p.Queued, &p.Spilled}",
		New:   "&p.CacheItems, &p.Queued}",
		Check: "shared/spill TestAKilledProcessLeavesNothingBehind/on_a_disk",
		Why: "What a killed worker had on the disk still counts, though its files are gone. Each crash takes some of the limit for ever, " +
			"until nothing may be written any more and every slow reader holds its server again.",
	},
}
