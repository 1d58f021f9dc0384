package config

// Times and sizes, with and without units. TestEveryFlagWithAUnitTakesUnits holds every row of the
// table to them.

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTimes(t *testing.T) {
	for _, tt := range []struct {
		value string
		want  time.Duration // -1 where it is refused
	}{
		{"10", 10 * time.Second}, {"0.5", 500 * time.Millisecond}, {"0", 0}, {"007", 7 * time.Second},
		{"500ms", 500 * time.Millisecond}, {"30s", 30 * time.Second}, {"30sec", 30 * time.Second}, {"5m", 5 * time.Minute},
		{"5min", 5 * time.Minute}, {"1h", time.Hour}, {"2d", 48 * time.Hour}, {"1h30m", 90 * time.Minute}, {"1d12h", 36 * time.Hour},
		{"1m30s500ms", 90*time.Second + 500*time.Millisecond}, {"1.5h", 90 * time.Minute}, {"7d", longest},

		{"", -1}, {"-1", -1}, {"+1", -1}, {"-1s", -1}, {"NaN", -1}, {"Inf", -1}, {"1e3", -1}, {"10.", -1}, {".5s", -1}, {"1..5", -1},
		{"s", -1}, {"10x", -1}, {"10 s", -1}, {"10S", -1}, {"1h30", -1}, {"30m1h", -1}, {"1s1s", -1}, {"1us", -1}, {"1sm", -1}, {"1_0s", -1},
		{"8d", -1}, {"604801", -1}, {"99999999999999999999h", -1}, {"1" + fmt.Sprintf("%0400d", 0), -1},
	} {
		got := time.Duration(-1)
		err := Seconds(&got, 0, longest)(tt.value)
		assert.Equal(t, tt.want < 0, err != nil, "%q: %v", tt.value, err)
		assert.Equal(t, tt.want, got, tt.value)
	}
}

func TestSizes(t *testing.T) {
	for _, tt := range []struct {
		value string
		unit  int64
		want  int64 // -1 where it is refused
	}{
		{"10", 1, 10}, {"0", 1, 0}, {"64", kib, 64 << 10}, {"64", mib, 64 << 20},
		{"10M", 1, 10 << 20}, {"10M", mib, 10 << 20}, {"10m", kib, 10 << 20}, {"10MB", 1, 10 << 20}, {"10MiB", 1, 10 << 20}, {"10mib", 1, 10 << 20},
		{"512K", 1, 512 << 10}, {"512k", mib, 512 << 10}, {"1G", kib, 1 << 30}, {"1T", 1, 1 << 40}, {"1.5M", 1, 3 << 19}, {"100B", mib, 100}, {"100b", 1, 100},

		{"", 1, -1}, {"-1", 1, -1}, {"+1", 1, -1}, {"1_000", 1, -1}, {"1.5", 1, -1}, {"1.5", mib, -1}, {"0.3K", 1, -1}, {"M", 1, -1}, {"10X", 1, -1},
		{"10 M", 1, -1}, {"10Mb/s", 1, -1}, {"10Mbit", 1, -1}, {"10BB", 1, -1}, {"1e3", 1, -1}, {"0x10", 1, -1}, {"99999999999999999999", 1, -1},
		{"10KıB", 1, -1}, {"9223372036854775807", mib, -1}, {"99999999999T", 1, -1},
	} {
		got := int64(-1)
		err := Size(&got, tt.unit, 0, 1<<50/tt.unit)(tt.value)
		assert.Equal(t, tt.want < 0, err != nil, "%q: %v", tt.value, err)
		assert.Equal(t, tt.want, got, tt.value)
	}
}

func TestARateMaySayThatItIsOne(t *testing.T) {
	c := parse(t, "-min-rate", "1K/s", "-relay-rate", "10M")
	assert.EqualValues(t, 1<<10, c.Limits.MinRate)
	assert.EqualValues(t, 10<<20, c.Relay.Rate)
	usageError(t, []string{"-max-body", "10M/s"}, `-max-body: "10M/s" does not fit`)
}

func TestWhatDoesNotFitIsSaidWithItsBounds(t *testing.T) {
	for _, tt := range []struct{ flag, value, want string }{
		{"-cache-size", "2T", `-cache-size: "2T" does not fit; give a size from 0 to 1T, as 512K, 10M or 1G; a number alone counts MiB`},
		{"-proxy-buffer", "63K", `give a size from 64K to 1G, as 512K, 10M or 1G; a number alone counts KiB`},
		{"-max-head", "100", `give a size from 256 to 1M, as 512K, 10M or 1G; a number alone counts bytes`},
		{"-ban", "1y", `-ban: "1y" does not fit; give a time from 1ms to 7d, as 10 or 0.5 (seconds), 500ms, 30s, 5m, 1h30m or 2d`},
	} {
		usageError(t, []string{tt.flag, tt.value}, tt.want)
	}
}

// TestEveryFlagWithAUnitTakesUnits goes by the column of -h, so a flag that is new is held to it.
func TestEveryFlagWithAUnitTakesUnits(t *testing.T) {
	units := regexp.MustCompile(`^(SECONDS|BYTES|KIB|MIB)$`)
	n := 0
	for _, f := range table(sample(new(int)), &Config{}) {
		value, ok := map[string]string{"SECONDS": "1m", "BYTES": "8K", "KIB": "1M", "MIB": "1M"}[f.Unit]
		if !ok {
			require.NotRegexp(t, units, f.Unit, f.Name)
			continue
		}
		n++
		assert.NoError(t, f.Set(value), f.Name)
		assert.Error(t, f.Set(value+"x"), f.Name)
	}
	assert.Greater(t, n, 15)
}
