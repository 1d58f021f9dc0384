package sysnet

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParsePressure(t *testing.T) {
	cases := []struct {
		name, text string
		want       float64
		fails      bool
	}{
		{"the kernel's two lines", "some avg10=12.34 avg60=2.98 avg300=0.96 total=6256133\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", 12.34, false},
		{"all of the time", "some avg10=100.00 avg60=99.00 avg300=0.96 total=1\n", 100, false},
		{"another line first", "full avg10=1.00 avg60=0.00 avg300=0.00 total=0\n", 0, true},
		{"a number that is cut", "some avg10=1", 0, true},
		{"no number", "some avg10=x avg60=0.00\n", 0, true},
		{"nothing", "", 0, true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got, err := parsePressure([]byte(tc.text))
			assert.Equal(t, tc.want, got)
			assert.Equal(t, tc.fails, err != nil)
		})
	}
}

func TestPressureIsReadAgainAndAgain(t *testing.T) {
	p, err := OpenPressure()
	if err != nil {
		if _, missing := os.ReadFile(pressureFile); missing == nil {
			require.NoError(t, err, "the file can be read")
		}
		t.Skip(err)
	}
	for range 3 {
		percent, err := p.Some()
		require.NoError(t, err)
		assert.True(t, percent >= 0 && percent <= 100, "%v", percent)
	}
	require.NoError(t, p.Close())
	_, err = p.Some()
	assert.Error(t, err)
}
