package app

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMemoryIsGivenBackOnceManyHandshakesHaveEndedAndNoMoreCome(t *testing.T) {
	for _, tc := range []struct {
		name  string
		ended []int64 // at each look
		want  []int   // the looks that give back, from 0
	}{
		{"nothing has happened", []int64{0, 0, 0, 0, 0}, nil},
		{"a few", []int64{255, 255, 255, 255, 255}, nil},
		{"many, and then a pause", []int64{256, 256, 256, 256, 256, 256, 256, 256}, []int{3}},
		{"many without a pause", []int64{256, 300, 400, 500, 600, 700}, nil},
		{"a few each time", []int64{200, 200, 200, 200, 300, 300, 300, 300, 400, 400, 400, 400}, []int{7}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var id identity
			var got []int
			for i, n := range tc.ended {
				if id.mayGiveBack(n) {
					got = append(got, i)
				}
			}
			assert.Equal(t, tc.want, got)
		})
	}
}
