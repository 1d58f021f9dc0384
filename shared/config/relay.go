package config

// Connections that are passed on as they are: where from, where to, and how.
//
// The rows take their values one by one; what concerns several of them is judged by checkRelays.
// What must not be done: nothing here looks up a name. Whether a target can be found is for whoever
// connects to say.

import (
	"errors"
	"slices"
	"strings"
)

// firstWithRelays is the number of the first stage that has relays: a thread of stage 1 waits for
// one thing at a time, and a relay needs two.
const firstWithRelays = 2

func relayRows(c *Config) []Flag {
	r := &c.Relay
	return []Flag{
		{Group: groupRelays, Name: flagRelay, Unit: "ADDRESS=TARGET", Repeat: true,
			Help: "where to listen for connections that are passed on as they are, and to whom: HOST:PORT or unix:/PATH; stages 2 to 4", Set: relay(&c.Relays)},
		{Group: groupRelays, Name: "relay-proxy-protocol",
			Help: "tell the target of -relay who the client is, by a PROXY header of version 2", Set: Switch(&r.Announce)},
		{Group: groupRelays, Name: "relay-rate", Unit: "BYTES", Default: "0",
			Help: "bytes a second of one relayed connection, each way; 0 for no limit", Set: Rate(&r.Rate, 0, maxRelayRate)},
		{Group: groupRelays, Name: "connect-timeout", Unit: "SECONDS", Default: "5",
			Help: "until a target or an upstream is connected; then a relay closes its client, and a request goes elsewhere", Set: Seconds(&r.ConnectTimeout, shortest, longest)},
		{Group: groupRelays, Name: "tunnel-timeout", Unit: "SECONDS", Default: "3600",
			Help: "that a relayed connection may be silent, both ways, or one that was upgraded (WebSocket)", Set: Seconds(&r.TunnelTimeout, shortest, longest)},
	}
}

var errNoTarget = errors.New("there is no target; give both, as 127.0.0.1:5000=db.internal:5432 or :5000=unix:/run/db.sock")

// relay takes LISTEN=TARGET.
func relay(dst *[]Relay) func(string) error {
	return func(value string) error {
		from, to := cutTarget(value)
		if to == "" {
			return errNoTarget
		}
		var r Relay
		var err error
		if r.Listen, err = parseAddress(from); err != nil {
			return err
		}
		if err = r.aim(to); err != nil {
			return err
		}
		*dst = append(*dst, r)
		return nil
	}
}

// cutTarget cuts LISTEN=TARGET at the equals sign that is not one of mode=0660 or group=NAME.
func cutTarget(value string) (from, to string) {
	for i := 0; i < len(value); i++ {
		if value[i] == '=' && !strings.HasSuffix(value[:i+1], modeWord) && !strings.HasSuffix(value[:i+1], groupWord) {
			return value[:i], value[i+1:]
		}
	}
	return value, ""
}

// aim takes the target. A name is taken as it is; a port must be one that can be connected to.
func (r *Relay) aim(to string) error {
	if strings.HasPrefix(to, unixPrefix) {
		a, err := parseAddress(to)
		if err == nil && (a.Mode != 0 || a.Group != "") {
			err = errTarget
		}
		r.Path = a.Path
		return err
	}
	colon := strings.LastIndexByte(to, ':')
	host := strings.TrimSuffix(strings.TrimPrefix(to[:max(colon, 0)], "["), "]")
	bare := strings.Contains(host, ":") && !strings.HasPrefix(to, "[")
	if colon < 0 || host == "" || bare || strings.ContainsAny(host, "/[]%\x00 ") {
		return errTarget
	}
	port, err := parsePort(to[colon+1:])
	if err != nil {
		return err
	}
	if port == 0 {
		return errTarget
	}
	r.Host, r.Port = host, port
	return nil
}

var errTarget = errors.New("the target does not fit; give a name or an address and a port, as db.internal:5432 or [2001:db8::1]:5432, or unix:/PATH")

// relays reports whether an address is that of a relay.
func relays(c *Config, a Address) bool {
	return slices.ContainsFunc(c.Relays, func(r Relay) bool { return r.Listen.same(a) })
}

// checkRelays says what of several settings does not go together.
func checkRelays(stage Stage, c *Config) error {
	if len(c.Relays) > 0 && stage.Number < firstWithRelays {
		return usage("-%s: a thread of stage %d waits for one connection alone, and a relay is two; take stage 2, 3 or 4", flagRelay, stage.Number)
	}
	for i, r := range c.Relays {
		a := r.Listen
		if a.Network == TCP && a.AddrPort.Port() == 0 {
			continue
		}
		if a.among(c.Listen) || a.among(c.TLS.Listen) || slices.ContainsFunc(c.Relays[:i], func(r Relay) bool { return r.Listen.same(a) }) {
			return usage("-%s: %v is listened on for something else too; give each its own address", flagRelay, a)
		}
	}
	return nil
}
