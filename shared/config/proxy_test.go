package config

// What -proxy and its flags take, and what they refuse. An error names the flag, and says what to
// give instead. No name is looked up, so each case is a text and its value.
//
// To add a case, add a row to the table.

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhereRequestsArePassedOn(t *testing.T) {
	var queue int
	c, err := Parse(sample(&queue), []string{
		"-proxy", "/=http://App.example", "-proxy", "/api/=http://127.0.0.1:9000, http://[::1]:9001/,unix:/run/app.sock",
		"-proxy-host", "upstream", "-proxy-strip", "-proxy-check", "/healthz?deep",
	}, nil)
	require.NoError(t, err)
	require.Equal(t, []ProxyRule{
		{Prefix: "/", Upstreams: []Upstream{{Name: "http://App.example", Host: "app.example", Port: 80}}},
		{Prefix: "/api/", Upstreams: []Upstream{
			{Name: "http://127.0.0.1:9000", Host: "127.0.0.1", Port: 9000},
			{Name: "http://[::1]:9001/", Host: "::1", Port: 9001},
			{Name: "unix:/run/app.sock", Path: "/run/app.sock"},
		}},
	}, c.Proxy.Rules)
	require.True(t, c.Proxy.TargetHost && c.Proxy.Strip)
	require.Equal(t, "/healthz?deep", c.Proxy.Check)
	require.Empty(t, c.Warnings)
}

func TestWhatCannotBePassedOn(t *testing.T) {
	for _, tt := range []struct{ name, value, says string }{
		{"no upstream", "/app", "give a prefix"},
		{"an empty one", "/app=", "give a prefix"},
		{"no prefix", "=http://h", "give a prefix"},
		{"a prefix that is no path", "app=http://h", "is no prefix"},
		{"an empty segment", "/a//b=http://h", "is no prefix"},
		{"dots", "/a/../b=http://h", "is no prefix"},
		{"a prefix in another spelling", "/%61=http://h", "is no prefix"},
		{"a query", "/a?b=http://h", "is no prefix"},
		{"a blank", "/a b=http://h", "is no prefix"},
		{"TLS", "/a=https://h", "plain HTTP"},
		{"another scheme", "/a=ftp://h", "is no upstream"},
		{"a bare address", "/a=127.0.0.1:9000", "is no upstream"},
		{"a path", "/a=http://h/x", "host and port alone"},
		{"somebody's name", "/a=http://me@h", "host and port alone"},
		{"no host", "/a=http://:80", "host and port alone"},
		{"port 0", "/a=http://h:0", "host and port alone"},
		{"an address that could be read in two ways", "/a=http://::1:80", "host and port alone"},
		{"a socket without a path", "/a=unix:", "give a path"},
		{"one upstream twice", "/a=http://h,http://h", "stands there twice"},
		{"too many", "/a=http://h" + manyUpstreams(), "at most 64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var queue int
			_, err := Parse(sample(&queue), []string{"-proxy", tt.value}, nil)
			require.ErrorContains(t, err, tt.says)
			require.ErrorContains(t, err, "-proxy: ")
		})
	}
	var queue int
	_, err := Parse(sample(&queue), []string{"-proxy", "/a=http://h", "-proxy", "/a=http://i"}, nil)
	require.ErrorContains(t, err, "in another -proxy already")
	_, err = Parse(sample(&queue), []string{"-proxy-check", "healthz"}, nil)
	require.ErrorContains(t, err, "is no path")
	c, err := Parse(sample(&queue), []string{"-proxy-check", "/healthz"}, nil)
	require.NoError(t, err)
	require.Len(t, c.Warnings, 1)
}

func manyUpstreams() string {
	var b strings.Builder
	for i := range maxUpstreams {
		b.WriteString(",unix:/" + strings.Repeat("x", i+1))
	}
	return b.String()
}
