package clock

// Dates against the standard library's, and the clock's cached text. The fuzz test writes each date
// that was read, and wants the same text back.

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDatesAgreeWithTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unix := rapid.Int64Range(-62135596800, 253402300799).Draw(t, "unix") // years 1 to 9999
		std := time.Unix(unix, 0).UTC()
		require.Equal(t, std.Format("Mon, 02 Jan 2006 15:04:05 GMT"), string(AppendDate(nil, unix)))
		require.Equal(t, std.Format("20060102_150405"), string(AppendStamp(nil, unix)))
		for _, layout := range []string{"Mon, 02 Jan 2006 15:04:05 GMT", time.ANSIC} {
			got, ok := ParseDate([]byte(std.Format(layout)), unix)
			require.True(t, ok, layout)
			require.Equal(t, unix, got, layout)
		}
		got, ok := ParseDate([]byte(std.Format("Monday, 02-Jan-06 15:04:05 GMT")), unix)
		require.True(t, ok)
		require.Equal(t, unix, got)
	})
}

func TestTwoDigitYearsMoreThanFiftyAheadAreInThePast(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	for in, year := range map[string]int{
		"Sunday, 06-Nov-94 08:49:37 GMT": 1994,
		"Friday, 06-Nov-76 08:49:37 GMT": 2076,
		"Sunday, 06-Nov-77 08:49:37 GMT": 1977,
	} {
		got, ok := ParseDate([]byte(in), now)
		require.True(t, ok, in)
		require.Equal(t, year, time.Unix(got, 0).UTC().Year(), in)
	}
}

func TestInvalidDatesAreRefused(t *testing.T) {
	for _, in := range []string{
		"", "0", "yesterday",
		"Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 GMT ",
		"sun, 06 nov 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, +6 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT", "Sun Nov  6 08:49:37 94",
		"Sun Nov 06 08:49:37 19 4",
	} {
		_, ok := ParseDate([]byte(in), 0)
		require.False(t, ok, "%q", in)
	}
}

func TestTheDateTextChangesWithItsSecondOnly(t *testing.T) {
	var c Clock
	c.Set(5, 784111777_000000001)
	require.Equal(t, "Sun, 06 Nov 1994 08:49:37 GMT", string(c.Date()))
	require.EqualValues(t, 784111777_000000001, c.UnixNano())
	c.Set(6, 784111777_999999999)
	require.Equal(t, "Sun, 06 Nov 1994 08:49:37 GMT", string(c.Date()))
	c.Set(7, 784111778_000000000)
	require.Equal(t, "Sun, 06 Nov 1994 08:49:38 GMT", string(c.Date()))
	require.Equal(t, Time(7), c.Now())
	require.Zero(t, testing.AllocsPerRun(100, func() { c.Set(8, c.UnixNano()+1e9) }))
}

func FuzzParseDate(f *testing.F) {
	f.Add([]byte("Sun, 06 Nov 1994 08:49:37 GMT"))
	f.Add([]byte("Sunday, 06-Nov-94 08:49:37 GMT"))
	f.Add([]byte("Sun Nov  6 08:49:37 1994"))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, ok := ParseDate(in, 784111777)
		if ok && len(in) == DateLen && in[18] != '6' && got >= 0 {
			require.Equal(t, string(in[4:]), string(AppendDate(nil, got)[4:]))
		}
	})
}
