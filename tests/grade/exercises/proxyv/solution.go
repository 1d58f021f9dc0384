//go:build !skeleton

// Package proxyv reads the header by which a proxy of connections says who the client is: the PROXY
// protocol, version 2.
package proxyv

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// Signature is how each header begins.
const Signature = "\r\n\r\n\x00\r\nQUIT\n"

// Most is how many bytes may follow the first sixteen.
const Most = 512

// ErrBad is bytes that are no header.
var ErrBad = errors.New("this is no header of the PROXY protocol")

// Where things are in a header.
const (
	atCommand = len(Signature)
	atFamily  = atCommand + 1
	atLength  = atFamily + 1
	fixed     = atLength + 2
)

const (
	local   = 0x20 // version 2, LOCAL
	proxied = 0x21 // version 2, PROXY
	tcp4    = 0x11
	tcp6    = 0x21
)

// Header is the state between two pieces.
type Header struct {
	Client, Server netip.AddrPort // when it is done; not valid where the header names nobody

	got []byte
}

// Feed takes the next bytes.
func (h *Header) Feed(b []byte) (used int, done bool, err error) {
	for i, c := range b {
		h.got = append(h.got, c)
		if err := h.sound(c); err != nil {
			return i + 1, false, err
		}
		if len(h.got) >= fixed && len(h.got) == fixed+h.length() {
			h.read()
			return i + 1, true, nil
		}
	}
	return len(b), false, nil
}

// sound looks at the byte that was added last.
func (h *Header) sound(c byte) error {
	at := len(h.got) - 1
	switch {
	case at < len(Signature) && c != Signature[at],
		at == atCommand && c != local && c != proxied,
		at == fixed-1 && (h.length() > Most || h.length() < h.least()):
		return ErrBad
	}
	return nil
}

func (h *Header) length() int { return int(binary.BigEndian.Uint16(h.got[atLength:])) }

// size is how many bytes an address has, 0 where there is none that counts.
func (h *Header) size() int {
	switch {
	case h.got[atCommand] == local:
		return 0
	case h.got[atFamily] == tcp4:
		return 4
	case h.got[atFamily] == tcp6:
		return 16
	}
	return 0
}

// least is how many bytes the addresses and ports take.
func (h *Header) least() int {
	if h.size() == 0 {
		return 0
	}
	return 2*h.size() + 4
}

func (h *Header) read() {
	n := h.size()
	if n == 0 {
		return
	}
	b := h.got[fixed:]
	client, _ := netip.AddrFromSlice(b[:n])
	server, _ := netip.AddrFromSlice(b[n : 2*n])
	ports := b[2*n:]
	h.Client = netip.AddrPortFrom(client, binary.BigEndian.Uint16(ports))
	h.Server = netip.AddrPortFrom(server, binary.BigEndian.Uint16(ports[2:]))
}
