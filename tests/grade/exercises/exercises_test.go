//go:build linux

package exercises

// Each solution passes its tests, and each test fails on the skeleton: all of them in one program
// for the first, and in a second one, with the tag skeleton, for the second.

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"fourways/tests/grade/exercises/chunks"
	"fourways/tests/grade/exercises/drain"
	"fourways/tests/grade/exercises/epoller"
	"fourways/tests/grade/exercises/fresh"
	"fourways/tests/grade/exercises/gcra"
	"fourways/tests/grade/exercises/keeper"
	"fourways/tests/grade/exercises/partial"
	"fourways/tests/grade/exercises/proxyv"
	"fourways/tests/grade/exercises/queue"
	"fourways/tests/grade/exercises/ranges"
	"fourways/tests/grade/exercises/reqline"
	"fourways/tests/grade/exercises/selfpipe"
	"fourways/tests/grade/exercises/table"
	"fourways/tests/grade/exercises/watchdog"

	"github.com/stretchr/testify/require"
)

// tests is all of them.
var tests = map[string][]func(*testing.T){
	"queue":    {queue.TestFirstComeFirstServed, queue.TestAFullQueueRefuses, queue.TestWhoHasWaitedTooLongIsNotServed, queue.TestTheStaleMakeRoom},
	"partial":  {partial.TestAllIsSentInOrder, partial.TestEveryWayToTakeIt, partial.TestTheRestIsTheRest, partial.TestAFileThatShrinks, partial.TestAnErrorIsPassedOn},
	"selfpipe": {selfpipe.TestAPostWakes, selfpipe.TestManyPostsBlockNobodyAndWakeOnce, selfpipe.TestNoWakeUpIsLost},
	"epoller":  {epoller.TestItTellsWhatPollTells, epoller.TestWhatIsWantedAlreadyCostsNoCall, epoller.TestItWaits, epoller.TestOnlyWhatIsReadyIsTold},
	"drain": {drain.TestAnEdgeIsReadToItsEnd, drain.TestNothingIsReadWithoutAnEdge, drain.TestAGreedyOneHasItsBudgetAndIsNotForgotten, drain.TestTheBudgetIsOfAllReadsTogether, drain.TestATurnEnds,
		drain.TestEndsAndErrors, drain.TestTwoEdgesAreOneTurn},
	"reqline": {reqline.TestWholeLines, reqline.TestEverySplit, reqline.TestWhatFollowsIsNotTaken},
	"chunks":  {chunks.TestWholeBodies, chunks.TestEverySplit, chunks.TestByteByByte},
	"ranges":  {ranges.TestOneRange, ranges.TestLists, ranges.TestNothingToSend, ranges.TestWhatIsIgnored},
	"fresh": {fresh.TestWithinTrustTheDiskIsLeftAlone, fresh.TestAChangeIsSeenAfterTrust, fresh.TestAFileThatChangesWhileItIsRead,
		fresh.TestTheOneAskedForLongestAgoLeaves, fresh.TestOneThatIsTooLargeIsServedAndNotKept},
	"gcra": {gcra.TestABurstPassesAndNoMore, gcra.TestTheRateComesBack, gcra.TestNoEdgeOfASecondIsWorthADoubleBurst, gcra.TestARefusalCostsNothingAndSaysHowLong},
	"table": {table.TestOneClientIsOneEntry, table.TestItIsBounded, table.TestTheOneSeenLongestAgoMakesRoom, table.TestAFloodFreesNobodyOfItsBan,
		table.TestFullOfBannedOnesItTakesNobody, table.TestMakingRoomIsCheap},
	"keeper":   {keeper.TestWhatHasLivedIsStartedAtOnce, keeper.TestWhatDiesAtOnceWaitsTwiceAsLongEachTime, keeper.TestALongLifeForgives, keeper.TestAMinuteHasFewStarts},
	"watchdog": {watchdog.TestWhoHangsIsAskedAndThenKilledOnce, watchdog.TestWhoEndsWhenAskedIsNotKilled, watchdog.TestASuccessorHasItsOwnTime, watchdog.TestNobodyIsBlamedForANap},
	"proxyv":   {proxyv.TestWholeHeaders, proxyv.TestEverySplit, proxyv.TestWhatIsNoHeaderIsBadAtOnce},
}

// nameOf is a test's name.
func nameOf(test func(*testing.T)) string {
	name := runtime.FuncForPC(reflect.ValueOf(test).Pointer()).Name()
	return name[strings.LastIndexByte(name, '.')+1:]
}

// TestSolutions is also what the program with the tag skeleton runs.
func TestSolutions(t *testing.T) {
	for _, e := range All {
		t.Run(e.Name, func(t *testing.T) {
			for _, test := range tests[e.Name] {
				t.Run(nameOf(test), func(t *testing.T) {
					defer func() {
						if p := recover(); p != nil {
							t.Errorf("panic: %v", p)
						}
					}()
					test(t)
				})
			}
		})
	}
}

func TestAllTestsAreInTheTable(t *testing.T) {
	require.Len(t, tests, len(All))
	for _, e := range All {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(e.Name, Tests), nil, 0)
		require.NoError(t, err)
		var inFile, inTable []string
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Test") {
				inFile = append(inFile, f.Name.Name)
			}
		}
		for _, test := range tests[e.Name] {
			inTable = append(inTable, nameOf(test))
		}
		require.ElementsMatch(t, inFile, inTable, e.Name)
	}
}

var failure = regexp.MustCompile(`(?m)^ *--- FAIL: TestSolutions/(\w+/\w+) `)

func TestEachTestFailsOnTheSkeleton(t *testing.T) {
	program := filepath.Join(t.TempDir(), "skeletons")
	build, err := exec.Command("go", "test", "-c", "-vet=off", "-ldflags=-w", "-tags", "skeleton", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", build)
	says, err := exec.Command(program, "-test.run", "^TestSolutions$", "-test.v", "-test.timeout", "1m").CombinedOutput()
	require.Error(t, err, "%s", says)
	require.NotContains(t, string(says), "panic:")
	failed := map[string]bool{}
	for _, m := range failure.FindAllStringSubmatch(string(says), -1) {
		failed[m[1]] = true
	}
	for _, e := range All {
		for _, test := range tests[e.Name] {
			require.True(t, failed[e.Name+"/"+nameOf(test)], "%s of %s passes on the skeleton\n%s", nameOf(test), e.Name, says)
		}
	}
}
