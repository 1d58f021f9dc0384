//go:build linux

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestHeadsAreCountedHoweverTheyArrive(t *testing.T) {
	tests := []struct {
		says, text string
		heads      int64
		rest       uint8
	}{
		{"nothing is nothing", "", 0, 0},
		{"a head without its end is none", "GET / HTTP/1.1\r\nHost: a\r\n", 0, 2},
		{"one head", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1, 0},
		{"three pipelined heads", strings.Repeat("GET / HTTP/1.1\r\n\r\n", 3), 3, 0},
		{"a second head begun", "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r", 1, 1},
		{"a stray CR begins the empty line again", "a\r\r\n\r\n", 1, 0},
		{"CR LF CR then CR LF CR LF", "a\r\n\r\r\n\r\n", 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.says, func(t *testing.T) {
			heads, rest := countHeads([]byte(tt.text), 0)
			assert.Equal(t, tt.heads, heads, "whole")
			assert.Equal(t, tt.rest, rest, "whole")
			heads, rest = 0, 0
			for i := range len(tt.text) {
				var n int64
				n, rest = countHeads([]byte(tt.text[i:i+1]), rest)
				heads += n
			}
			assert.Equal(t, tt.heads, heads, "byte by byte")
			assert.Equal(t, tt.rest, rest, "byte by byte")
		})
	}
}
