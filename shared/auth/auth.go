// Package auth lets in who knows a password: Basic authentication (RFC 7617), with the hashes of a
// file.
//
// A [Gate] stands in front of another session.Handler, and passes on what may pass. It is shared by
// all threads. Hashes are bcrypt's, slow on purpose: a password is checked in parked work, a few at
// once, and what was right is remembered, by a keyed hash of the whole field, so the next request
// with it costs no more than that.
//
// What must not be done: a password must not be asked for where it could be overheard, so a
// connection must be by TLS, of this machine, or come through a trusted proxy that says that it was
// asked by https. Whether it was the name or the password that was wrong must not show, in no
// answer and in no time. And each password that has to be checked costs its client as much as many
// requests, whatever comes of it: or guessing would have no limit.
package auth

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"

	"fourways/shared/fault"
	"fourways/shared/http1"
	"fourways/shared/offload"
	"fourways/shared/session"
	"fourways/shared/syntax"
	"fourways/shared/sysnet"
)

const (
	maxFile     = 1 << 20  // bytes
	maxField    = 512      // bytes of an Authorization field that is looked at
	maxCost     = 14       // of bcrypt, in powers of two: more than a second
	remembered  = 4096     // fields that were right; when there are more, all are forgotten
	atOnce      = 4        // passwords that are checked, or wait for it
	guessCost   = 40       // requests that a password which has to be checked counts as, at most
	basicScheme = "basic " // in lower case
)

// Gate lets requests pass to Next.
type Gate struct {
	Next session.Handler
	// Open reports whether a request needs no password. Nil for none.
	Open func(x *session.Exchange) bool
	// Burst is how many requests a client may send at once: a password that has to be checked costs
	// no more than half of them, or nobody could ever come in. 0 for many.
	Burst int

	path   string
	users  atomic.Pointer[users]
	inside atomic.Int32 // passwords that are checked, or wait for it
}

// users is what a file says, and what was right since it was read.
type users struct {
	hashes  map[string][]byte
	nobody  []byte // a hash that is checked where there is no such user
	key     [32]byte
	mu      sync.RWMutex
	correct map[[sha256.Size]byte]struct{} // of fields
}

// New makes a gate that goes by the file.
func New(path string) (*Gate, error) {
	g := &Gate{path: path}
	return g, g.Reload()
}

// Reload reads the file again. Where it cannot be used the old one stays in use.
func (g *Gate) Reload() error {
	text, _, err := sysnet.ReadSmall(g.path, maxFile)
	if err != nil {
		return fmt.Errorf("-auth: %w", err)
	}
	u, err := parse(text)
	if err != nil {
		return fmt.Errorf("-auth %q%w", g.path, err)
	}
	g.users.Store(u)
	return nil
}

var (
	errLine   = errors.New("give NAME:HASH")
	errHash   = errors.New("the hash is none of bcrypt; make one with htpasswd -B")
	errCost   = fmt.Errorf("the hash takes too long to check; give one with a cost of at most %d", maxCost)
	errTwice  = errors.New("the name stands there twice")
	errNoUser = errors.New(": there is nobody in it")
)

// parse reads lines of NAME:HASH, as htpasswd -B writes them. Its errors begin with the line's
// number.
func parse(text []byte) (*users, error) {
	u := &users{hashes: map[string][]byte{}, correct: map[[sha256.Size]byte]struct{}{}}
	rand.Read(u.key[:]) // never fails (crypto/rand)
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if err := u.add(string(line)); err != nil {
			return nil, fmt.Errorf(":%d: %w", number, err)
		}
	}
	if len(u.hashes) == 0 {
		return nil, errNoUser
	}
	return u, nil
}

func (u *users) add(line string) error {
	name, hash, ok := strings.Cut(line, ":")
	if !ok || name == "" {
		return errLine
	}
	cost, err := bcrypt.Cost([]byte(hash))
	switch {
	case err != nil:
		return errHash
	case cost > maxCost:
		return errCost
	case u.hashes[name] != nil:
		return errTwice
	}
	u.hashes[name] = []byte(hash)
	if u.nobody == nil {
		u.nobody = []byte(hash)
	}
	return nil
}

// Refuse answers a request that was turned away.
func (g *Gate) Refuse(x *session.Exchange, f fault.Fault) { g.Next.Refuse(x, f) }

// Serve passes a request on, or refuses it.
func (g *Gate) Serve(x *session.Exchange) {
	field := x.Request().Get(http1.Authorization)
	switch u := g.users.Load(); {
	case g.Open != nil && g.Open(x):
		g.Next.Serve(x)
	case !private(x):
		x.Fail(fault.Of(fault.PasswordInTheOpen))
	case !isBasic(field) || x.Request().Repeats(http1.Authorization):
		x.Fail(fault.Of(fault.NoPassword))
	case u.knows(field):
		g.Next.Serve(x)
	default:
		g.check(x, u, field)
	}
}

// check passes a request on if its password turns out to be right.
func (g *Gate) check(x *session.Exchange, u *users, field []byte) {
	if f := x.Charge(g.cost()); !f.OK() {
		x.Fail(f)
		return
	}
	if g.inside.Add(1) > atOnce {
		g.inside.Add(-1)
		x.Fail(fault.Fault{Status: 503, Reason: fault.Internal})
		return
	}
	right := false
	x.Park(offload.Compress, func() {
		defer g.inside.Add(-1)
		right = u.check(field)
	}, func() {
		if !right {
			x.Fail(fault.Of(fault.WrongPassword))
			return
		}
		g.Next.Serve(x)
	})
}

// cost is how many requests a password which has to be checked counts as.
func (g *Gate) cost() int {
	if g.Burst == 0 {
		return guessCost
	}
	return max(min(guessCost, g.Burst/2), 1)
}

// private reports whether nobody on the way can read what the client sends.
func private(x *session.Exchange) bool {
	who, known := x.Asker()
	return x.Security().Version != 0 || x.CameByHTTPS() || known && !x.Proxied() && (!who.IsValid() || who.IsLoopback())
}

// isBasic reports whether a field is of the scheme, and short enough.
func isBasic(field []byte) bool {
	return len(field) > len(basicScheme) && len(field) <= maxField && syntax.EqualFold(field[:len(basicScheme)], basicScheme)
}

// sum is the keyed hash of a field. The key is fresh, so nobody can make up a field that has the
// hash of another, and comparing hashes tells nothing about the password.
func (u *users) sum(field []byte) [sha256.Size]byte {
	var scratch [sha256.Size + maxField]byte
	return sha256.Sum256(append(append(scratch[:0], u.key[:]...), field...))
}

// knows reports whether a field was right before. It does not allocate.
func (u *users) knows(field []byte) bool {
	sum := u.sum(field)
	u.mu.RLock()
	defer u.mu.RUnlock()
	_, ok := u.correct[sum]
	return ok
}

// check checks a field's password, which takes long, and remembers a right one.
func (u *users) check(field []byte) bool {
	text, err := base64.StdEncoding.DecodeString(string(bytes.TrimLeft(field[len(basicScheme):], " ")))
	name, password, ok := bytes.Cut(text, []byte(":"))
	hash := u.hashes[string(name)]
	if hash == nil {
		hash, ok = u.nobody, false
	}
	if bcrypt.CompareHashAndPassword(hash, password) != nil || !ok || err != nil {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.correct) >= remembered {
		clear(u.correct)
	}
	u.correct[u.sum(field)] = struct{}{}
	return true
}
