package proxyproto

// Headers of both versions, good and bad, whole and cut at each byte. A new case is a row of
// cases; the fuzzer begins with them.

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// v2 is a header of version 2 with that command, family and rest.
func v2(command, family byte, rest ...byte) string {
	b := append([]byte(v2Signature), command, family)
	return string(append(binary.BigEndian.AppendUint16(b, uint16(len(rest))), rest...))
}

var (
	four = []byte{192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb}
	six  = append(append(netip.MustParseAddr("2001:db8::7").AsSlice(), netip.MustParseAddr("2001:db8::1").AsSlice()...), 0xdc, 0x04, 0x01, 0xbb)
)

// tlv is one value.
func tlv(kind byte, value string) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(value))), value...)
}

// summed is a header with the checksum of it at its end, off by some.
func summed(command, family byte, off uint32, rest ...byte) string {
	b := []byte(v2(command, family, append(bytes.Clone(rest), tlv(tlvCRC32C, "\x00\x00\x00\x00")...)...))
	binary.BigEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b, castagnoli)+off)
	return string(b)
}

// joined is some slices in one.
func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func named(from, to string) Header {
	return Header{From: netip.MustParseAddrPort(from), To: netip.MustParseAddrPort(to)}
}

func byTLS(from, to string) Header {
	h := named(from, to)
	h.TLS = true
	return h
}

// cases are headers as they come. A bad one is bad with whatever behind it.
var cases = []struct {
	name string
	in   string
	want Header
	err  error
}{
	{"version 1 of IPv4", "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", named("192.0.2.7:56324", "198.51.100.1:443"), nil},
	{"version 1 of IPv6", "PROXY TCP6 2001:db8::7 2001:DB8::1 56324 443\r\n", named("[2001:db8::7]:56324", "[2001:db8::1]:443"), nil},
	{"version 1 at its longest", "PROXY TCP6 " + strings.Repeat("ffff:", 7) + "ffff " + strings.Repeat("ffff:", 7) + "ffff 65535 65535\r\n",
		named("["+strings.Repeat("ffff:", 7)+"ffff]:65535", "["+strings.Repeat("ffff:", 7)+"ffff]:65535"), nil},
	{"version 1 of IPv4 in IPv6", "PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 1 2\r\n", named("192.0.2.7:1", "198.51.100.1:2"), nil},
	{"ports of zero", "PROXY TCP4 192.0.2.7 198.51.100.1 0 0\r\n", named("192.0.2.7:0", "198.51.100.1:0"), nil},
	{"an unknown client", "PROXY UNKNOWN\r\n", Header{}, nil},
	{"an unknown client with what is to be ignored", "PROXY UNKNOWN ffff::1 ~ whatever 1\r\n", Header{}, nil},
	{"an unknown client, 107 bytes", "PROXY UNKNOWN " + strings.Repeat("x", 91) + "\r\n", Header{}, nil},
	{"an unknown client, 108 bytes", "PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", Header{}, ErrTooLong},
	{"an unknown client without an end", "PROXY UNKNOWN " + strings.Repeat("x", 400), Header{}, ErrTooLong},
	{"a CR as the 107th byte", "PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r", Header{}, ErrTooLong},
	{"another word that begins so", "PROXY UNKNOWNS\r\n", Header{}, ErrGrammar},
	{"no protocol", "PROXY \r\n", Header{}, ErrGrammar},
	{"another protocol", "PROXY UDP4 192.0.2.7 198.51.100.1 56324 443\r\n", Header{}, ErrGrammar},
	{"a protocol in small letters", "PROXY tcp4 192.0.2.7 198.51.100.1 56324 443\r\n", Header{}, ErrGrammar},
	{"IPv4 under the name of IPv6", "PROXY TCP6 192.0.2.7 198.51.100.1 56324 443\r\n", Header{}, ErrGrammar},
	{"IPv6 under the name of IPv4", "PROXY TCP4 2001:db8::7 2001:db8::1 56324 443\r\n", Header{}, ErrGrammar},
	{"two families", "PROXY TCP4 192.0.2.7 2001:db8::1 56324 443\r\n", Header{}, ErrGrammar},
	{"two spaces", "PROXY  TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", Header{}, ErrGrammar},
	{"two spaces further on", "PROXY TCP4 192.0.2.7  198.51.100.1 56324 443\r\n", Header{}, ErrGrammar},
	{"a space at the end", "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 \r\n", Header{}, ErrGrammar},
	{"a tab", "PROXY TCP4\t192.0.2.7 198.51.100.1 56324 443\r\n", Header{}, ErrGrammar},
	{"a NUL", "PROXY UNKNOWN \x00\r\n", Header{}, ErrGrammar},
	{"a letter outside of ASCII", "PROXY UNKNOWN \xc3\xa4\r\n", Header{}, ErrGrammar},
	{"a bare LF", "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\n", Header{}, ErrGrammar},
	{"a bare CR", "PROXY UNKNOWN \rx\r\n", Header{}, ErrGrammar},
	{"a port too few", "PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n", Header{}, ErrGrammar},
	{"a word too many", "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 x\r\n", Header{}, ErrGrammar},
	{"a port over 65535", "PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n", Header{}, ErrGrammar},
	{"a port far over it", "PROXY TCP4 192.0.2.7 198.51.100.1 99999999999999999999 443\r\n", Header{}, ErrGrammar},
	{"a port with a zero in front", "PROXY TCP4 192.0.2.7 198.51.100.1 056 443\r\n", Header{}, ErrGrammar},
	{"a port with a sign", "PROXY TCP4 192.0.2.7 198.51.100.1 +56 443\r\n", Header{}, ErrGrammar},
	{"an address with zeros in front", "PROXY TCP4 192.0.02.7 198.51.100.1 56 443\r\n", Header{}, ErrGrammar},
	{"an address with a part too few", "PROXY TCP4 192.0.2 198.51.100.1 56 443\r\n", Header{}, ErrGrammar},
	{"an address with a zone", "PROXY TCP6 fe80::1%eth0 2001:db8::1 56 443\r\n", Header{}, ErrGrammar},
	{"a name", "PROXY TCP4 localhost 198.51.100.1 56 443\r\n", Header{}, ErrGrammar},
	{"HTTP", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", Header{}, ErrNone},
	{"a method that begins so", "PROXYFIND / HTTP/1.1\r\n\r\n", Header{}, ErrNone},
	{"TLS", "\x16\x03\x01\x02\x00\x01", Header{}, ErrNone},
	{"an empty line and then HTTP", "\r\nGET / HTTP/1.1\r\n", Header{}, ErrNone},
	{"small letters", "proxy UNKNOWN\r\n", Header{}, ErrNone},

	{"version 2 of IPv4", v2(v2Proxy, v2TCP4, four...), named("192.0.2.7:56324", "198.51.100.1:443"), nil},
	{"version 2 of IPv6", v2(v2Proxy, v2TCP6, six...), named("[2001:db8::7]:56324", "[2001:db8::1]:443"), nil},
	{"version 2 of IPv4 in IPv6", v2(v2Proxy, v2TCP6, joined(netip.MustParseAddr("::ffff:192.0.2.7").AsSlice(), netip.MustParseAddr("::ffff:198.51.100.1").AsSlice(), []byte{0, 1, 0, 2})...),
		named("192.0.2.7:1", "198.51.100.1:2"), nil},
	{"version 2 of a Unix socket", v2(v2Proxy, v2Unix, make([]byte, 216)...), Header{}, nil},
	{"version 2 of a Unix socket, cut", v2(v2Proxy, v2Unix, make([]byte, 215)...), Header{}, ErrGrammar},
	{"LOCAL", v2(v2Local, v2Unspec), Header{Own: true}, nil},
	{"LOCAL with addresses, which mean nothing", v2(v2Local, v2TCP4, four...), Header{Own: true}, nil},
	{"LOCAL with too few of them", v2(v2Local, v2TCP6, 1, 2, 3), Header{Own: true}, nil},
	{"LOCAL with a family that does not exist", v2(v2Local, 0xff, 1, 2, 3), Header{Own: true}, nil},
	{"UNSPEC", v2(v2Proxy, v2Unspec), Header{}, nil},
	{"UNSPEC with what is to be ignored", v2(v2Proxy, v2Unspec, 1, 2), Header{}, nil},
	{"values that are passed over", v2(v2Proxy, v2TCP4, joined(four, tlv(0x01, "h2"), tlv(0x02, "example.org"), tlv(0x04, ""), tlv(0xee, "\x00\x01"))...),
		named("192.0.2.7:56324", "198.51.100.1:443"), nil},
	{"4 KiB", v2(v2Proxy, v2TCP4, joined(four, tlv(0x04, strings.Repeat("\x00", 4096-16-12-3)))...), named("192.0.2.7:56324", "198.51.100.1:443"), nil},
	{"4 KiB and one byte", v2(v2Proxy, v2TCP4, joined(four, tlv(0x04, strings.Repeat("\x00", 4096-16-12-2)))...), Header{}, ErrTooLong},
	{"LOCAL of 64 KiB", v2(v2Local, v2Unspec, make([]byte, 65535)...), Header{}, ErrTooLong},
	{"a checksum", summed(v2Proxy, v2TCP4, 0, four...), named("192.0.2.7:56324", "198.51.100.1:443"), nil},
	{"a checksum with more values", summed(v2Proxy, v2TCP6, 0, joined(six, tlv(0x02, "example.org"))...), named("[2001:db8::7]:56324", "[2001:db8::1]:443"), nil},
	{"a wrong checksum", summed(v2Proxy, v2TCP4, 1, four...), Header{}, ErrChecksum},
	{"a wrong checksum of an unknown client", summed(v2Proxy, v2Unspec, 1), Header{}, ErrChecksum},
	{"a wrong checksum of LOCAL", summed(v2Local, v2Unspec, 1), Header{}, ErrChecksum},
	{"a right checksum of LOCAL", summed(v2Local, v2TCP4, 0, four...), Header{Own: true}, nil},
	{"a checksum of three bytes", v2(v2Proxy, v2TCP4, joined(four, tlv(tlvCRC32C, "abc"))...), Header{}, ErrGrammar},
	{"two checksums", summed(v2Proxy, v2TCP4, 0, joined(four, tlv(tlvCRC32C, "abcd"))...), Header{}, ErrGrammar},
	{"a client who has come by TLS", v2(v2Proxy, v2TCP4, joined(four, tlv(tlvTLS, "\x01\x00\x00\x00\x00"))...), byTLS("192.0.2.7:56324", "198.51.100.1:443"), nil},
	{"such a one with a certificate, and more values", v2(v2Proxy, v2TCP6, joined(six, tlv(tlvTLS, "\x07\x00\x00\x00\x00\x21\x00\x07TLSv1.3"), tlv(0x04, ""))...), byTLS("[2001:db8::7]:56324", "[2001:db8::1]:443"), nil},
	{"one who has not", v2(v2Proxy, v2TCP4, joined(four, tlv(tlvTLS, "\x06\x00\x00\x00\x00"))...), named("192.0.2.7:56324", "198.51.100.1:443"), nil},
	{"TLS of LOCAL", v2(v2Local, v2TCP4, joined(four, tlv(tlvTLS, "\x01\x00\x00\x00\x00"))...), Header{Own: true}, nil},
	{"TLS of four bytes", v2(v2Proxy, v2TCP4, joined(four, tlv(tlvTLS, "\x01\x00\x00\x00"))...), Header{}, ErrGrammar},
	{"TLS twice", v2(v2Proxy, v2TCP4, joined(four, tlv(tlvTLS, "\x00\x00\x00\x00\x00"), tlv(tlvTLS, "\x01\x00\x00\x00\x00"))...), Header{}, ErrGrammar},
	{"a value longer than the header", v2(v2Proxy, v2TCP4, joined(four, []byte{1, 0, 9, 'x'})...), Header{}, ErrGrammar},
	{"half a value", v2(v2Proxy, v2TCP4, joined(four, []byte{1, 0})...), Header{}, ErrGrammar},
	{"too few bytes of IPv4", v2(v2Proxy, v2TCP4, four[:11]...), Header{}, ErrGrammar},
	{"the bytes of IPv4 for IPv6", v2(v2Proxy, v2TCP6, four...), Header{}, ErrGrammar},
	{"no addresses", v2(v2Proxy, v2TCP4), Header{}, ErrGrammar},
	{"a datagram", v2(v2Proxy, 0x12, four...), Header{}, ErrGrammar},
	{"a datagram of IPv6", v2(v2Proxy, 0x22, six...), Header{}, ErrGrammar},
	{"a family that does not exist", v2(v2Proxy, 0x41, four...), Header{}, ErrGrammar},
	{"a transport that does not exist", v2(v2Proxy, 0x13, four...), Header{}, ErrGrammar},
	{"a command that does not exist", v2(0x22, v2TCP4, four...), Header{}, ErrGrammar},
	{"version 1 in the form of version 2", v2(0x11, v2TCP4, four...), Header{}, ErrGrammar},
	{"version 3", v2(0x31, v2TCP4, four...), Header{}, ErrGrammar},
	{"a signature that is wrong at its end", "\r\n\r\n\x00\r\nQUIT\r\x21\x11\x00\x0c" + string(four), Header{}, ErrNone},
}

func TestHeaders(t *testing.T) {
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			for _, behind := range []string{"", "GET / HTTP/1.1\r\n", "PROXY UNKNOWN\r\n", strings.Repeat("\x00", 5000)} {
				h, n, err := Parse([]byte(tt.in + behind))
				require.Equal(t, tt.err, err)
				if err == nil {
					require.Equal(t, len(tt.in), n)
					require.Equal(t, tt.want, h)
				}
			}
			agreesWithItsBeginnings(t, []byte(tt.in))
		})
	}
}

// agreesWithItsBeginnings requires of each beginning that it is found incomplete, or what the whole
// is found to be.
func agreesWithItsBeginnings(t *testing.T, b []byte) {
	h, n, err := Parse(b)
	for i := range len(b) {
		h1, n1, err1 := Parse(b[:i:i])
		switch {
		case err1 != nil:
			require.Equal(t, err, err1, "after %d bytes", i)
		case n1 > 0:
			require.Equal(t, n, n1, "after %d bytes", i)
			require.Equal(t, h, h1)
		case err == nil && n > 0:
			require.Less(t, i, n)
		}
	}
}

func TestWhatIsNoHeaderIsSeenAtTheByteThatSaysSo(t *testing.T) {
	for in, at := range map[string]int{
		"GET / HTTP/1.1\r\n": 1, "PRI * HTTP/2.0\r\n\r\n": 3, "PROXY\tx": 6, "\r\n\r\n\x00\r\nQUIX": 11, "\x16\x03\x01": 1,
		"PROXY UNKNOWN \x00": 15, v2(0x41, 0x11): 13, v2(v2Proxy, 0x12): 14, "PROXY UNKNOWN\rx": 15,
	} {
		for i := range at {
			_, n, err := Parse([]byte(in[:i]))
			require.NoError(t, err, "%q after %d bytes", in, i)
			require.Zero(t, n)
		}
		_, _, err := Parse([]byte(in[:at]))
		require.Error(t, err, "%q after %d bytes", in, at)
	}
}

func TestWhatIsWrittenIsReadAsTheSame(t *testing.T) {
	for _, tt := range []struct{ name, from, to, readFrom, readTo string }{
		{"IPv4", "192.0.2.7:56324", "198.51.100.1:443", "192.0.2.7:56324", "198.51.100.1:443"},
		{"IPv6", "[2001:db8::7]:1", "[2001:db8::1]:2", "[2001:db8::7]:1", "[2001:db8::1]:2"},
		{"one of each", "192.0.2.7:1", "[2001:db8::1]:2", "192.0.2.7:1", "[2001:db8::1]:2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, tls := range []bool{false, true} {
				b := Append([]byte("before"), netip.MustParseAddrPort(tt.from), netip.MustParseAddrPort(tt.to), tls)
				h, n, err := Parse(b[len("before"):])
				require.NoError(t, err)
				require.Equal(t, len(b)-len("before"), n)
				require.LessOrEqual(t, n, MaxWritten)
				want := named(tt.readFrom, tt.readTo)
				want.TLS = tls
				require.Equal(t, want, h)
			}
		})
	}
	for _, h := range []Header{{}, {From: netip.MustParseAddrPort("192.0.2.7:1")}, {To: netip.MustParseAddrPort("192.0.2.7:1")}} {
		require.Equal(t, v2(v2Proxy, v2Unspec), string(Append(nil, h.From, h.To, h.TLS)), "nobody is named")
	}
	require.Equal(t, v2(v2Proxy, v2TCP4, four...), string(Append(nil, named("192.0.2.7:56324", "1.1.1.1:1").From, named("198.51.100.1:443", "1.1.1.1:1").From, false)), "byte for byte")
	mapped := [2]netip.AddrPort{netip.MustParseAddrPort("[::ffff:192.0.2.7]:56324"), netip.MustParseAddrPort("[::ffff:198.51.100.1]:443")}
	require.Equal(t, v2(v2Proxy, v2TCP4, four...), string(Append(nil, mapped[0], mapped[1], false)), "as they have come to a listener for both")
}

// FuzzHeader: whatever comes is no panic, is judged the same however it was cut, and whom a header
// names, a header that is written names too.
func FuzzHeader(f *testing.F) {
	for _, tt := range cases {
		f.Add([]byte(tt.in))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := Parse(b)
		if n < 0 || n > len(b) || n > maxV2 || err != nil && n != 0 {
			t.Fatal(n, err)
		}
		if len(b) > maxV2 && n == 0 && err == nil {
			t.Fatal("still incomplete after ", len(b))
		}
		if h.From.IsValid() != h.To.IsValid() {
			t.Fatal(h)
		}
		agreesWithItsBeginnings(t, b)
		if h.From.IsValid() {
			again, n, err := Parse(Append(nil, h.From, h.To, h.TLS))
			if again != h || n == 0 || err != nil {
				t.Fatal(again, n, err)
			}
		}
	})
}
