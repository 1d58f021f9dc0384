package behaviour

// What every stage must do as a process, done by one that passes its requests on: the tests of this
// package are run once more in a process of their own, in which each server that they start has
// another one behind it.
//
// What a proxy must do otherwise stands in tables, test by test. One that is said to differ and
// passes fails here: its reason has gone. What is not run stands in a table too, with the reason
// why it would show nothing; so a new test has to be put into one of them.

import (
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// sameThroughAProxy is the tests that pass through a proxy as they do without.
var sameThroughAProxy = []string{
	"StopUnderLoad", "StopCutsWhatIsLeft", "StopCutsSlowReaders", "StopEndsIdleConnections", "StopAnswersTheBacklog", "StopFinishesDownloads", "StopLosesNobodyWhoHasConnected",
	"ASuccessorKeepsItsSocket", "DrainDelay", "HAProxyDrains", "Probes", "ProxiesDoNotLookInside",
	"RudeClientsLeakNothing", "OutOfDescriptors", "ConnectionLimit", "KeptConnectionsEndAtOnce", "NonsenseIsLimited", "TrustedProxy", "WhomAProxyNames",
	"AnAnswerInTheKernelIsNotRead", "PausedReader", "AbsentReader", "SteadyReadersAreNotCut", "RefusalWhileSending", "ColdFiles",
	"FilesOfTheSameSizeAndTime", "UploadsFolder",
	"LargeFileOverTLS", "IdleTLSDoesNotHoldUpTheStop", "TLSOnAPlainPort", "HalfClosedTLS", "EndsWithoutAWord", "WrongPort", "HTTPSRedirect", "HTTPSRedirectBehindAProxy", "HTTPSPort",
	"RefusalsAreLogged", "CountersOnlyGrow", "ProcessFigures", "UnrecordedClientsAreTold",
	"Slowloris", "ALimitThatIsLoweredBelowWhatIsOpen", "AddressesThatComeLater", "APasswordIsCheckedOnceForAll", "GuessingIsLimited",
	"ProxyHeaderNamesTheClient", "ProxyHeaderByAUnixSocket", "ProxyHeaderLimitsTheClient",
	"Signals", "Interruptions", "Addresses", "BuiltInSite", "RealClients", "CountedTLS", "FrontEnd",
}

// otherThroughAProxy is the tests that must fail through one, and why.
var otherThroughAProxy = map[string]string{
	"Banner":                          "the banner says where requests go",
	"AccessLog":                       "a line of the access log names the upstream, and tells its times",
	"LogRotation":                     "a line of the access log names the upstream, and tells its times",
	"Figures":                         "/stats and /metrics are the proxy's: what the upstream refuses is no refusal of the proxy",
	"Fail2Ban":                        "what the upstream refuses is in its own log",
	"AbsoluteLinks":                   "what is wrong with a file is in the log of the server that has it",
	"OldCompressedFiles":              "what is wrong with a file is in the log of the server that has it",
	"FilesThatChangeWhileTheyAreSent": "why a download was broken off is in the log of the server that has the file",
	"RootThatChanges":                 "HUP goes to the proxy, and the root is another server's",
	"UploadsOfARootThatChanges":       "HUP goes to the proxy, and the root is another server's",
	"UploadsLimit":                    "what is left for uploads is in /stats of the server that takes them",
}

// apartFromProxies is the tests that are not run through one, by the reason why that would show
// nothing.
var apartFromProxies = map[string][]string{
	"they are about passing on, and start what is behind the server themselves": {
		"PassedOn", "EachEventIsPassedOnAtOnce", "ATruncatedAnswerNeverLooksWhole", "ACutAnswerDestroysNoneBeforeIt", "AClientThatLeavesFreesTheUpstream",
		"AClientThatLeavesFreesTheUpstreamPromptly", "AnEarlyAnswerDoesNotStopTheUpload", "AnUpstreamThatClosesAfterEachAnswer",
		"AnUpstreamThatDies", "AStopFinishesWhatIsPassedOn", "TunnelsArePassedOn", "UpstreamsAreChecked",
		"ASlowClientDoesNotHoldTheUpstream", "WhatWasSentBeforeAHangUpIsPassedOn", "AShortageInTheKernelCutsNobody", "KilledUpstreams", "ResetsRepeatNoPost",
		"SignalsUnderProxiedLoad", "NothingIsSmuggledToTheUpstream", "NothingIsSmuggledToTheClient", "LargeBodiesOfManyClientsStayApart",
		"SlowReadersOfAnAnswerDoNotHoldTheUpstream", "ASlowReaderByTLSDoesNotHoldTheUpstream", "ASlowReaderOfATunnelDoesNotHoldTheUpstream",
		"ASuspendedServerBlamesNobody", "Passwords", "StrictTransportSecurity", "ProxyHeaderGivesNoRights", "ProxyHeaderSaysTLS", "OtherUpstreamsOnHUP", "NoUpstreamIsBlamedForOurLackOfDescriptors",
		"AFullQueueIsWaitedFor",
	},
	"the first process is unshare(1)'s, and what is in front of it changes nothing": {"OrphansAreReaped"},
	"a relay passes bytes on in which nobody looks for a request": {
		"RelayPassesBytesBothWays", "RelayPassesEndsOn", "RelayOfOneThatSaysAllAndGoes", "RelayOfOneThatGoesBeforeItsTargetIsThere", "RelayHoldsTheFasterSideUp", "RelayPassesResetsOn",
		"RelayTargetRefuses", "RelayTargetDoesNotAnswer", "RelayIsSilentForTooLong", "ARelayIsNotSilentWhileItsBuffersAreRead",
		"RelayLeavesNobodysBytesToTheSystem", "RelayRate", "RelayAnnouncesTheClient", "RelayLimitsClients", "RelayToItself",
		"RelayUnderReloads", "RelayAtTheStop", "RelaysInLittleMemory", "RelaysLeaveNothingBehind", "RelaysOnSocketsFromTheServiceManager",
		"SlowReadersDoNotHoldWhoSends", "APipeIsNotWaitedForLongerThanAMoment", "AReaderWhoLeavesTakesWhatWaitsAlong", "WhatWaitsForAReaderEndsWithTheServer",
		"AFullDiskSlowsAndNeverCuts", "FilesOfSlowReadersLeaveRoomForOthers",
	},
	"what they look at is over before there is a request: a handshake, a PROXY header": {
		"HelloInPieces", "FloodsOfRecords", "NewKeysForNobody", "RenegotiationByOpenSSL", "StalledHandshakes", "SSLScan",
		"HandshakesWaitForTheirTurn", "SilentHandshakesMakeWay", "WhatIsNoTLSIsBanned", "HandshakesThatAreCut", "SilentHandshake",
		"ProxyHeaderInPieces", "ProxyHeaderIsRequired", "ProxyHeaderOnce", "ProxyHeaderFromAStranger", "ProxyHeaderTooSlow",
		"ProxyHeaderCut", "ProxyHeaderAwaitedDoesNotHoldUpTheStop", "ProxyHeaderOfHAProxy",
	},
	"certificates and keys are those of the server that clients reach": {
		"CertificateByName", "RenewedCertificate", "BrokenPair", "CertificateWarnings", "SelfSigned", "SelfSignedThatCannotBeKept",
		"ResumedSessions", "TicketKeysOfAFile", "TicketKeysChange", "WarnedDayByDay", "SelfSignedIsRenewed", "CertificatesThatDoNotAnswer",
		"KeysThatTheUserMayNotRead", "MisdirectedRequests",
	},
	"disks are those of the server that has the files": {
		"UnreadableFiles", "ErrorsOfReading", "ClientsOfAHungDisk", "FilesThatAreGoneGiveTheirRoomBack",
		"UploadsToAHangingDisk", "UploadsToOddFileSystems", "CrashedUpload", "RootThatCannotBeSeen", "RootThatTheUserMayNotSearch",
	},
	"how a process is started, run and told to read its settings again is the same whatever it does with requests": {
		"CommandLine", "Check", "ShortForm", "FewDescriptors", "TooFewThreads",
		"CrowdInLittleMemory", "IdleConnectionsInLittleMemory", "LargeSiteInLittleMemory", "SlowReadersInLittleMemory", "UploadsInLittleMemory", "TheKernelKeepsLittleInLittleMemory", "FilesInMemoryAreWarnedOf", "BuiltInSiteWithoutAHome", "LogsNameTheFlag",
		"ServiceManager", "SocketsFromTheServiceManager", "SelfSignedUnderTheServiceManager", "ServiceManagerThatHangs", "StopWithAHungThread",
		"LogsThatCannotBeOpenedAtTheStart", "StartsThatHang", "LogsThatCannotBeReopened", "LogsWhoseReaderStandsStill", "LostLinesAreTold",
		"SettingsAreReadAgain", "NewSettingsAreDoubted", "BadSettingsChangeNothing", "BecomesAnotherUser", "LockedMemory", "CheckAsAnotherUser", "LogsOfAnotherUser", "UsersThatCannotBe", "UnixSocketForAGroup",
	},
}

// sameAttacksThroughAProxy is the attacks that must do no more harm to a proxy and its good clients
// than to any server.
var sameAttacksThroughAProxy = []string{
	"FloodFromOneAddress", "GiantPipelines", "RangesOfDeath", "GzipOfManyFiles",
	"HoardedConnections", "SlowHeads", "SlowBodies", "HandshakesThatStall", "ABanEnds",
}

// otherAttacksThroughAProxy is the attacks that leave something else behind at a proxy, and why.
// By [harness.Through] they know, and demand what is right there.
var otherAttacksThroughAProxy = map[string]string{
	"LogInjection": "a line of the access log names the upstream behind all else, and tells its times: it is one line all the same, and nothing in it is the client's",
	"SlowReaders":  "what slow readers have not taken waits in the proxy's queues: something does, and no more than they may hold",
}

// attacksApartFromProxies is the attacks that are not run through one, and why.
var attacksApartFromProxies = map[string]string{
	"FloodFromManyAddresses": "limits are in front of what is passed on, as FloodFromOneAddress shows",
	"FloodLowersTheRate":     "limits are in front of what is passed on, as FloodFromOneAddress shows",
	"FloodOfHandshakes":      "a handshake is over before there is a request",
}

// impatience is how long a test that must fail waits for what will not come.
const impatience = "5s"

// Through runs them.
func Through(t *testing.T) {
	t.Parallel()
	requireEachOnce(t, registeredNames(), sameThroughAProxy, slices.Collect(maps.Keys(otherThroughAProxy)), slices.Concat(slices.Collect(maps.Values(apartFromProxies))...))
	reach{"134", "session and loop: a runner of stage 2 is one but for how it waits"}.skipElsewhere(t, "TestBehaviourThroughAProxy")
	t.Run("the same", func(t *testing.T) {
		t.Parallel()
		names := slices.DeleteFunc(slices.Clone(sameThroughAProxy), runsElsewhere)
		failed, said := runThrough(t, "TestBehaviour", names)
		require.Empty(t, failed, said)
		requirePassedOn(t, "TestBehaviour", names, said)
	})
	t.Run("other", func(t *testing.T) {
		if oneThreadEach() {
			t.Skip("they do not depend on who waits, and mostly wait for what does not come")
		}
		t.Parallel()
		names := slices.Sorted(maps.Keys(otherThroughAProxy))
		failed, said := runThrough(t, "TestBehaviour", names, harness.PatienceVariable+"="+impatience)
		for _, name := range names {
			if strings.Contains(said, "--- SKIP: TestBehaviour/"+name) {
				continue // something that it needs is missing here
			}
			require.Contains(t, failed, name, "it does not differ any more, although %s\n%s", otherThroughAProxy[name], said)
		}
	})
}

// AttacksThrough runs the attacks on a proxy, of which one stage is enough.
func AttacksThrough(t *testing.T) {
	t.Parallel()
	oneAddress(t)
	other := slices.Collect(maps.Keys(otherAttacksThroughAProxy))
	var all []string
	for _, a := range append(loneAttacks(), patientAttacks()...) {
		all = append(all, a.name)
	}
	requireEachOnce(t, all, sameAttacksThroughAProxy, other, slices.Collect(maps.Keys(attacksApartFromProxies)))
	names := append(other, sameAttacksThroughAProxy...)
	failed, said := runThrough(t, "TestAttacks", names)
	require.Empty(t, failed, said)
	requirePassedOn(t, "TestAttacks", names, said)
}

// registeredNames is the names of all tests.
func registeredNames() (names []string) {
	for _, r := range tests {
		names = append(names, r.name)
	}
	return names
}

// runsElsewhere reports whether the stage need not run a test of this name.
func runsElsewhere(name string) bool {
	return slices.ContainsFunc(tests, func(r registered) bool { return r.name == name && !r.here() })
}

// requireEachOnce wants each name to stand in one of the tables, once. Some tests are for Linux
// alone.
func requireEachOnce(t *testing.T, names []string, tables ...[]string) {
	t.Helper()
	listed := slices.Sorted(slices.Values(slices.Concat(tables...)))
	if runtime.GOOS != "linux" {
		listed = slices.DeleteFunc(listed, func(name string) bool { return !slices.Contains(names, name) })
	}
	require.Equal(t, slices.Sorted(slices.Values(names)), listed, "a test is in no table of through.go, or in two")
}

// requirePassedOn wants a server of each of these parts to have passed all on. Otherwise it has
// shown nothing of a proxy, and stands in the wrong table.
func requirePassedOn(t *testing.T, test string, names []string, said string) {
	t.Helper()
	for _, name := range names {
		require.Regexp(t, "(?:"+harness.PassesOn+"|--- SKIP: )"+test+"/"+name+`\b`, said, "nothing is passed on")
	}
}

// runThrough is apart for a test whose servers have another one behind them.
func runThrough(t *testing.T, test string, names []string, env ...string) (failed []string, said string) {
	t.Helper()
	return apart(t, test, names, append(env, harness.ThroughVariable+"=1")...)
}
