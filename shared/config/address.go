package config

// Where to listen, as text and as a value. Only literals are taken: to ask a resolver at the start
// would let the server listen somewhere else tomorrow.

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
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
	Mode     uint32         // permissions of the Unix socket's file; 0 leaves them to umask(2)
	Group    string         // of that file, a name or number; empty leaves it as it is
}

// same reports whether two addresses are the same place, whoever may connect there.
func (a Address) same(b Address) bool {
	return a.Network == b.Network && a.AddrPort == b.AddrPort && a.Path == b.Path
}

// among reports whether an address is the same place as one of several.
func (a Address) among(list []Address) bool { return slices.ContainsFunc(list, a.same) }

// String writes the address as -listen takes it, without who may connect.
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
		a := Address{Network: Unix}
		if err := a.setAccess(&path); err != nil {
			return Address{}, err
		}
		if path == "" || len(path) > maxUnixPath || strings.ContainsRune(path, 0) {
			return Address{}, fmt.Errorf("%q does not fit; give a path of 1 to %d bytes, as unix:/run/x.sock", value, maxUnixPath)
		}
		if path[0] == '@' && (a.Mode != 0 || a.Group != "") {
			return Address{}, fmt.Errorf("%q is no file (unix(7), abstract): everybody on this machine may connect; give a path for permissions", path)
		}
		a.Path = path
		return a, nil
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

// Words after a Unix socket's path.
const (
	modeWord  = ",mode="
	groupWord = ",group="
	openMode  = 0o777 // more than permissions a mode must not be
)

// setAccess cuts ,mode=0660 and ,group=NAME off a path, in any order and each at most once. Other
// commas belong to the path.
func (a *Address) setAccess(path *string) error {
	for {
		at := max(strings.LastIndex(*path, modeWord), strings.LastIndex(*path, groupWord))
		if at < 0 {
			return nil
		}
		option := (*path)[at:]
		*path = (*path)[:at]
		if value, ok := strings.CutPrefix(option, modeWord); ok {
			mode, err := strconv.ParseUint(value, 8, 32)
			if err != nil || !digits(value) || mode == 0 || mode > openMode || a.Mode != 0 {
				return fmt.Errorf("%q does not fit; give permissions once, in octal, as mode=0660", option[1:])
			}
			a.Mode = uint32(mode)
			continue
		}
		value := strings.TrimPrefix(option, groupWord)
		if value == "" || !visible(value) || a.Group != "" {
			return fmt.Errorf("%q does not fit; give a group once, by name or number, as group=www-data", option[1:])
		}
		a.Group = value
	}
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
