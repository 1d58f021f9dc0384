//go:build linux

package proc

// Reading /proc, from texts and from this very process. What varies between machines is compared
// only with itself.

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseStat(t *testing.T) {
	const rest = " S 17 40 40 0 -1 4194560 1 2 3 4 250 150 30 20 20 0 4 0 99 1 2"
	tests := []struct {
		says, text string
		want       Stat
		fails      bool
	}{
		{"a plain name", "40 (nginx)" + rest, Stat{17, Times{2500 * time.Millisecond, 1500 * time.Millisecond}, Times{300 * time.Millisecond, 200 * time.Millisecond}}, false},
		{"a name with blanks and parentheses", "40 (a) R 1 (b)" + rest, Stat{17, Times{2500 * time.Millisecond, 1500 * time.Millisecond}, Times{300 * time.Millisecond, 200 * time.Millisecond}}, false},
		{"a line cut short is refused", "40 (nginx) S 17 40", Stat{}, true},
		{"nothing is refused", "", Stat{}, true},
		{"words for numbers are refused", "40 (x) S a b c d e f g h i j k l m n o p q", Stat{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.says, func(t *testing.T) {
			got, err := ParseStat(tt.text)
			assert.Equal(t, tt.fails, err != nil, "%v", err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestParseField(t *testing.T) {
	const text = "Rss:                1234 kB\nPss:                 567 kB\nPss_Anon:             12 kB\nOdd: 3\n"
	got, err := ParseField(text, "Pss:")
	require.NoError(t, err)
	assert.EqualValues(t, 567<<10, got)
	_, err = ParseField(text, "Swap:")
	assert.Error(t, err, "a line that is not there")
	_, err = ParseField(text, "Odd:")
	assert.Error(t, err, "a line without a unit")
}

func TestThisProcessAndAPinnedChild(t *testing.T) {
	cpus, err := Processors()
	require.NoError(t, err)
	last := cpus[len(cpus)-1]
	cmd := exec.Command("sh", "-c", "read wait & read wait; wait")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, On(last, cmd.Start))
	defer func() {
		in.Close()
		cmd.Wait()
	}()

	tree, err := Tree(os.Getpid())
	require.NoError(t, err)
	assert.Contains(t, tree, os.Getpid())
	assert.Contains(t, tree, cmd.Process.Pid)
	status, err := os.ReadFile(path(cmd.Process.Pid, "status"))
	require.NoError(t, err)
	assert.Regexp(t, `Cpus_allowed_list:\s+`+strconv.Itoa(last)+`\n`, string(status))
	after, err := Processors()
	require.NoError(t, err)
	assert.Equal(t, cpus, after, "this process is free again")

	_, err = CPU(os.Getpid())
	require.NoError(t, err)
	m, err := MemoryOf(os.Getpid())
	require.NoError(t, err)
	assert.Positive(t, m.PSS)
	assert.Positive(t, m.Peak)
}

func TestProcessorTimeIsKnownBetterThanByTicks(t *testing.T) {
	cmd := exec.Command("sh", "-c", "while :; do :; done")
	require.NoError(t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if _, err := clock(cmd.Process.Pid); err != nil {
		t.Skip("this system does not tell: ", err)
	}
	for used := time.Duration(0); used%Tick == 0; {
		before, err := Used(cmd.Process.Pid)
		require.NoError(t, err)
		runtime.Gosched()
		after, err := Used(cmd.Process.Pid)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, after.Sum(), before.Sum())
		since := after.Since(before)
		assert.GreaterOrEqual(t, since.User, time.Duration(0))
		assert.GreaterOrEqual(t, since.System, time.Duration(0))
		used = after.Sum()
	}
}

func TestWhatAProcessorIsBusyWith(t *testing.T) {
	const text = "cpu  999 9 9 9 9 9 9 9 0 0\ncpu0 10 2 30 4000 500 60 70 8 0 0\ncpu1 1 0 0 0 0 0 0 0 0 0\nintr 1\n"
	busy, err := ParseBusy(text, 0)
	require.NoError(t, err)
	assert.Equal(t, 50*Tick, busy, "user, nice, system and stolen")
	_, err = ParseBusy(text, 2)
	assert.Error(t, err)
	_, err = ParseBusy("cpu0 1 2\n", 0)
	assert.Error(t, err, "a line that is cut off")
}
