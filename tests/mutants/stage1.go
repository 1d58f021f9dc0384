package mutants

// Mutants that are built into stage 1. Those in shared/ are faults of every stage; one
// stage is enough to show them.

const threadPool = "stage1-threadpool"

var stage1 = []Mutant{
	// Bytes on a socket.
	{
		Name: "slow-typist-is-refused", Stage: threadPool, File: "stage1-threadpool/worker.go",
		Old: "n, err := read(s.fd, s.Recv())\n\tswitch {\n\tcase n > 0:\n\t\ts.Received(n)\n",
		New: "buf := s.Recv()\n\tn, err := read(s.fd, buf)\n\tswitch {\n\tcase n > 0:\n\t\ts.Received(n)\n" +
			"\t\tif n < len(buf) {\n\t\t\ts.EOF()\n\t\t}\n",
		Check: "request-line/plain",
		Why: "A read that brings less than was asked for is taken for the client's last. TCP carries a stream, and may cut a " +
			"request anywhere: all is well on one's own machine, and on a slow line large requests fail now and then.",
	},
	{
		Name: "busy-thread-for-nobody", Stage: threadPool, File: "stage1-threadpool/worker.go",
		Old:   "\tcase n > 0:\n\t\ts.Received(n)\n",
		New:   "\tcase n >= 0:\n\t\ts.Received(n)\n",
		Check: "closing/half-close",
		Why: "read(2) returns 0 at the end of the stream, again and again. The thread goes round with it at full speed until the " +
			"idle timeout: each client that leaves burns a processor for 30 seconds, and holds a thread.",
	},
	{
		Name: "silent-client-is-cut-without-a-word", Stage: threadPool, File: "stage1-threadpool/worker.go",
		Old:   "\tcase !sysnet.Again(err):\n\t\ts.Fail()\n",
		New:   "\tdefault:\n\t\ts.Fail()\n",
		Check: "timeout/half-head",
		Why: "EAGAIN from a socket with a timeout says that nothing has come so far, and not that the socket is broken. Whoever " +
			"pauses for a second is reset: a browser's spare connection, a person at telnet.",
	},
	{
		Name: "refusal-gets-lost", Stage: threadPool, File: "shared/session/ending.go",
		Old:   "s.silent = a.conn.Request().WantsClose() && a.conn.Clean()",
		New:   "s.silent = a.conn.Closing()",
		Check: "shared/session TestLingering/a_refused_message_may_still_be_on_its_way",
		Why: "A socket that is closed over bytes nobody has read sends a reset, and a reset overtakes the answer (RFC 9112 9.6): " +
			"over a real network, a client whose upload is too large reads connection reset in place of 413.",
	},

	// Framing.
	{
		Name: "every-other-request-hangs", Stage: threadPool, File: "shared/http1/conn.go",
		Old:   "\tc.newExchange()\n\tc.start, c.scan = c.at, c.at\n",
		New:   "\tc.newExchange()\n\tc.start, c.at, c.have, c.scan = 0, 0, 0, 0\n",
		Check: "pipeline/two",
		Why: "The buffer is emptied between two requests, and with it the beginning of the next one if that came in the same " +
			"read. Clients that pipeline wait for answers that never come.",
	},
	{
		Name: "one-request-becomes-two", Stage: threadPool, File: "shared/http1/request.go",
		Old:   "\treturn r.announced()\n",
		New:   "\tif r.Method == GET {\n\t\treturn rxEnd\n\t}\n\treturn r.announced()\n",
		Check: "unasked-body/get",
		Why: "A GET may have a body (RFC 9110 9.3.1). Left unread, it is the next request, and its author is whoever wrote " +
			"the body: behind a proxy that shares the connection among clients, that is request smuggling.",
	},
	{
		Name: "two-lengths-one-body", Stage: threadPool, File: "shared/http1/parse.go",
		Old:   "\treturn n, ok && lines == 1\n",
		New:   "\treturn n, ok\n",
		Check: "content-length/twice-different",
		Why: "Of two Content-Length fields the last one counts. A proxy in front for which the first one counts sees the body end " +
			"elsewhere: what is body to one is a request to the other (RFC 9112 11.2).",
	},
	{
		Name: "chunks-beside-a-length", Stage: threadPool, File: "shared/http1/parse.go",
		Old:   "\tif m.Has(ContentLength) {\n\t\treturn fault.Of(fault.AmbiguousFraming)\n\t}\n",
		New:   "",
		Check: "transfer-encoding/with-length-short",
		Why: "Transfer-Encoding overrides Content-Length, says RFC 9112 6.3, and that a message with both is probably an " +
			"attack. A proxy that goes by the length and passes both on lets a second request through inside the first.",
	},
	{
		Name: "seventeen-digits", Stage: threadPool, File: "shared/http1/body.go",
		Old:   "if digits == maxChunkDigits {",
		New:   "if digits == 32 {",
		Check: "chunked/size-17-digits",
		Why: "The seventeenth hexadecimal digit shifts the first out of 64 bits. What was an enormous chunk is one of seven " +
			"bytes, and the rest of its data is read as the next request.",
	},
	{
		Name: "half-a-line-end", Stage: threadPool, File: "shared/http1/parse.go",
		Old:   "\t\tif lf == r.at || r.buf[lf-1] != '\\r' {\n\t\t\treturn nil, lineBad\n\t\t}\n\t\tline := r.buf[r.at : lf-1]\n",
		New:   "\t\tline := bytes.TrimSuffix(r.buf[r.at:lf], crlf[:1])\n",
		Check: "fields/bare-lf",
		Why: "A line feed alone ends a line. RFC 9112 2.2 allows that, and it is generous at the wrong end: where the " +
			"proxy in front takes it for part of a value, one field holds another that the proxy never saw.",
	},
	{
		Name: "close-is-overheard", Stage: threadPool, File: "shared/http1/parse.go",
		Old:   "if syntax.ListContains(value, \"close\") {",
		New:   "if syntax.EqualFold(value, \"close\") {",
		Check: "connection/close-list",
		Why: "Connection is a list (RFC 9110 7.6.1), and close need not be alone in it. A proxy that says close beside " +
			"other options waits for an end that comes 30 seconds later, by the idle timeout.",
	},
	{
		Name: "body-is-called-for-in-vain", Stage: threadPool, File: "shared/site/upload.go",
		Old: "\tif f := bodyFault(x.Request()); !f.OK() {\n\t\tinto.leave()\n\t\tx.Fail(f)\n" +
			"\t\treturn\n\t}\n\tu := &upload{site: s, place: into, thread: x.Thread()}\n",
		New: "\tx.TakeBody(&upload{site: s, place: into, thread: x.Thread()})\n\tif f := bodyFault(x.Request()); !f.OK() {\n" +
			"\t\tx.Fail(f)\n\t\treturn\n\t}\n\tu := &upload{site: s, place: into, thread: x.Thread()}\n",
		Check: "expect/refused-type",
		Why: "100 Continue is sent before the head has been judged (RFC 9110 10.1.1). The client sends a gigabyte at our " +
			"request, and learns then what its first hundred bytes told: that we do not want it.",
	},

	// Answers.
	{
		Name: "head-has-a-body", Stage: threadPool, File: "shared/http1/head.go",
		Old:   "c.noBody = c.req.Method == HEAD || status == 204 || status == 304",
		New:   "c.noBody = status == 204 || status == 304",
		Check: "head/no-body",
		Why: "A client that asked by HEAD reads no body (RFC 9110 9.3.2): the one that is sent is what it takes for the " +
			"head of its next answer.",
	},
	{
		Name: "last-byte-is-missing", Stage: threadPool, File: "shared/site/ranges.go",
		Old:   "return span{first, min(last, size-1) - first + 1}, true, true",
		New:   "return span{first, min(last, size-1) - first}, true, true",
		Check: "range/middle",
		Why: "The last position of a range is part of it (RFC 9110 14.1.2). A download that is fetched in pieces has a " +
			"hole of one byte at each seam.",
	},
	{
		Name: "end-looks-like-the-beginning", Stage: threadPool, File: "shared/site/ranges.go",
		Old:   "return span{size - n, n}, true, last > 0",
		New:   "return span{0, n}, true, last > 0",
		Check: "range/suffix",
		Why: "bytes=-5 asks for the last five bytes. Players that look for a film's index there, and unzip for its directory, find " +
			"that the file is damaged.",
	},
	{
		Name: "stale-page-for-ever", Stage: threadPool, File: "shared/site/conditional.go",
		Old:   "\t} else if since, ok := dateOf(r, http1.IfModifiedSince, now); ok && dated(e) && e.Modified <= since {\n",
		New:   "\t}\n\tif since, ok := dateOf(r, http1.IfModifiedSince, now); ok && dated(e) && e.Modified <= since {\n",
		Check: "conditional/none-match-first",
		Why: "If-None-Match beats If-Modified-Since (RFC 9110 13.2.2), because two versions of one second have one date. " +
			"Whoever has the first of them is told for ever that nothing has changed.",
	},

	// Files, safely.
	{
		Name: "one-file-under-two-paths", Stage: threadPool, File: "shared/guard/path.go",
		Old:   "\t\t\tslash = slash || c == '/'\n",
		New:   "",
		Check: "path/encoded-slash-inside",
		Why: "An encoded slash becomes a slash like any other. A proxy in front whose rule is for /private/ lets /private%2fplan.txt " +
			"through, because to the proxy that is a file in the root (RFC 3986 2.2).",
	},
	{
		Name: "link-leads-out", Stage: threadPool, File: "shared/sysnet/file_linux.go",
		Old:   "unsafe.Pointer(&how)",
		New:   "unsafe.Pointer(&unix.OpenHow{Flags: how.Flags, Resolve: how.Resolve &^ unix.RESOLVE_BENEATH})",
		Check: "path/link-outside",
		Why: "Without RESOLVE_BENEATH the kernel follows a symbolic link wherever it leads (openat2(2)). No look at the path " +
			"helps: there is nothing wrong with it.",
	},
	{
		Name: "thread-waits-for-a-writer", Stage: threadPool, File: "shared/sysnet/file_linux.go",
		Old:   "unsafe.Pointer(&how)",
		New:   "unsafe.Pointer(&unix.OpenHow{Flags: how.Flags &^ unix.O_NONBLOCK, Resolve: how.Resolve})",
		Check: "path/fifo",
		Why: "Opening a FIFO to read waits until somebody opens it to write (fifo(7)), and nobody does. Ten requests for it, and " +
			"ten threads are gone.",
	},
	{
		Name: "anything-is-json", Stage: threadPool, File: "shared/site/upload.go",
		Old:   "\tif !u.text.take(u.held) {\n\t\treturn errInvalidJSON\n\t}\n",
		New:   "\tu.text.next = aComma\n",
		Check: "upload/invalid",
		Why: "What the type promises is not looked at. Whoever reads the folder of uploads later finds something that breaks it, " +
			"and nobody knows any more who sent it.",
	},
	{
		Name: "another-name-for-this-server", Stage: threadPool, File: "shared/guard/host.go",
		Old:   "\t\thost = to.Authority\n\t} else if to.Hosts == 0 {\n",
		New:   "\t\treturn fault.Fault{}\n\t} else if to.Hosts == 0 {\n",
		Check: "target/absolute-foreign",
		Why: "The authority of an absolute target takes the place of Host (RFC 9112 3.2.2) and must be checked in its " +
			"place: else whoever writes the host into the target has gone round the check.",
	},

	// Limits.
	{
		Name: "small-pieces-of-a-large-whole", Stage: threadPool, File: "shared/http1/body.go",
		Old:   "size > r.limits.Body-r.bodyBytes",
		New:   "size > r.limits.Body",
		Check: "limits/body-chunked-over",
		Why: "Each chunk is held against the limit, and their sum is not: a body in small chunks may be as large as it likes, and " +
			"fills the disk.",
	},
	{
		Name: "one-request-too-many", Stage: threadPool, File: "shared/http1/head.go",
		Old:   "c.served >= c.cfg.Requests",
		New:   "c.served > c.cfg.Requests",
		Check: "limits/requests",
		Why: "The close is announced one answer late, and Keep-Alive has said max=0 before. Harmless, but the same slip at a " +
			"buffer's end is not.",
	},
	{
		Name: "connection-is-never-full", Stage: threadPool, File: "shared/session/session.go",
		Old:   "\ts.served = int32(a.conn.Served())\n",
		New:   "",
		Check: "limits/requests",
		Why: "The count of requests is lost when a connection has been idle and its buffers were lent elsewhere. The limit holds " +
			"for a benchmark, which never pauses, and for nobody else.",
	},
	{
		Name: "drip-by-drip", Stage: threadPool, File: "shared/session/deadline.go",
		Old:   "\tif s.wait == w {\n\t\treturn\n\t}\n",
		New:   "\tif s.wait == w && w != waitHead {\n\t\treturn\n\t}\n",
		Check: "timeout/dripping-head",
		Why: "Each byte of a head renews its deadline. A client that sends one byte every nine seconds holds a thread for a day, " +
			"and ten of them hold the server: slowloris.",
	},

	// Overload.
	{
		Name: "queue-is-longer-than-it-says", Stage: threadPool, File: "stage1-threadpool/queue.go",
		Old:   "free+q.limit <= 0 {",
		New:   "free+q.limit < 0 {",
		Check: "stage1-threadpool TestTheQueueTakesThreadsPlusItsLimit",
		Why: "One more connection waits than may. With -queue 0, which is to say that nobody waits, one client hangs in place of " +
			"an answer.",
	},
	{
		Name: "first-come-last-served", Stage: threadPool, File: "stage1-threadpool/queue.go",
		Old:   "\tc = q.waiting[0]\n\tq.waiting = q.waiting[:copy(q.waiting, q.waiting[1:])]\n",
		New:   "\tc = q.waiting[len(q.waiting)-1]\n\tq.waiting = q.waiting[:len(q.waiting)-1]\n",
		Check: "stage1-threadpool TestAClosedQueueGivesOutWhatItHas",
		Why: "The newest connection is served first. The average looks fine; under a load that does not cease, the oldest wait " +
			"for ever, and are gone when their turn comes.",
	},
	{
		Name: "refused-by-reset", Stage: threadPool, File: "stage1-threadpool/pool.go",
		Old:   "\tp.away.send(fd, p.acceptor.Thread.Turnaway(peer, why))\n",
		New:   "\tsysnet.Send(fd, p.acceptor.Thread.Turnaway(peer, why))\n\tsysnet.Close(fd, false)\n",
		Check: "stage1-threadpool TestExactlyTheOverflowIsRefused",
		Why: "The socket is closed as soon as the 503 is written. The request is still in the receive buffer or on its way, so " +
			"the client gets a reset, tries again at once, and makes the overload worse.",
	},
	{
		Name: "come-back-when", Stage: threadPool, File: "shared/site/errors.go",
		Old:   "s.refuse(x, f.Status, \"Retry-After: \"+retryAfter+\"\\r\\n\")",
		New:   "s.refuse(x, f.Status, \"\")",
		Check: "stage1-threadpool TestBehaviour/ConnectionLimit",
		Why:   "A 503 that does not say when to come back (RFC 9110 10.2.3) is answered by clients with a try at once.",
	},
	{
		Name: "log-fills-in-a-crowd", Stage: threadPool, File: "shared/sysnet/accept.go",
		Old:   "case unix.EMFILE, unix.ENFILE,",
		New:   "case unix.ENFILE,",
		Check: "shared/sysnet TestOutOfDescriptorsOneIsRefusedAndTheRestWait",
		Why: "EMFILE, out of descriptors, is taken for a listener that is broken (accept(2)). The log gets an error twenty times a " +
			"second; nobody gives up the spare descriptor, and the clients in the backlog wait in vain.",
	},
	{
		Name: "last-answer-does-not-say-so", Stage: threadPool, File: "shared/session/exchange.go",
		Old:   "if x.conn.AwaitsContinue() || x.thread.Server.Ending() {",
		New:   "if x.conn.AwaitsContinue() {",
		Check: "shared/session TestStopping/the_next_answer_is_the_last",
		Why: "While the server stops, its answers do not announce the close. A busy client keeps its connection busy, and the " +
			"stop waits for it; a new version starts minutes late, or the last requests are cut.",
	},
}
