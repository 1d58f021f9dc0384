package site

// Ranges against a model that counts with big numbers, and the answers to them. The rig is that of
// driver_test.go.

import (
	"fmt"
	"io"
	"math"
	"math/big"
	"mime"
	"mime/multipart"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fourways/shared/fault"
	"fourways/shared/session"
)

func TestRanges(t *testing.T) {
	r := newRig(t, nil)
	tests := []struct {
		name   string
		value  string
		status int
		body   string // of a 206
		spans  string // its Content-Range, or that of a 416
	}{
		{"the first bytes", "bytes=0-3", 206, "0123", "bytes 0-3/100"},
		{"from the middle on", "bytes=95-", 206, "56789", "bytes 95-99/100"},
		{"the last bytes", "bytes=-3", 206, "789", "bytes 97-99/100"},
		{"one byte", "bytes=5-5", 206, "5", "bytes 5-5/100"},
		{"beyond the end", "bytes=98-1000", 206, "89", "bytes 98-99/100"},
		{"more last bytes than there are", "bytes=-1000", 206, small, "bytes 0-99/100"},
		{"all of it", "bytes=0-", 206, small, "bytes 0-99/100"},
		{"the unit in capitals", "BYTES=0-3", 206, "0123", "bytes 0-3/100"},
		{"white space between ranges", "bytes=200-300 ,\t0-1", 206, "01", "bytes 0-1/100"},
		{"empty items", "bytes=,0-1,,", 206, "01", "bytes 0-1/100"},
		{"a number beyond 63 bits", "bytes=98-99999999999999999999999", 206, "89", "bytes 98-99/100"},

		{"a range after the end", "bytes=100-", 416, "", "bytes */100"},
		{"no last bytes", "bytes=-0", 416, "", "bytes */100"},
		{"nothing but ranges after the end", "bytes=100-200,300-", 416, "", "bytes */100"},
		{"a first byte beyond 63 bits", "bytes=99999999999999999999999-", 416, "", "bytes */100"},

		{"another unit", "lines=0-3", 200, "", ""},
		{"no unit", "0-3", 200, "", ""},
		{"no ranges", "bytes=", 200, "", ""},
		{"commas alone", "bytes=,,", 200, "", ""},
		{"a dash alone", "bytes=-", 200, "", ""},
		{"no dash", "bytes=5", 200, "", ""},
		{"backwards", "bytes=5-4", 200, "", ""},
		{"letters", "bytes=a-b", 200, "", ""},
		{"a sign", "bytes=+1-2", 200, "", ""},
		{"two dashes", "bytes=1--2", 200, "", ""},
		{"a blank inside", "bytes=1 -2", 200, "", ""},
		{"a blank before the equals sign", "bytes =1-2", 200, "", ""},
		{"one of several is malformed", "bytes=0-1,x", 200, "", ""},
		{"seventeen ranges", "bytes=" + strings.Repeat("0-0,", 17), 200, "", ""},
		{"overlapping ones that ask for more than the file", "bytes=0-,0-", 200, "", ""},
		{"overlapping ones that ask for one byte more than the file", "bytes=0-50,50-99", 200, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.ask("GET /small.txt HTTP/1.1\nRange: " + tt.value)
			require.Equal(t, tt.status, got.StatusCode)
			require.Equal(t, tt.spans, got.Header.Get("Content-Range"))
			switch tt.status {
			case 206:
				require.Equal(t, tt.body, got.body)
				require.NotEmpty(t, got.Header.Get("ETag"))
				require.NotEmpty(t, got.Header.Get("Content-Disposition"))
			case 200:
				require.Equal(t, small, got.body)
			}
		})
	}
	t.Run("two fields", func(t *testing.T) {
		require.Equal(t, 200, r.ask("GET /small.txt HTTP/1.1\nRange: bytes=0-1\nRange: bytes=2-3").StatusCode)
	})
	t.Run("HEAD", func(t *testing.T) {
		require.Equal(t, 200, r.ask("HEAD /small.txt HTTP/1.1\nRange: bytes=0-1").StatusCode)
	})
	t.Run("an empty file has no first byte", func(t *testing.T) {
		got := r.ask("GET /empty.txt HTTP/1.1\nRange: bytes=0-")
		require.Equal(t, 416, got.StatusCode)
		require.Equal(t, "bytes */0", got.Header.Get("Content-Range"))
	})
	t.Run("an empty file's last bytes are all of it", func(t *testing.T) {
		require.Equal(t, 200, r.ask("GET /empty.txt HTTP/1.1\nRange: bytes=-1").StatusCode)
	})
}

// An unsatisfiable range is answered here and not by Refuse, and counts all the same.
func TestUnsatisfiableRangesAreReported(t *testing.T) {
	r := newRig(t, nil)
	told := &listener{}
	r.loc.Server.Observer = told
	require.Equal(t, 416, r.ask("GET /small.txt HTTP/1.1\nRange: bytes=100-").StatusCode)
	require.Equal(t, []fault.Fault{{Status: 416, Reason: fault.UnsatisfiableRange}}, told.faults)
}

// listener remembers what was refused.
type listener struct {
	silent
	faults []fault.Fault
}

func (l *listener) Refused(_ *session.Exchange, f fault.Fault) { l.faults = append(l.faults, f) }

func TestRangesOfALargeFile(t *testing.T) {
	r := newRig(t, nil)
	got := r.ask("GET /large.txt HTTP/1.1\nRange: bytes=65535-65552")
	require.Equal(t, "f0123456789abcdef0", got.body)
	require.Equal(t, "bytes 65535-65552/131072", got.Header.Get("Content-Range"))
}

func TestSeveralRanges(t *testing.T) {
	r := newRig(t, nil)
	for _, file := range []struct{ name, text string }{
		{"small.txt", small}, {"middle.txt", strings.Repeat("m", copied+1)}, {"large.txt", strings.Repeat("0123456789abcdef", 8<<10)},
	} {
		t.Run(file.name, func(t *testing.T) {
			got := r.ask("GET /" + file.name + " HTTP/1.1\nRange: bytes=10-11,500000-,-5,0-0")
			require.Equal(t, 206, got.StatusCode)
			require.Empty(t, got.Header.Get("Content-Range"))
			kind, params, err := mime.ParseMediaType(got.Header.Get("Content-Type"))
			require.NoError(t, err)
			require.Equal(t, "multipart/byteranges", kind)
			require.True(t, strings.HasPrefix(got.body, "\r\n--"+params["boundary"]+"\r\n"), "zsync reads no other")
			parts := multipart.NewReader(strings.NewReader(got.body), params["boundary"])
			size := len(file.text)
			for _, want := range []struct{ from, to int }{{10, 11}, {size - 5, size - 1}, {0, 0}} {
				part, err := parts.NextPart()
				require.NoError(t, err)
				require.Equal(t, fmt.Sprintf("bytes %d-%d/%d", want.from, want.to, size), part.Header.Get("Content-Range"))
				require.Equal(t, "application/octet-stream", part.Header.Get("Content-Type"))
				body, err := io.ReadAll(part)
				require.NoError(t, err)
				require.Equal(t, file.text[want.from:want.to+1], string(body))
			}
			_, err = parts.NextPart()
			require.ErrorIs(t, err, io.EOF)
			require.True(t, strings.HasSuffix(got.body, "--"+params["boundary"]+"--\r\n"))
		})
	}
}

// model reads a Range field the slow way: by regular expressions and numbers of any
// size, and by laying the ranges out byte by byte.
func model(value string, size int64) ([]span, rangeVerdict) {
	set := regexp.MustCompile(`(?i)^bytes=(.*)$`).FindStringSubmatch(value)
	if set == nil {
		return nil, rangeIgnored
	}
	spec := regexp.MustCompile(`^(\d*)-(\d*)$`)
	var spans []span
	asked, total, empty := 0, int64(0), false
	for _, item := range strings.Split(set[1], ",") {
		item = strings.Trim(item, " \t")
		if item == "" {
			continue
		}
		m := spec.FindStringSubmatch(item)
		if m == nil || m[1] == "" && m[2] == "" {
			return nil, rangeIgnored
		}
		asked++
		first, last, end := big.NewInt(0), new(big.Int), big.NewInt(size-1)
		switch {
		case m[1] == "":
			last.SetString(m[2], 10)
			if last.Sign() == 0 {
				continue
			}
			if size == 0 {
				empty = true
				continue
			}
			first.Sub(big.NewInt(size), last)
			if first.Sign() < 0 {
				first.SetInt64(0)
			}
			last.Set(end)
		case m[2] == "":
			first.SetString(m[1], 10)
			last.Set(end)
		default:
			first.SetString(m[1], 10)
			last.SetString(m[2], 10)
			if capped(last).Cmp(capped(first)) < 0 {
				return nil, rangeIgnored
			}
		}
		if n := between(first, last, size); n > 0 {
			spans = append(spans, span{first.Int64(), n})
			total += n
		}
	}
	switch {
	case asked == 0 || asked > maxRanges || total > size:
		return nil, rangeIgnored
	case len(spans) > 0:
		return spans, rangeSatisfiable
	case empty:
		return nil, rangeIgnored
	}
	return nil, rangeUnsatisfiable
}

// between counts a file's offsets that are neither before first nor after last.
func between(first, last *big.Int, size int64) (n int64) {
	for at := range size {
		if b := big.NewInt(at); b.Cmp(first) >= 0 && b.Cmp(last) <= 0 {
			n++
		}
	}
	return n
}

// capped is a number as it is kept: all beyond 63 bits are alike.
func capped(n *big.Int) *big.Int {
	if top := big.NewInt(math.MaxInt64); n.Cmp(top) > 0 {
		return top
	}
	return n
}

func sameAsModel(t require.TestingT, value string, size int64) {
	var spans [maxRanges]span
	n, verdict := parseRange([]byte(value), size, &spans)
	want, wantVerdict := model(value, size)
	require.Equal(t, wantVerdict, verdict, "%q of %d bytes", value, size)
	if verdict != rangeSatisfiable {
		return
	}
	require.Equal(t, want, spans[:n], "%q of %d bytes", value, size)
	total := int64(0)
	for _, sp := range spans[:n] {
		require.True(t, sp.n >= 1 && sp.off >= 0 && sp.off+sp.n <= size)
		total += sp.n
	}
	require.LessOrEqual(t, total, size, "no request makes us send more than the file")
}

func TestRangesAgreeWithAModel(t *testing.T) {
	number := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[0-9]{1,2}`), rapid.Just("9223372036854775807"), rapid.Just("9223372036854775808"), rapid.Just("00"))
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(0, 120).Draw(t, "size")
		var b strings.Builder
		b.WriteString(rapid.SampledFrom([]string{"bytes=", "bytes=", "Bytes=", "byte=", "bytes"}).Draw(t, "unit"))
		for range rapid.IntRange(0, 18).Draw(t, "ranges") {
			b.WriteString(number.Draw(t, "first"))
			b.WriteString(rapid.SampledFrom([]string{"-", "-", "-", "-", "-", "", "--"}).Draw(t, "dash"))
			b.WriteString(number.Draw(t, "last"))
			b.WriteString(rapid.SampledFrom([]string{",", ",", ", ", " ,\t", ",,", ""}).Draw(t, "comma"))
		}
		sameAsModel(t, b.String(), size)
	})
}

func FuzzParseRange(f *testing.F) {
	for _, value := range []string{"bytes=0-1", "bytes=-0", "bytes=5-4", "bytes=0-,0-", "bytes=1-2,,-3", "bytes=99999999999999999999-", "lines=0-1"} {
		f.Add(value, int64(10))
	}
	f.Fuzz(func(t *testing.T, value string, size int64) {
		sameAsModel(t, value, max(size, 0)%200)
	})
}
