package chunks

// What the piece has to do. These tests are a reader's as well, so they need nothing but the
// standard library; each of them fails on the skeleton.

import (
	"fmt"
	"strings"
	"testing"
)

const limit = 1000

var bodies = []struct {
	in   string
	want string // the data in quotes and what is left of the bytes, or "more", "bad", "large"
}{
	{"0\r\n\r\n", `""`},
	{"5\r\nhello\r\n0\r\n\r\n", `"hello"`},
	{"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\nGET /", `"hello, world", then "GET /"`},
	{"A;a=b;c=\"d\"\r\n0123456789\r\n0\r\nX: y\r\nZ:\r\n\r\n", `"0123456789"`},
	{"00005\r\nhello\r\n000\r\n\r\n", `"hello"`},
	{"3e8\r\n" + strings.Repeat("x", limit) + "\r\n0\r\n\r\n", `"` + strings.Repeat("x", limit) + `"`},
	{"5\r\nhel", "more"},
	{"5\r\nhello\r\n0\r\n", "more"},
	{"5\r\nhello\r\n0\r\n\r", "more"},
	{"3e9\r\n", "large"},
	{"3e8\r\n" + strings.Repeat("x", limit) + "\r\n1\r\n", "large"},
	{"fffffffffffffff\r\n", "large"},
	{"10000000000000005\r\nhello\r\n", "bad"},
	{"\r\nhello", "bad"},
	{";a=b\r\nhello\r\n", "bad"},
	{"5\r\nhelloX\n0\r\n\r\n", "bad"},
	{"+5\r\nhello\r\n", "bad"},
	{" 5\r\nhello\r\n", "bad"},
	{"5 \r\nhello\r\n", "bad"},
	{"0x5\r\nhello\r\n", "bad"},
	{"5\nhello\r\n0\r\n\r\n", "bad"},
	{"5\rXhello\r\n", "bad"},
	{"5\r\nhelloXX0\r\n\r\n", "bad"},
	{"5\r\nhello\n0\r\n\r\n", "bad"},
	{"5;a\nb\r\nhello\r\n", "bad"},
	{"5;" + strings.Repeat("a", MaxLine-2) + "\r\nhello\r\n0\r\n\r\n", `"hello"`},
	{"5;" + strings.Repeat("a", MaxLine), "bad"},
	{"0\r\nX: a\nY: b\r\n\r\n", "bad"},
	{"0\r\nX: a\rY\r\n\r\n", "bad"},
	{"0\r\n" + strings.Repeat("X: y\r\n", MaxTrailers/6) + "\r\n", `""`},
	{"0\r\n" + strings.Repeat("X: y\r\n", MaxTrailers/6+1) + "\r\n", "bad"},
}

// play decodes pieces and says what has come out.
func play(pieces ...string) string {
	d := Decoder{Limit: limit}
	var data []byte
	for i, piece := range pieces {
		for calls := 0; len(piece) > 0; calls++ {
			some, used, over, err := d.Feed([]byte(piece))
			if err == ErrBad {
				return "bad"
			} else if err != nil {
				return "large"
			}
			if used < 0 || used > len(piece) || calls > len(piece)+1 && used == 0 {
				return fmt.Sprintf("%d of %d bytes are used", used, len(piece))
			}
			data, piece = append(data, some...), piece[used:]
			if over {
				rest := piece + strings.Join(pieces[i+1:], "")
				if rest == "" {
					return fmt.Sprintf("%q", data)
				}
				return fmt.Sprintf("%q, then %q", data, rest)
			}
			if used == 0 && calls > 100 {
				return "it does not get on"
			}
		}
	}
	return "more"
}

func TestWholeBodies(t *testing.T) {
	for _, b := range bodies {
		if got := play(b.in); got != b.want {
			t.Errorf("%.60q: %.80s, want %.80s", b.in, got, b.want)
		}
	}
}

func TestEverySplit(t *testing.T) {
	for _, b := range bodies {
		for at := 1; at < len(b.in); at++ {
			if got := play(b.in[:at], b.in[at:]); got != b.want {
				t.Fatalf("%.60q, cut after byte %d: %.80s, want %.80s", b.in, at, got, b.want)
			}
		}
	}
}

func TestByteByByte(t *testing.T) {
	for _, b := range bodies {
		if got := play(strings.Split(b.in, "")...); got != b.want {
			t.Errorf("%.60q: %.80s, want %.80s", b.in, got, b.want)
		}
	}
}
