// Package proxyproto is the PROXY protocol, by which a proxy of TCP connections says for whom it
// speaks: a header in front of all else (HAProxy's proxy-protocol.txt). It has the parser of both
// versions, the writer of the second, and the machine that reads the header at the beginning of a
// connection and then makes way for the one that serves.
//
// What must not be done: nothing here may believe a header without knowing who has sent it. Whoever
// may connect could be anybody then.
package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"net/netip"
)

// Bounds of a header, in bytes. That of version 1 is the protocol's, that of version 2 is ours: it
// could be 64 KiB.
const (
	maxV1 = 107
	maxV2 = 4 << 10
)

// Header is what a proxy says of a connection.
type Header struct {
	// From is the client, and To where it has connected to. Both are invalid where the proxy names
	// no client by an address of the Internet: because it has connected for itself (LOCAL), does
	// not know (UNKNOWN, AF_UNSPEC), or its client came by a Unix socket.
	From, To netip.AddrPort
	Own      bool // the proxy has connected for itself (LOCAL), and so for no client
	TLS      bool // the client has come to the proxy by TLS
}

// What is wrong with a header.
var (
	ErrNone     = errors.New("it does not begin with a PROXY header")
	ErrTooLong  = errors.New("the PROXY header is too long")
	ErrGrammar  = errors.New("the PROXY header breaks the grammar")
	ErrChecksum = errors.New("the PROXY header has another checksum than it says")
)

// Parse reads the header at the beginning of b. n is its length, 0 where more has to come. What is
// wrong is wrong whatever else comes, and is found as early as may be: the verdict depends on the
// bytes, and not on how they were cut.
func Parse(b []byte) (h Header, n int, err error) {
	switch {
	case agrees(b, v2Signature):
		return parseV2(b)
	case agrees(b, v1Begins):
		return parseV1(b)
	}
	return h, 0, ErrNone
}

// agrees reports whether one of the two begins with the other.
func agrees(b, with []byte) bool {
	n := min(len(b), len(with))
	return bytes.Equal(b[:n], with[:n])
}

var (
	v1Begins    = []byte("PROXY ")
	v2Signature = []byte("\r\n\r\n\x00\r\nQUIT\n")
	unknown     = []byte("UNKNOWN")
)

// parseV1 reads a line of text:
//
//	PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 CR LF
//	PROXY TCP6 2001:db8::7 2001:db8::1 56324 443 CR LF
//	PROXY UNKNOWN, and whatever may follow on the line, CR LF
func parseV1(b []byte) (h Header, n int, err error) {
	line := b[:min(len(b), maxV1)]
	end := bytes.IndexFunc(line, func(r rune) bool { return r < ' ' || r > '~' })
	switch {
	case end < 0 && len(b) < maxV1:
		return h, 0, nil
	case end < 0:
		return h, 0, ErrTooLong
	case line[end] != '\r' || end+1 < len(line) && line[end+1] != '\n':
		return h, 0, ErrGrammar
	case end+1 == maxV1:
		return h, 0, ErrTooLong
	case end+1 == len(line):
		return h, 0, nil
	}
	named, ok := parseLine(line[len(v1Begins):end])
	if !ok {
		return h, 0, ErrGrammar
	}
	return named, end + len("\r\n"), nil
}

// parseLine reads what stands between the first word and the end of the line.
func parseLine(text []byte) (h Header, ok bool) {
	if rest, ok := bytes.CutPrefix(text, unknown); ok {
		return h, len(rest) == 0 || rest[0] == ' '
	}
	words := bytes.Split(text, []byte(" "))
	if len(words) != 5 {
		return h, false
	}
	from, ok1 := parseEnd(words[0], words[1], words[3])
	to, ok2 := parseEnd(words[0], words[2], words[4])
	return Header{From: from, To: to}, ok1 && ok2
}

// parseEnd reads one end's address and port, each in its one form: an address of the family that
// the protocol says, and a port without zeros in front.
func parseEnd(protocol, address, port []byte) (end netip.AddrPort, ok bool) {
	ip, err := netip.ParseAddr(string(address))
	if err != nil || ip.Zone() != "" || !(string(protocol) == "TCP4" && ip.Is4() || string(protocol) == "TCP6" && ip.Is6()) {
		return end, false
	}
	if len(port) == 0 || len(port) > len("65535") || port[0] == '0' && len(port) > 1 {
		return end, false
	}
	number := 0
	for _, c := range port {
		if c < '0' || c > '9' {
			return end, false
		}
		number = 10*number + int(c-'0')
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(number)), number <= math.MaxUint16
}

// Version 2, in bytes: the signature, the version with the command, the family with the transport,
// the length of the rest, then the addresses and further values (TLVs).
const (
	v2Fixed    = 16   // bytes before the addresses
	v2Local    = 0x20 // version 2, LOCAL: the proxy speaks for itself
	v2Proxy    = 0x21 // version 2, PROXY
	v2Unspec   = 0x00
	v2TCP4     = 0x11 // AF_INET, STREAM
	v2TCP6     = 0x21
	v2Unix     = 0x31
	tlvFixed   = 3    // bytes before a value: its type and its length
	tlvCRC32C  = 0x03 // PP2_TYPE_CRC32C
	crc32cSize = 4
	tlvTLS     = 0x20 // PP2_TYPE_SSL: flags, what came of a certificate (4 bytes), further values
	tlsSize    = 5    // bytes before those
	clientTLS  = 0x01 // PP2_CLIENT_SSL, a flag
)

// addressSize is how many bytes the two ends' addresses take, by family and transport. What is not
// in it is no stream, or unknown.
var addressSize = map[byte]int{v2Unspec: 0, v2TCP4: 2 * (4 + 2), v2TCP6: 2 * (16 + 2), v2Unix: 2 * 108}

// parseV2 reads a header of version 2. All that is known by the fixed part is judged with it.
func parseV2(b []byte) (h Header, n int, err error) {
	if len(b) > 12 && b[12] != v2Local && b[12] != v2Proxy {
		return h, 0, ErrGrammar
	}
	if len(b) > 13 {
		if _, known := addressSize[b[13]]; !known && b[12] == v2Proxy {
			return h, 0, ErrGrammar
		}
	}
	if len(b) < v2Fixed {
		return h, 0, nil
	}
	n = v2Fixed + int(binary.BigEndian.Uint16(b[14:]))
	size := addressSize[b[13]]
	switch {
	case n > maxV2:
		return h, 0, ErrTooLong
	case b[12] == v2Proxy && n < v2Fixed+size:
		return h, 0, ErrGrammar
	case len(b) < n:
		return h, 0, nil
	}
	// What a proxy says that speaks for itself, or for whom it does not know, is to be passed over,
	// whatever it is. A checksum counts all the same where it can be found.
	named := b[12] == v2Proxy && b[13] != v2Unspec
	if n < v2Fixed+size { // with LOCAL, whose family means nothing
		size = 0
	}
	checksum, whole := find(b[:n], v2Fixed+size, tlvCRC32C, crc32cSize, crc32cSize)
	over, sound := find(b[:n], v2Fixed+size, tlvTLS, tlsSize, maxV2)
	switch {
	case named && !(whole && sound):
		return h, 0, ErrGrammar
	case whole && checksum > 0 && !checks(b[:n], checksum):
		return h, 0, ErrChecksum
	}
	h.Own = b[12] == v2Local
	if named {
		h = addresses(b[13], b[v2Fixed:])
		h.TLS = over > 0 && b[over]&clientTLS != 0
	}
	return h, n, nil
}

// find walks over the values from at on. It reports where that of a kind is, 0 for nowhere, and
// whether the values end where the header does, with one of the kind at most, of least to most
// bytes.
func find(header []byte, at int, kind byte, least, most int) (value int, whole bool) {
	for at < len(header) {
		if len(header)-at < tlvFixed {
			return 0, false
		}
		size := int(binary.BigEndian.Uint16(header[at+1:]))
		if header[at] == kind {
			if size < least || size > most || value > 0 {
				return 0, false
			}
			value = at + tlvFixed
		}
		at += tlvFixed + size
	}
	return value, at == len(header)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checks reports whether the checksum at an offset is that of the whole header, taken with zeros in
// its place.
func checks(header []byte, at int) bool {
	var zeros [crc32cSize]byte
	sum := crc32.Update(0, castagnoli, header[:at])
	sum = crc32.Update(sum, castagnoli, zeros[:])
	sum = crc32.Update(sum, castagnoli, header[at+crc32cSize:])
	return sum == binary.BigEndian.Uint32(header[at:])
}

// addresses reads the two ends.
func addresses(family byte, b []byte) (h Header) {
	switch family {
	case v2TCP4:
		h.From = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), binary.BigEndian.Uint16(b[8:]))
		h.To = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:])), binary.BigEndian.Uint16(b[10:]))
	case v2TCP6:
		h.From = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b)).Unmap(), binary.BigEndian.Uint16(b[32:]))
		h.To = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[16:])).Unmap(), binary.BigEndian.Uint16(b[34:]))
	}
	return h
}

// unmapped is an end as its own family has it: a listener for IPv6 and IPv4 is told of clients by
// IPv4 as of some by IPv6 (RFC 4291 2.5.5.2).
func unmapped(end netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(end.Addr().Unmap(), end.Port())
}

// MaxWritten is how many bytes Append appends at most.
const MaxWritten = v2Fixed + 2*(16+2) + tlvFixed + tlsSize

// Append appends a header of version 2 that names a client, and where it has connected to, and says
// whether it has come by TLS. Where one of the two is invalid, as that of a Unix socket is, it says
// that the client is not known.
func Append(b []byte, from, to netip.AddrPort, tls bool) []byte {
	from, to = unmapped(from), unmapped(to)
	b = append(b, v2Signature...)
	b = append(b, v2Proxy)
	size := byte(0)
	if tls {
		size = tlvFixed + tlsSize
	}
	switch {
	case !from.IsValid() || !to.IsValid():
		return append(b, v2Unspec, 0, 0)
	case from.Addr().Is4() && to.Addr().Is4():
		b = append(b, v2TCP4, 0, byte(addressSize[v2TCP4])+size)
		b = append(append(b, from.Addr().AsSlice()...), to.Addr().AsSlice()...)
	default: // an IPv4 address among them is written as one of IPv6
		b = append(b, v2TCP6, 0, byte(addressSize[v2TCP6])+size)
		one, other := from.Addr().As16(), to.Addr().As16()
		b = append(append(b, one[:]...), other[:]...)
	}
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	if tls {
		b = append(b, tlvTLS, 0, tlsSize, clientTLS, 0, 0, 0, 1) // 1: no certificate of the client was verified
	}
	return b
}
