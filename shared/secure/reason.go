package secure

// What an error of crypto/tls means: which of our reasons it is. The library's alerts have no
// exported type, but their number is their value, and those that it sends before anything is
// encrypted stand at the end of what it has written.

import (
	"errors"
	"net"
	"reflect"

	"fourways/shared/fault"
)

// remoteError is the Op of an alert that came from the client (crypto/tls).
const remoteError = "remote error"

// sent are the alerts of ours that have a reason of their own (RFC 8446 6, RFC 7301 3.2). Two of
// them come of what a client remembers: that its last handshake was cut, so that it tries an older
// version (RFC 7507 3), or that another server under this name takes early data (RFC 8446 4.2.10).
var sent = map[byte]fault.Reason{
	40:               fault.NoCipher, // handshake_failure
	71:               fault.NoCipher, // insufficient_security
	alertDecodeError: fault.BadClientHello,
	70:               fault.NoTLSVersion, // protocol_version
	86:               fault.NoTLSVersion, // inappropriate_fallback
	110:              fault.NoTLSVersion, // unsupported_extension: early data, which crypto/tls refuses
	120:              fault.NoALPN,       // no_application_protocol
	80:               fault.Internal,     // internal_error
	112:              fault.Internal,     // unrecognized_name: there is no certificate at all
}

// came are the alerts by which a client says that it does not take our certificate.
var came = map[byte]fault.Reason{
	42: fault.CertificateRefused, // bad_certificate
	43: fault.CertificateRefused, // unsupported_certificate
	44: fault.CertificateRefused, // certificate_revoked
	45: fault.CertificateRefused, // certificate_expired
	46: fault.CertificateRefused, // certificate_unknown
	48: fault.CertificateRefused, // unknown_ca
}

// ofHandshake is why a handshake has failed, after which the library has written flight.
func ofHandshake(err error, flight []byte) fault.Reason {
	alert, remote := alertOf(err)
	if remote {
		if why, ok := came[alert]; ok {
			return why
		}
		return fault.HandshakeRefused
	}
	if alert == 0 {
		alert = lastAlert(flight)
	}
	if why, ok := sent[alert]; ok {
		return why
	}
	return fault.HandshakeBroken
}

// ofRecord is why a connection that was established has failed.
func ofRecord(err error) fault.Reason {
	if _, remote := alertOf(err); remote {
		return fault.TLSAlert
	}
	return fault.TLSBroken
}

// alertOf is the alert that an error is about, 0 where it does not say, and whether the client
// has sent it.
func alertOf(err error) (alert byte, remote bool) {
	var op *net.OpError
	if !errors.As(err, &op) {
		return 0, false
	}
	if v := reflect.ValueOf(op.Err); v.Kind() == reflect.Uint8 {
		alert = byte(v.Uint())
	}
	return alert, op.Op == remoteError
}

// alertRecord is an alert before anything is encrypted (RFC 8446 5.1 and 6.2).
func alertRecord(alert byte) []byte {
	const fatal = 2
	return []byte{typeAlert, 3, 1, 0, 2, fatal, alert}
}

// lastAlert is the alert that a flight ends in, 0 for none.
func lastAlert(flight []byte) byte {
	like := alertRecord(0)
	n := len(flight) - len(like)
	if n < 0 || flight[n] != like[0] || flight[n+1] != like[1] || [3]byte(flight[n+3:]) != [3]byte(like[3:]) {
		return 0
	}
	return flight[len(flight)-1]
}
