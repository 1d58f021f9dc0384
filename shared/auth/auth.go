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
	hashLength  = 60       // bytes of bcrypt's

	longestPassword = 72 // bytes that bcrypt looks at
)

// Gate lets requests pass to Next.
type Gate struct {
	Next session.Handler
	// Open reports whether a request needs no password. Nil for none.
	Open func(x *session.Exchange) bool
	// Burst is how many requests a client may send at once: a password that has to be checked costs
	// no more than half of them, or nobody could ever come in. 0 for many.
	Burst int

	path  string
	users atomic.Pointer[users]

	mu     sync.Mutex
	inside map[checked]*inquiry // those under way
}

// checked is a field, by its hash, and the file that it is checked by.
type checked struct {
	users *users
	sum   [sha256.Size]byte
}

// inquiry is the check of one field, however many requests have it: a browser opens six
// connections, and to check the same for each would keep others out.
type inquiry struct {
	once    sync.Once
	right   bool // once that is done
	waiters int  // requests, under the gate's lock
}

// users is what a file says, and what was right since it was read.
type users struct {
	text    []byte // the file
	hashes  map[string][]byte
	nobody  []byte // a hash that is checked where there is no such user
	costly  int    // the cost of the costliest hash
	key     [32]byte
	mu      sync.RWMutex
	correct map[[sha256.Size]byte]struct{} // of fields
}

// New makes a gate that goes by the file.
func New(path string) (*Gate, error) {
	g := &Gate{path: path, inside: map[checked]*inquiry{}}
	return g, g.Reload()
}

// Reload reads the file again. Where it cannot be used the old one stays in use, and where it is
// the same, so does what was right.
func (g *Gate) Reload() error {
	text, _, err := sysnet.ReadSmall(g.path, maxFile)
	if err != nil {
		return fmt.Errorf("-auth: %w", err)
	}
	if old := g.users.Load(); old != nil && bytes.Equal(text, old.text) {
		return nil
	}
	u, err := parse(text)
	if err != nil {
		return fmt.Errorf("-auth %q%w", g.path, err)
	}
	g.users.Store(u)
	return nil
}

// Text is what was in the file when it was read last.
func (g *Gate) Text() []byte { return g.users.Load().text }

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
	u := &users{text: text, hashes: map[string][]byte{}, correct: map[[sha256.Size]byte]struct{}{}}
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
	case err != nil || !isHash(hash):
		return errHash
	case cost > maxCost:
		return errCost
	case u.hashes[name] != nil:
		return errTwice
	}
	u.hashes[name] = []byte(hash)
	if cost > u.costly {
		u.nobody, u.costly = []byte(hash), cost
	}
	return nil
}

// isHash reports whether a text has the form of bcrypt's hash from its prefix to its end: one that
// is cut, or has something behind it, is never right.
func isHash(text string) bool {
	return len(text) == hashLength && !strings.ContainsFunc(text[len("$2y$10$"):], func(r rune) bool {
		return (r < '.' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') // bcrypt's base64
	})
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
	which := checked{u, u.sum(field)}
	i, f := g.join(x, which)
	if !f.OK() {
		x.Fail(f)
		return
	}
	x.Park(offload.Compress, func() {
		defer g.leave(which)
		i.once.Do(func() { i.right = u.check(field) })
	}, func() {
		switch {
		case !i.right:
			x.Fail(fault.Of(fault.WrongPassword))
		case !x.Left():
			g.Next.Serve(x)
		}
	})
}

// join is the check of a field that is under way, or a new one, if there may be one more. Only that
// costs the client something. Whichever request's turn comes first does the work.
func (g *Gate) join(x *session.Exchange, which checked) (*inquiry, fault.Fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := g.inside[which]
	if i == nil {
		if f := x.Charge(g.cost()); !f.OK() {
			return nil, f
		}
		if len(g.inside) >= atOnce {
			return nil, fault.Fault{Status: 503, Reason: fault.Internal}
		}
		i = &inquiry{}
		g.inside[which] = i
	}
	i.waiters++
	return i, fault.Fault{}
}

// leave ends a request's part in a check.
func (g *Gate) leave(which checked) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := g.inside[which]
	if i.waiters--; i.waiters == 0 {
		delete(g.inside, which)
	}
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
	return x.Secured() || known && !x.Proxied() && x.IsHere(who)
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
	if bytes.IndexByte(password, 0) >= 0 { // to bcrypt "a\x00a" is "a"; see also RFC 7617 2
		ok = false
	}
	if bcrypt.CompareHashAndPassword(hash, password) != nil || !ok || err != nil {
		u.goOn(hash, password)
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

var generate = bcrypt.GenerateFromPassword // for tests to change

// goOn takes, after a hash that is less costly than the costliest, as long as that takes in all:
// each further step of cost takes twice as long as the one before. Otherwise the time would tell
// whether there is a user.
func (u *users) goOn(hash, password []byte) {
	cost, err := bcrypt.Cost(hash)
	for ; err == nil && cost < u.costly; cost++ {
		_, err = generate(password[:min(len(password), longestPassword)], cost)
	}
}
