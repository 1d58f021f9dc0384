package config

// Where to listen, as text and as a value. Only literals are taken: to ask a resolver at the start
// would let the server listen somewhere else tomorrow.

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

const (
	defaultHost   = "127.0.0.1"
	defaultListen = defaultHost + ":8080"
	unixPrefix    = "unix:"
	maxUnixPath   = 107 // bytes; sun_path is 108 with its NUL, unix(7)
)

// Networks of an Address.
const (
	TCP  = "tcp"
	Unix = "unix"
)

// Address is one place to listen on.
type Address struct {
	Network  string         // TCP or Unix
	AddrPort netip.AddrPort // of TCP; [::] stands for IPv6 and IPv4 both
	Path     string         // of Unix
}

// String writes the address as -listen takes it.
func (a Address) String() string {
	if a.Network == Unix {
		return unixPrefix + a.Path
	}
	return a.AddrPort.String()
}

func addresses(dst *[]Address) func(string) error {
	return func(value string) error {
		a, err := parseAddress(value)
		if err != nil {
			return err
		}
		*dst = append(*dst, a)
		return nil
	}
}

func parseAddress(value string) (Address, error) {
	if path, ok := strings.CutPrefix(value, unixPrefix); ok {
		if path == "" || len(path) > maxUnixPath || strings.ContainsRune(path, 0) {
			return Address{}, fmt.Errorf("%q does not fit; give a path of 1 to %d bytes, as unix:/run/x.sock", value, maxUnixPath)
		}
		return Address{Network: Unix, Path: path}, nil
	}
	colon := strings.LastIndexByte(value, ':')
	if colon < 0 {
		return Address{}, fmt.Errorf("%q has no port; give address and port, as %s", value, defaultListen)
	}
	host, number := value[:colon], value[colon+1:]
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		return Address{}, fmt.Errorf("%q could be read in two ways; write an IPv6 address in brackets, as [::1]:8080", value)
	}
	return join(host, number)
}

// join makes an address of a host and a port that were given apart.
func join(host, number string) (Address, error) {
	ip, err := parseHost(host)
	if err != nil {
		return Address{}, err
	}
	p, err := parsePort(number)
	if err != nil {
		return Address{}, err
	}
	return Address{Network: TCP, AddrPort: netip.AddrPortFrom(ip, p)}, nil
}

var errZone = errors.New("an address with a zone cannot be listened on; leave out the part from % on")

// parseHost takes an IP literal, brackets allowed, or localhost. An empty host is every address of
// the machine.
func parseHost(host string) (netip.Addr, error) {
	switch host {
	case "":
		return netip.IPv6Unspecified(), nil
	case "localhost":
		host = defaultHost
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(inner, "]")
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%q is not an address; give digits, as 127.0.0.1 or [::1], or localhost", host)
	}
	if ip.Zone() != "" {
		return netip.Addr{}, errZone
	}
	return ip.Unmap(), nil
}

// parsePort takes 0, for a free one, to 65535.
func parsePort(value string) (uint16, error) {
	n, err := strconv.ParseUint(value, 10, 16)
	if err != nil || !digits(value) {
		return 0, fmt.Errorf("%q is not a port; give a number from 0 to 65535", value)
	}
	return uint16(n), nil
}

// checkPort is the Set of -port, whose value resolve (parse.go) joins with the host.
func checkPort(value string) error {
	_, err := parsePort(value)
	return err
}
