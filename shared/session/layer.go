package session

// What a session may know of a layer between it and its socket, TLS for example: a few numbers, and
// nothing of how it works.

import "fourways/shared/chain"

// Layer is what lies between a session and its socket, and changes the bytes on their way. Who made
// it writes it, on the session's thread; the session only reads.
type Layer struct {
	// Out is what really goes into the socket. Its bytes are those that the client takes, and the
	// minimum rate is held against them.
	Out *chain.Chain
	// Held is how many bytes have come of which the session has got nothing yet.
	Held int
	// Bypassed says that a client sent HTTP where the layer's protocol was expected. The bytes then
	// pass unchanged, and each request is refused.
	Bypassed bool
	// Security is what was agreed on with the client, once it was.
	Security Security
}

// Security is what was agreed on with a client of TLS, by the numbers of its registries.
type Security struct {
	Version    uint16 // RFC 8446 4.1.2: 0x0303 is 1.2; 0 for no TLS
	Suite      uint16 // RFC 8446 B.4
	Group      uint16 // RFC 8446 4.2.7; 0 where none was needed
	Resumed    bool   // by a ticket of an earlier connection
	ServerName string // that the client asked for; empty for none
}

// Security is what was agreed on with the client of a connection that is encrypted. Its Version is
// 0 where it is not.
func (x *Exchange) Security() Security {
	if x.s.layer == nil {
		return Security{}
	}
	return x.s.layer.Security
}
