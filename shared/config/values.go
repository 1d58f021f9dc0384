package config

// How the text of one value becomes the value. Each function here returns a Flag's Set; lists
// append, so a Set is called for the values of one source only. An error names the value and says
// what to give instead.

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

func ignore(string) error { return nil }

// Int sets a plain whole number from lo to hi.
func Int[T int | int64](dst *T, lo, hi T) func(string) error {
	return func(value string) error {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || !digits(value) || n < int64(lo) || n > int64(hi) {
			return fmt.Errorf("%q does not fit; give a whole number from %d to %d", value, lo, hi)
		}
		*dst = T(n)
		return nil
	}
}

// Switch sets a yes or no. A flag without a value arrives here as "true".
func Switch(dst *bool) func(string) error {
	return func(value string) error {
		on, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", value)
		}
		*dst = on
		return nil
	}
}

// choice sets whether the second of two words was said.
func choice(dst *bool, off, on string) func(string) error {
	return func(value string) error {
		if value != off && value != on {
			return fmt.Errorf("%q is not known; give %s or %s", value, off, on)
		}
		*dst = value == on
		return nil
	}
}

// word sets one of some words.
func word[T ~string](dst *T, words ...T) func(string) error {
	return func(value string) error {
		if !slices.Contains(words, T(value)) {
			return fmt.Errorf("%q is not known; give one of %q", value, words)
		}
		*dst = T(value)
		return nil
	}
}

func level(dst *slog.Level) func(string) error {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	return func(value string) error {
		l, ok := levels[value]
		if !ok {
			return fmt.Errorf("%q is not known; give debug, info, warn or error", value)
		}
		*dst = l
		return nil
	}
}

func text(dst *string) func(string) error {
	return func(value string) error {
		if strings.ContainsRune(value, 0) {
			return fmt.Errorf("%q holds a NUL; give a path without one", value)
		}
		*dst = value
		return nil
	}
}

var errNoPath = errors.New("there is no path; give that of a file")

// path is text for a file that must not be missing in silence: -auth "$FILE" of a variable that is
// not set would ask nobody for a password.
func path(dst *string) func(string) error {
	return func(value string) error {
		if value == "" {
			return errNoPath
		}
		return text(dst)(value)
	}
}

// account takes the name or the number of a user or a group.
func account(dst *string) func(string) error {
	return func(value string) error {
		if value == "" || !visible(value) || strings.ContainsAny(value, ":,/") {
			return fmt.Errorf("%q is no name of a user or group; give one, or a number", value)
		}
		*dst = value
		return nil
	}
}

// uploads takes the folder that uploads go to, or a word for none.
func uploads(dst *Uploads) func(string) error {
	return func(value string) error {
		if dst.Off = value == "off"; dst.Off {
			return nil
		}
		return text(&dst.Folder)(value)
	}
}

func logFile(dst *string) func(string) error {
	return func(value string) error {
		if value == "-" {
			value = ""
		}
		return text(dst)(value)
	}
}

func accessLog(dst *string) func(string) error {
	return func(value string) error {
		if value == "off" {
			value = ""
		}
		return text(dst)(value)
	}
}

// webTypes are the file types that `-types web` stands for: those of what a front-end's build
// leaves in its folder, and of what browsers show.
var webTypes = []string{
	"html", "htm", "css", "js", "mjs", "cjs", "json", "map", "wasm", "webmanifest", "xml", "rss", "atom", "txt", "md", "csv", "vtt", "pdf",
	"png", "apng", "jpg", "jpeg", "gif", "svg", "webp", "avif", "ico",
	"woff2", "woff", "ttf", "otf", "eot",
	"mp3", "m4a", "wav", "flac", "oga", "ogg", "opus", "mp4", "webm", "ogv",
}

// extensions takes file types with commas, as html,txt, and the word web for a list of them, which
// are shown as well.
func extensions(types, shown *[]string) func(string) error {
	return each(func(value string) error {
		switch value = strings.ToLower(value); {
		case value == "web":
			*types, *shown = append(*types, webTypes...), webTypes
		case value == "" || strings.ContainsFunc(value, func(r rune) bool { return !alphanumeric(r) }):
			return fmt.Errorf("%q is not a file type; give letters and digits, as html,txt, or web", value)
		default:
			*types = append(*types, value)
		}
		return nil
	})
}

// hosts takes Host names (RFC 9110 7.2). One without a port goes with the ports that we listen on;
// one with a port, with that alone: it is for a port that something before us maps to ours.
func hosts(dst *[]string) func(string) error {
	return each(func(value string) error {
		name := strings.ToLower(value)
		if name != "*" && !host(name) {
			return fmt.Errorf("%q is not a host name; give one without scheme, as example.org or example.org:443, or *", value)
		}
		*dst = append(*dst, name)
		return nil
	})
}

// host reports whether s is a name or an address, with a port or without.
func host(s string) bool {
	colon := strings.LastIndexByte(s, ':')
	if colon > strings.LastIndexByte(s, ']') {
		var port int
		if Int(&port, 1, 65535)(s[colon+1:]) != nil {
			return false
		}
		s = s[:colon]
	}
	return hostName(s) || bracketed(s)
}

func hostName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !alphanumeric(r) && r != '-' && r != '.' && r != '_' })
}

// bracketed reports whether s is an IPv6 literal as a URI writes it (RFC 3986 3.2.2).
func bracketed(s string) bool {
	inner, opened := strings.CutPrefix(s, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	a, err := netip.ParseAddr(inner)
	return opened && closed && err == nil && a.Is6() && a.Zone() == ""
}

// prefixes takes networks, or single addresses, with commas.
func prefixes(dst *[]netip.Prefix) func(string) error {
	return each(func(value string) error {
		p, err := prefix(value)
		if err != nil {
			return fmt.Errorf("%q is not a network; give one as 10.0.0.0/8, 2001:db8::/32 or 127.0.0.1", value)
		}
		*dst = append(*dst, p)
		return nil
	})
}

// prefixesOrNone is prefixes, with a word that empties a list whose default is not empty.
func prefixesOrNone(dst *[]netip.Prefix) func(string) error {
	return func(value string) error {
		if value == "none" {
			return nil
		}
		return prefixes(dst)(value)
	}
}

// proxies is prefixes, with a word for the peers of Unix sockets.
func proxies(dst *[]netip.Prefix, unix *bool) func(string) error {
	return each(func(value string) error {
		if value == Unix {
			*unix = true
			return nil
		}
		return prefixes(dst)(value)
	})
}

var errNoPrefix = errors.New("not a network")

// prefix parses a network. One inside ::ffff:0:0/96 is written as the IPv4 network that it means
// (RFC 4291 2.5.5.2), because that is how addresses are compared with it.
func prefix(value string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(value)
	if err != nil {
		a, err := netip.ParseAddr(value)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, errNoPrefix
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if mapped := 128 - 32; p.Addr().Is4In6() && p.Bits() >= mapped {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	return p.Masked(), nil
}

// usualPort is the port that a scheme has where an origin names none.
var usualPort = map[string]string{"http": "80", "https": "443"}

// origins takes serialized origins (RFC 6454 6.2) with commas, or "*" alone. They are compared byte
// by byte with what browsers send: in another spelling one would never be like theirs.
func origins(dst *[]string) func(string) error {
	return each(func(value string) error {
		u, err := url.Parse(value)
		if value != "*" && (err != nil || u.Host == "" || u.Scheme+"://"+u.Host != value || !visible(value)) {
			return fmt.Errorf("%q is not an origin; give scheme and host without a path, as https://example.org, or *", value)
		}
		if value != "*" && (strings.ToLower(value) != value || u.Port() != "" && u.Port() == usualPort[u.Scheme]) {
			return fmt.Errorf("%q is not as browsers write it; give it in lower case, and without the port that the scheme has anyway", value)
		}
		if slices.Contains(*dst, value) || len(*dst) > 0 && (value == "*" || (*dst)[0] == "*") {
			return fmt.Errorf("%q is one of several, and another says the same already; give each once, or * alone", value)
		}
		*dst = append(*dst, value)
		return nil
	})
}

func errorPage(c *Config) func(string) error {
	return func(value string) error {
		code, path, _ := strings.Cut(value, "=")
		var status int
		if Int(&status, 400, 599)(code) != nil || !strings.HasPrefix(path, "/") || !visible(path) {
			return fmt.Errorf("%q does not fit; give a status from 400 to 599 and a path of the site, as 404=/404.html", value)
		}
		if c.ErrorPages == nil {
			c.ErrorPages = make(map[int]string)
		}
		c.ErrorPages[status] = path
		return nil
	}
}

// each splits at commas, so that a list fits in one value of the environment too.
func each(set func(string) error) func(string) error {
	return func(value string) error {
		for part := range strings.SplitSeq(value, ",") {
			if err := set(strings.TrimSpace(part)); err != nil {
				return err
			}
		}
		return nil
	}
}

func digits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

func alphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// visible reports whether s is all VCHAR (RFC 5234 B.1): no blank, no control character, ASCII.
func visible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
