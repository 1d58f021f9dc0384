//go:build linux

package client

// Loads on a server of this process, whose handler belongs to each test. What must not be done: no
// test may ask how many answers there are, since that is the machine's speed.

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fired makes a load on a handler.
func fired(t *testing.T, l Load, handler http.HandlerFunc) Fired {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	l.Addr = netip.MustParseAddrPort(server.Listener.Addr().String())
	var said bytes.Buffer
	f, err := l.Run(&said, strings.NewReader(""))
	require.NoError(t, err)
	assert.Equal(t, Ready+"\n", said.String())
	return f
}

// answers has bodies of different lengths, by path.
func answers(w http.ResponseWriter, r *http.Request) {
	length := map[string]int{"/none": 0, "/large": 300 << 10}[r.URL.Path]
	if r.URL.Path == "/some" {
		length = 1000
	}
	w.Header().Set("Content-Length", fmt.Sprint(length))
	w.Write(make([]byte, length))
}

func TestALoadCountsWholeAnswers(t *testing.T) {
	for _, tt := range []struct {
		says string
		load Load
	}{
		{"one connection", Load{Paths: []string{"/some"}, Conns: 1}},
		{"bodies of none, some and many bytes, in turn", Load{Paths: []string{"/none", "/some", "/large"}, Conns: 4}},
		{"a connection for each request", Load{Paths: []string{"/some"}, Conns: 4, Closes: true}},
		{"several requests at once", Load{Paths: []string{"/some", "/none"}, Conns: 2, Deep: 5}},
		{"an open loop", Load{Paths: []string{"/some"}, Conns: 2, Rate: 1000}},
	} {
		t.Run(tt.says, func(t *testing.T) {
			var asked atomic.Int64
			tt.load.For = 100 * time.Millisecond
			f := fired(t, tt.load, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				answers(w, r)
			})
			assert.Positive(t, f.Answers)
			assert.Zero(t, f.Errors+f.Refused)
			assert.Equal(t, asked.Load(), int64(f.Answers+f.Late), "what was under way at the end is waited for")
			assert.LessOrEqual(t, f.Late, tt.load.Conns*max(tt.load.Deep, 1))
			assert.Positive(t, f.Waited.P50)
			assert.LessOrEqual(t, f.Waited.P50, f.Waited.Max)
			if tt.load.Rate == 0 {
				assert.Equal(t, f.Served, f.Waited, "a closed loop knows of no other beginning")
			} else {
				assert.LessOrEqual(t, f.Answers+f.Unsent, 101)
			}
		})
	}
}

// The server stands still once. Of the closed loop one request is seen to wait; of the open one,
// all that were meant to come meanwhile.
func TestAnOpenLoopSeesWhatAClosedOneOmits(t *testing.T) {
	const still = 300 * time.Millisecond
	var once atomic.Bool
	f := fired(t, Load{Paths: []string{"/some"}, Conns: 1, Rate: 200, For: 500 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		if once.CompareAndSwap(false, true) {
			time.Sleep(still)
		}
		answers(w, r)
	})
	assert.GreaterOrEqual(t, f.Waited.P90, still/3, "two fifths were meant to leave in the first 200 ms of that")
	assert.GreaterOrEqual(t, f.Waited.P90, f.Served.P90)
	assert.Less(t, f.Served.P50, f.Waited.P90)
}

func TestACrowdIsRefusedWithoutAnError(t *testing.T) {
	busy := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	gone := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for _, handler := range []http.HandlerFunc{busy, gone} {
		for _, crowd := range []bool{true, false} {
			f := fired(t, Load{Paths: []string{"/"}, Conns: 3, Closes: true, Crowd: crowd, For: 50 * time.Millisecond}, handler)
			assert.Zero(t, f.Answers)
			assert.Equal(t, crowd, f.Refused > 0)
			assert.Equal(t, crowd, f.Errors == 0)
			assert.Less(t, f.Refused+f.Errors, 100, "it does not come again at once")
		}
	}
}

func TestALoadUploads(t *testing.T) {
	var got atomic.Value
	f := fired(t, Load{Paths: []string{"/upload"}, Conns: 1, Body: 100, For: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got.Store(r.Method + r.Header.Get("Content-Type") + string(text))
		w.WriteHeader(http.StatusCreated)
		w.Write([]byte("done"))
	})
	assert.Positive(t, f.Answers)
	assert.Equal(t, `POSTapplication/json"`+strings.Repeat("a", 98)+`"`, got.Load())
}
