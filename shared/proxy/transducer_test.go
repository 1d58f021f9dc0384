package proxy

// What is passed on, read by somebody else: by net/http, in both directions. It must find the same
// messages that we understood, in the same order, and not a byte beside them.
//
// The inputs are the known attacks of http1test, and what the fuzzers make of them. What must not
// be done: what we pass on must not be read by our own parser here, as it would agree with itself.

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/http1"
	"fourways/shared/http1/http1test"
)

// target is a request's target in origin-form.
func target(r *http1.Request) string {
	if r.Form != http1.AbsoluteForm {
		return string(r.Target)
	}
	if r.Query == nil {
		return string(r.Path)
	}
	return string(r.Path) + "?" + string(r.Query)
}

// passOn feeds what a client sends, passes it on, and answers each request. understood is what was
// found, sent is what a server behind us gets.
func (h *hop) passOn(in []byte) (understood []string, sent string, bad bool) {
	var out, body strings.Builder
	var head string
	for {
		switch h.client.Next() {
		case http1.HasRequest:
			r := h.client.Request()
			if r.Method == http1.CONNECT || !CheckRequest(r).OK() {
				return understood, out.String(), true
			}
			body.Reset()
			head = fmt.Sprintf("%s %s ", r.MethodName, target(r))
			h.server.Open()
			b := h.server.Begin(r.MethodName, []byte(target(r)), r.BodyLength())
			RequestFields(b, r, &stranger)
			b.End()
		case http1.HasBody:
			body.Write(h.client.Body())
			h.server.Write(h.client.Body())
		case http1.End:
			h.server.Finish()
			out.WriteString(drain(h.server.Out()))
			understood = append(understood, head+strconv.Quote(body.String()))
			h.client.Begin(204, 0).End()
			h.client.Finish()
			drain(h.client.Out())
		case http1.NeedData:
			if len(in) == 0 {
				return understood, out.String(), false
			}
			n := copy(h.client.Recv(), in)
			h.client.Received(n)
			in = in[n:]
		default:
			return understood, out.String(), h.client.Fault().Status != 0
		}
	}
}

// readRequests is what net/http finds in what was passed on.
func readRequests(t *testing.T, sent string) (found []string) {
	for r := bufio.NewReader(strings.NewReader(sent)); ; {
		if _, err := r.Peek(1); err == io.EOF {
			return found
		}
		req, err := http.ReadRequest(r)
		require.NoError(t, err, "%q", sent)
		body, err := io.ReadAll(req.Body)
		require.NoError(t, err, "%q", sent)
		found = append(found, fmt.Sprintf("%s %s %q", req.Method, req.RequestURI, body))
		for name := range req.Header {
			if name == "Content-Length" {
				continue // ours
			}
			switch strings.ToLower(strings.ReplaceAll(name, "_", "-")) {
			case "keep-alive", "te", "trailer", "http2-settings", "proxy-connection", "content-length", "transfer-encoding":
				t.Fatalf("%s was passed on: %q", name, sent)
			}
		}
		require.Equal(t, []string{"192.0.2.1"}, req.Header["X-Forwarded-For"])
		require.Equal(t, "h", req.Host)
	}
}

func TestAnUpstreamFindsTheRequestsThatWeFind(t *testing.T) {
	for _, tt := range http1test.Requests {
		t.Run(tt.Name, func(t *testing.T) {
			understood, sent, bad := newHop().passOn([]byte(tt.In))
			require.Equal(t, tt.Want, understood)
			require.Equal(t, tt.Bad, bad)
			require.Equal(t, tt.Want, readRequests(t, sent))
		})
	}
}

// relay feeds what a server sends after a request, and passes it on. An answer that is broken off
// is marked, and what a client gets of it must not look whole.
func (h *hop) relay(method string, in []byte, end bool) (understood []string, sent string, bad bool) {
	h.client.Received(copy(h.client.Recv(), method+" / HTTP/1.1\r\nHost: h\r\n\r\n"))
	for h.client.Next() != http1.End {
	}
	h.server.Begin([]byte(method), []byte("/"), http1.NoBody).End()
	h.server.Finish()
	drain(h.server.Out())
	var body, out strings.Builder
	defer func() { sent = out.String() + drain(h.client.Out()) }()
	for {
		switch h.server.Next() {
		case http1.HasInterim:
			r := h.server.Response()
			understood = append(understood, fmt.Sprint(r.Status))
			h.client.Interim(r.Status, InterimLines(nil, &r.Message))
		case http1.HasResponse:
			r := h.server.Response()
			if _, ok := SwitchLines(nil, &r.Message, nil); r.Status == 101 && !ok {
				return understood, "", true
			}
			b := h.client.BeginRelayed(r.Status, r.BodyLength())
			ResponseFields(b, r, nil, today)
			b.End()
		case http1.HasBody:
			body.Write(h.server.Body())
			h.client.Write(h.server.Body())
			out.WriteString(drain(h.client.Out()))
		case http1.End:
			h.client.Finish()
			understood = append(understood, fmt.Sprintf("%d %q", h.server.Response().Status, body.String()))
		case http1.NeedData:
			switch {
			case len(in) > 0:
				n := copy(h.server.Recv(), in)
				h.server.Received(n)
				in = in[n:]
			case end:
				h.server.EOF()
				end = false
			default:
				return understood, "", false
			}
		case http1.Error:
			if !h.client.Answered() && h.client.Status() != 0 {
				h.client.Break()
			}
			return understood, "", true
		case http1.Closed:
			return understood, "", false
		}
	}
}

func TestAClientFindsTheAnswersThatWeFind(t *testing.T) {
	for _, tt := range http1test.Answers {
		t.Run(tt.Name, func(t *testing.T) {
			understood, sent, bad := newHop().relay(tt.Method, []byte(tt.In), tt.End)
			require.Equal(t, tt.Want, understood)
			require.Equal(t, tt.Bad, bad)
			found, _ := http1test.ReadAnswers(tt.Method, []byte(sent))
			require.Equal(t, tt.Want, found)
		})
	}
}

// Whatever is passed on of a client's bytes, net/http finds in it what we found, and nothing else.
func FuzzRequestTransducer(f *testing.F) {
	for _, tt := range http1test.Requests {
		f.Add([]byte(tt.In))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		understood, sent, _ := newHop().passOn(in)
		if found := readRequests(t, sent); !slices.Equal(understood, found) {
			t.Fatalf("we found %q, net/http %q", understood, found)
		}
	})
}

// Whatever is passed on of a server's bytes, net/http finds in it what we found; and an answer that
// we found to be broken never looks whole.
func FuzzAnswerTransducer(f *testing.F) {
	for _, tt := range http1test.Answers {
		f.Add(uint8(slices.Index(askable, tt.Method)), []byte(tt.In), tt.End)
	}
	f.Fuzz(func(t *testing.T, method uint8, in []byte, end bool) {
		asked := askable[int(method)%len(askable)]
		understood, sent, _ := newHop().relay(asked, in, end)
		if found, _ := http1test.ReadAnswers(asked, []byte(sent)); !slices.Equal(understood, found) {
			t.Fatalf("we found %q, net/http %q in %q", understood, found, sent)
		}
	})
}

var askable = []string{"GET", "HEAD", "POST", "OPTIONS"}
