package proxyv

// What the piece has to do. These tests are a reader's as well, so they need nothing but the
// standard library; each of them fails on the skeleton.

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const (
	ipv4 = "\x0a\x00\x00\x01\x0a\x00\x00\x02\x30\x39\x00\x50" // 10.0.0.1:12345 to 10.0.0.2:80
	ipv6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x01\xbb\x1f\x90"
)

// header is one with that command, family and rest.
func header(command, family byte, rest string) string {
	return Signature + string([]byte{command, family, byte(len(rest) >> 8), byte(len(rest))}) + rest
}

var headers = []struct {
	in   string
	want string // "client server" and how many bytes are left, or "nobody", "more", "bad"
}{
	{header(0x21, 0x11, ipv4), "10.0.0.1:12345 10.0.0.2:80"},
	{header(0x21, 0x21, ipv6), "[2001:db8::1]:443 [2001:db8::2]:8080"},
	{header(0x21, 0x11, ipv4) + "GET /", "10.0.0.1:12345 10.0.0.2:80, 5 left"},
	{header(0x21, 0x11, ipv4+"\x04\x00\x01x"), "10.0.0.1:12345 10.0.0.2:80"},
	{header(0x21, 0x11, ipv4+strings.Repeat("x", Most-len(ipv4))), "10.0.0.1:12345 10.0.0.2:80"},
	{header(0x20, 0x00, "") + "x", "nobody, 1 left"},
	{header(0x20, 0x11, ipv4), "nobody"},
	{header(0x20, 0x11, "short"), "nobody"},
	{header(0x21, 0x00, "") + "x", "nobody, 1 left"},
	{header(0x21, 0x31, strings.Repeat("u", 216)), "nobody"},
	{header(0x21, 0x12, ipv4), "nobody"},
	{header(0x21, 0x11, ipv4)[:20], "more"},
	{Signature, "more"},
	{Signature[:3], "more"},
	{"GET / HTTP/1.1\r\n", "bad"},
	{"\r\n\r\nGET", "bad"},
	{Signature[:len(Signature)-1] + "X", "bad"},
	{header(0x11, 0x11, ipv4), "bad"},
	{header(0x22, 0x11, ipv4), "bad"},
	{header(0x21, 0x11, ipv4[:11]), "bad"},
	{header(0x21, 0x21, ipv4), "bad"},
	{header(0x21, 0x11, strings.Repeat("x", Most+1)), "bad"},
	{Signature + "\x21\x11\xff\xff", "bad"},
	{"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", "bad"},
}

// play feeds pieces and says what has come out, with what is left of all of them.
func play(pieces ...string) string {
	var h Header
	for i, piece := range pieces {
		used, done, err := h.Feed([]byte(piece))
		if errors.Is(err, ErrBad) {
			return "bad"
		}
		if used < 0 || used > len(piece) || !done && used < len(piece) {
			return fmt.Sprintf("%d of %d bytes are used", used, len(piece))
		}
		if !done {
			continue
		}
		says := "nobody"
		if h.Client.IsValid() || h.Server.IsValid() {
			says = h.Client.String() + " " + h.Server.String()
		}
		if left := len(piece) - used + len(strings.Join(pieces[i+1:], "")); left > 0 {
			says += fmt.Sprintf(", %d left", left)
		}
		return says
	}
	return "more"
}

func TestWholeHeaders(t *testing.T) {
	for _, h := range headers {
		if got := play(h.in); got != h.want {
			t.Errorf("%.40q: %s, want %s", h.in, got, h.want)
		}
	}
}

func TestEverySplit(t *testing.T) {
	for _, h := range headers {
		for at := 1; at < len(h.in); at++ {
			if got := play(h.in[:at], h.in[at:]); got != h.want {
				t.Fatalf("%.40q, cut after byte %d: %s, want %s", h.in, at, got, h.want)
			}
		}
		if got := play(strings.Split(h.in, "")...); got != h.want {
			t.Errorf("%.40q, byte by byte: %s, want %s", h.in, got, h.want)
		}
	}
}

// A client that is no proxy must not be waited for until it has sent sixteen bytes.
func TestWhatIsNoHeaderIsBadAtOnce(t *testing.T) {
	for _, in := range []string{"G", "\r\n\r\n\x00\r\nQUIX", Signature + "\x31"} {
		for at := range len(in) - 1 {
			if got := play(in[:at]); got != "more" {
				t.Errorf("%q of %q: %s, want more", in[:at], in, got)
			}
		}
		if got := play(in); got != "bad" {
			t.Errorf("%q: %s, want bad", in, got)
		}
	}
}
