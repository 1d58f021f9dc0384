package behaviour

// A stage that passes requests on, in front of another server of the same stage: to the client it
// must look like that server. So the conformance suite is played through it.
//
// What a proxy must do otherwise stands in one table, case by case, each with its reason. A case of
// the table that comes out as it does without a proxy fails: either the reason has gone, or the
// proxy passes something on that it must not.

import (
	"testing"

	"fourways/tests/conformance"
	"fourways/tests/harness"
)

// ConformanceThroughAProxy plays the suite through a proxy. How the bytes are cut, and what follows
// in the same write, is the business of the plain pass.
func ConformanceThroughAProxy(t *testing.T) {
	t.Parallel()
	conformance.BePatient()
	conformance.Run(t, conformance.Target{
		Name: stage() + " through a proxy",
		// A file that changes while it is sent is longer than what fits between the server that
		// reads it and its client. By the default of -proxy-spill the proxy would have all of it.
		Cmd:      []string{harness.Binary(), "-listen", "127.0.0.1:{port}", "-root", "{root}", "-proxy", "/=http://{behind}", "-proxy-spill", "4"},
		Args:     conformance.FourWays,
		ZeroCopy: zeroCopy(),
		// A proxy adds fields, so the server behind it must take more and longer ones. Which names
		// are ours is for the proxy to say.
		Behind: []string{harness.Binary(), "-listen", "127.0.0.1:{port}", "-root", "{root}", "-host", "*",
			"-max-request-line", "16384", "-max-head", "16384", "-max-fields", "200"},
		BehindArgs: behindAProxy(),
		WholeOnly:  true,
		Differs:    proxyDiffers,
	})
}

// behindAProxy is the flags of the server behind: those that make answers. Limits of time, size and
// number are the proxy's.
func behindAProxy() map[conformance.Variant][]string {
	args := map[conformance.Variant][]string{}
	for _, v := range []conformance.Variant{conformance.Inline, conformance.Chunked, conformance.Options} {
		args[v] = conformance.FourWays[v]
	}
	return args
}

// proxyDiffers is what a proxy must do otherwise than the server behind it, and why.
var proxyDiffers = map[string]string{
	"files/chunks-8k":     "how an answer is cut into chunks is for each hop to say (RFC 9112 7.1)",
	"health/stats-counts": "/stats is the proxy's, and a 404 of the server behind is no error of the proxy",
}
