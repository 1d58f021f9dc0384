package mutants

// Mutants of what is passed on to an upstream and back: the reading of answers, and the choice of
// fields. They are built into stage 3; all stages have the same code.

var forwarded = []Mutant{
	{
		Name: "nobodys-answer-is-the-next-clients", Stage: eventLoop, File: "shared/http1/client.go",
		Old:   "!c.resp.switches() && c.at == c.have && !c.eof",
		New:   "!c.resp.switches() && c.at <= c.have && !c.eof",
		Check: "shared/http1 TestWhatCameBeforeTheRequestIsNotItsAnswer",
		Why: "A connection is kept although something came behind the answer. An upstream that was made to say two answers at once " +
			"has the second one given to the next client, and from then on everybody gets somebody else's page.",
	},
	{
		Name: "answer-to-head-has-a-body", Stage: eventLoop, File: "shared/http1/response.go",
		Old:   "r.Status == 304, r.to == HEAD, r.switches()",
		New:   "r.Status == 304, r.switches()",
		Check: "shared/http1 TestAnswersAreUnderstoodOrRefused/HEAD/whole",
		Why: "The answer to a HEAD has the length that GET would have, and no body. Who waits for one waits until the upstream closes, " +
			"or takes the next answer for it.",
	},
	{
		Name: "hints-are-the-answer", Stage: eventLoop, File: "shared/http1/response.go",
		Old:   "return r.Status < 200 && r.Status != 101",
		New:   "return r.Status == 100",
		Check: "shared/http1 TestAnswersAreUnderstoodOrRefused/several/whole",
		Why: "Of the interim answers only 100 is known. A 103 becomes the client's whole answer, and the real one, which follows, " +
			"the next client's.",
	},
	{
		Name: "stranger-says-who-asks", Stage: eventLoop, File: "shared/proxy/fields.go",
		Old:   "\t\treturn trusted && exact\n",
		New:   "\t\treturn trusted || exact\n",
		Check: "shared/proxy TestRequestsArePassedOnWithoutWhatIsNotForTheUpstream/a_stranger's_word_for_the_client",
		Why: "X-Real-IP and its like pass from everybody. An upstream that believes them, as it may behind a proxy, takes any client for " +
			"whomever that likes to be.",
	},
	{
		Name: "underscore-is-another-name", Stage: eventLoop, File: "shared/proxy/fields.go",
		Old:   "\t\tif syntax.CharClass[c]&syntax.Alphanumeric == 0 {\n",
		New:   "\t\tif c == '-' {\n",
		Check: "shared/proxy TestRequestsArePassedOnWithoutWhatIsNotForTheUpstream/with_an_underscore",
		Why: "X_Forwarded_For passes where X-Forwarded-For does not. To a CGI or WSGI program both are the same variable, and the " +
			"client's own word is the one that it reads.",
	},
	{
		Name: "tunnel-past-every-check", Stage: eventLoop, File: "shared/proxy/fields.go",
		Old:   "\t\tsyntax.EqualFold(name, \"h2c\"), syntax.EqualFold(name, \"h2\"):\n",
		New:   "\t\tsyntax.EqualFold(name, \"h2\"):\n",
		Check: "shared/proxy TestAProtocolIsAskedForOnlyWhereATunnelIsHarmless/HTTP/2",
		Why: "An upgrade to HTTP/2 is passed on. In the tunnel the client asks for what it likes, and none of its requests is looked at " +
			"here any more.",
	},
	{
		Name: "named-by-connection-and-passed-on", Stage: eventLoop, File: "shared/proxy/fields.go",
		Old:   "!passesRequest(f, o.Trusted) || named(&r.Message, f.Name)",
		New:   "!passesRequest(f, o.Trusted)",
		Check: "shared/proxy TestRequestsArePassedOnWithoutWhatIsNotForTheUpstream/those_that_Connection_names",
		Why: "A field that its sender meant for this connection alone goes further (RFC 9110 7.6.1). The upstream obeys an order that " +
			"was ours.",
	},
	{
		Name: "two-lengths-for-one-body", Stage: eventLoop, File: "shared/proxy/fields.go",
		Old:   "\t\t\"content-length\", \"http2-settings\",\n",
		New:   "\t\t\"http2-settings\",\n",
		Check: "shared/proxy TestRequestsArePassedOnWithoutWhatIsNotForTheUpstream/in_a_spelling_that_some_servers_take_for_them",
		Why: "The length that the client has given passes beside our own framing, and as Content_Length even beside chunks. An upstream that " +
			"believes the other one finds a second request in the body.",
	},
	{
		Name: "anybody-is-first-in-the-list", Stage: eventLoop, File: "shared/proxy/fields.go",
		Old:   "\tif o.Trusted && !named(&r.Message, forwardedForName) {\n",
		New:   "\tif !named(&r.Message, forwardedForName) {\n",
		Check: "shared/proxy TestRequestsArePassedOnWithoutWhatIsNotForTheUpstream/a_stranger's_word_for_the_client",
		Why: "X-Forwarded-For of a stranger is kept, and its address appended. Most programs take the first of the list for the client, and " +
			"so each client says who it is.",
	},
	{
		Name: "request-goes-round-for-ever", Stage: eventLoop, File: "shared/proxy/fields.go",
		Old:   "\tif ours > maxOurs {\n",
		New:   "\tif ours == maxOurs+2 {\n",
		Check: "shared/proxy TestARequestThatGoesInACircleIsRefused",
		Why: "Two servers that pass everything on to each other, by a slip in their settings, send one request round until both have " +
			"no connections left.",
	},
}
