package tickets

// Keys from a file, which several servers share. It is text, one key a line, in hexadecimal digits
// or base64 (RFC 4648 4), of 32 bytes, or of 48 as nginx and HAProxy have them; blank lines and
// such that begin with # are skipped. Or it is the bytes of one key, as `openssl rand 48` writes
// them. The first key encrypts, all decrypt.

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

const (
	longKey = 48 // bytes; others than 32 are made as short by a hash
	maxKeys = 32
)

// MaxFile is how large a file with keys may be, in bytes.
const MaxFile = 64 << 10

var (
	errNoKey   = errors.New("holds no key: make one with openssl rand -hex 32")
	errManyKey = fmt.Errorf("holds more than %d keys", maxKeys)
)

// Parse reads the keys of a file. An error never quotes it.
func Parse(text []byte) (keys []Key, err error) {
	keys, err = parseLines(text)
	if err != nil && (len(text) == len(Key{}) || len(text) == longKey) {
		return []Key{shorten(text)}, nil
	}
	return keys, err
}

func parseLines(text []byte) (keys []Key, err error) {
	for i, line := range bytes.Split(text, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, ok := parseLine(line)
		switch {
		case !ok:
			return nil, fmt.Errorf("has no key in line %d: give 64 or 96 hexadecimal digits, or the base64 of 32 or 48 bytes", i+1)
		case slices.Contains(keys, key):
			return nil, fmt.Errorf("has the key of line %d twice", i+1)
		case len(keys) == maxKeys:
			return nil, errManyKey
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errNoKey
	}
	return keys, nil
}

// parseLine reads one key. Hexadecimal digits come first: 64 of them are base64 of 48 bytes, too,
// but no key in base64 is all digits from 0 to f.
func parseLine(line []byte) (Key, bool) {
	raw, err := hex.DecodeString(string(line))
	if err != nil {
		raw, err = base64.StdEncoding.Strict().DecodeString(string(line))
	}
	if err != nil || len(raw) != len(Key{}) && len(raw) != longKey {
		return Key{}, false
	}
	return shorten(raw), true
}

// shorten makes a key of as many bytes as crypto/tls wants.
func shorten(raw []byte) Key {
	if len(raw) == len(Key{}) {
		return Key(raw)
	}
	return sha256.Sum256(raw)
}
