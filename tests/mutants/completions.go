package mutants

// Mutants of the loop over io_uring: what goes wrong where memory is lent to the kernel, and where
// it is asked for something and not asked again. The server shows them with -io uring alone.

const (
	overRing    = "stage3-epoll/loop/uring_linux.go"
	ringSockets = "stage3-epoll/loop/uring_socket_linux.go"
)

var ofCompletions = []Mutant{
	{
		Name: "reads-what-another-has-asked", Stage: eventLoop, File: ringSockets,
		Old:   "\t\tu.received(s, c)\n",
		New:   "\t\tu.received(s, c)\n\t\tu.ring.giveBack(c)\n",
		Check: "stage3-epoll/loop TestEveryByteIsRightWhileBuffersAreScarce",
		Why: "Each buffer is given back twice, and is in the ring twice: the kernel receives from two clients into it. Who is " +
			"handled second finds what the other one has asked, or half of each.",
	},
	{
		Name: "deadline-spoils-an-answer", Stage: eventLoop, File: ringSockets,
		Old:   "\ts.parked, s.watch = true, want\n",
		New:   "\ts.watch = want\n",
		Check: "stage3-epoll/loop TestWhatIsSentStaysUntilItIsSent",
		Why: "The machine goes on while the kernel still has to read its answer. A deadline or a cut in that moment ends it, and " +
			"its memory is another connection's before it is sent.",
	},
	{
		Name: "deaf-after-a-while", Stage: eventLoop, File: overRing,
		Old:   "\t\t\tu.accepts[n].watched = false\n\t\t\tlistenerReady =",
		New:   "\t\t\tu.accepts[n].watched = c.err() == unix.ECANCELED\n\t\t\tlistenerReady =",
		Check: "stage3-epoll/loop TestWhatHasEndedIsAskedForAgain",
		Why: "A request that was cancelled is over, and is to be made again once its listener is wanted again. Without that the " +
			"server listens no more after it was full for the first time.",
	},
	{
		Name: "wakes-until-it-does-not", Stage: eventLoop, File: overRing,
		Old:   "\t\t\tif !c.more() {\n\t\t\t\tu.awaitWake()\n\t\t\t}\n",
		New:   "",
		Check: "stage3-epoll/loop TestWhatHasEndedIsAskedForAgain",
		Why: "A multishot request ends when the kernel finds it hard to go on, as when too many completions wait. Only the missing " +
			"IORING_CQE_F_MORE tells. From then on work that another thread has finished is found when something else wakes the loop.",
	},
	{
		Name: "number-is-somebody-elses", Stage: eventLoop, File: ringSockets,
		Old:   "\tif s.asked == 0 {\n",
		New:   "\tif true {\n",
		Check: "stage3-epoll/loop TestADescriptorIsClosedAfterItsLastRequest",
		Why: "A descriptor is closed while the kernel still has a request of it. The completion comes for a number that is nobody's " +
			"by then, or that of the client who has come next.",
	},
	{
		Name: "burst-is-cut", Stage: eventLoop, File: ringSockets,
		Old:   "c.err() == unix.ENOBUFS || ",
		New:   "",
		Check: "stage3-epoll/loop TestWithoutABufferOneIsHeard",
		Why: "More clients ask at once than there are buffers, and those for whom there was none are taken for broken: ENOBUFS is no " +
			"error of the socket's. It is never seen on a quiet server.",
	},
	{
		Name: "leaver-never-goes", Stage: eventLoop, File: ringSockets,
		Old:   "u.cancel(1<<bits.TrailingZeros8(uint8(left)), s.fd)",
		New:   "u.cancel(1<<bits.TrailingZeros8(uint8(left)), s.fd+1)",
		Check: "stage3-epoll/loop TestWhoLeavesDisturbsNobody",
		Why: "What is cancelled is another one's request, if it is anybody's. Who leaves keeps descriptor and memory for ever, and a " +
			"neighbour is not heard.",
	},
	{
		Name: "half-closed-is-hung-up", Stage: eventLoop, File: ringSockets,
		Old:   "c.res&(unix.POLLERR|unix.POLLHUP) != 0",
		New:   "c.res != 0",
		Check: "stage3-epoll/loop TestAnEndedDirectionIsNoHangup",
		Why: "A poll of io_uring reports POLLRDHUP too, which nobody has asked for: the client has said all, and waits for its answer. " +
			"As long as that is waited for itself, it is cut.",
	},
}
