// Package certs has the certificates that the server shows its TLS clients: it reads them, chooses
// among them, says what is wrong with them, and reads them again.
//
// A [Store] is made by Load, before anything is served, and serves all threads of a process. What
// it knows of the files is an immutable set behind an atomic pointer, which Reload replaces whole
// or leaves as it is: a handshake sees the pairs from before or those from after, and a broken pair
// changes nothing. Each tls.Config has the ticket keys of the one before, so sessions resume over
// reloads.
//
// The files are read by one process of a server. The others get its [Store.Material]: a worker that
// takes a dead one's place must serve by what the server goes by, whatever lies in the files by
// then.
//
// What must not be done: no handshake opens a file; no error of Load leaves half of the pairs in
// use; nothing here logs, or knows who is served.
package certs

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"fourways/shared/syntax"
)

// Protocol is the only one that is offered (RFC 7301 6). A client that offers others alone gets the
// alert no_application_protocol; one that offers none is served.
const Protocol = "http/1.1"

// nameInTicket marks the name among what others may add to a ticket.
const nameInTicket = "fourways name "

// warnBefore is how long before its end a certificate is warned of.
const warnBefore = 14 * 24 * time.Hour

// Options is what the pairs are, and how TLS is spoken.
type Options struct {
	Pairs      []Pair
	SelfSigned *SelfSigned // in their place; nil for none
	// Material is what another process of the server has read. With it the Store opens no file.
	Material []byte
	// Before is the Material of a Store whose place this one takes. A certificate of the server's
	// own making that cannot be kept in a file stays in use, and so does a pair that may not be
	// read any more; see [Store.Kept].
	Before     []byte
	MinVersion uint16        // tls.VersionTLS12 or tls.VersionTLS13
	Groups     []tls.CurveID // allowed; nil for the library's choice
	// Now is the time of day by which certificates and tickets are judged; nil for the machine's.
	Now func() time.Time
}

// Pair is the files of a certificate with its chain, and of its key.
type Pair struct{ Cert, Key string }

// SelfSigned is what a certificate of the server's own making is for.
type SelfSigned struct {
	Names []string // of hosts
	Addrs []netip.Addr
	// Folder is where it is kept, in the user's cache folder where that is empty.
	Folder string
}

// Certificate is what there is to tell of one.
type Certificate struct {
	Names       []string // that it is for
	Kind        string   // of its key: "ECDSA P-256"
	Since, Ends time.Time
	Fingerprint string // SHA-256, as openssl x509 -fingerprint writes it
	SelfSigned  bool   // of the server's own making
}

// Store is the certificates in use. It is safe for concurrent use.
type Store struct {
	opt    atomic.Pointer[Options]
	config atomic.Pointer[tls.Config]
	now    atomic.Pointer[set]
}

// Load reads the pairs. Its error is one line that says which file is to blame, and what to do.
func Load(opt Options) (*Store, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	s := &Store{}
	s.opt.Store(&opt)
	if _, err := s.Reload(); err != nil {
		return nil, err
	}
	s.config.Store(&tls.Config{
		GetCertificate:   func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return s.now.Load().choose(hello), nil },
		NextProtos:       []string{Protocol},
		Time:             opt.Now,
		MinVersion:       opt.MinVersion,
		CurvePreferences: slices.Clone(opt.Groups),
		// An answer is sealed and sent at once: small records at its start reach nobody earlier.
		DynamicRecordSizingDisabled: true,

		WrapSession:   s.wrap,
		UnwrapSession: s.unwrap,
	})
	return s, nil
}

// Change goes by other options from now on, and reports whether there is another certificate than
// before. Where it fails nothing has changed. It waits for the disk, and is called by one goroutine
// at a time, which none of Reload, Renew or SetSessionTicketKeys is at work beside.
func (s *Store) Change(opt Options) (changed bool, err error) {
	before := s.options()
	opt.Now = before.Now
	s.opt.Store(&opt)
	if changed, err = s.Reload(); err != nil {
		s.opt.Store(before)
		return false, err
	}
	next := s.config.Load().Clone()
	next.MinVersion, next.CurvePreferences = opt.MinVersion, slices.Clone(opt.Groups)
	s.config.Store(next)
	return changed, nil
}

func (s *Store) options() *Options { return s.opt.Load() }

// A session is resumed under the name that it was begun for, and no other (RFC 6066 3): the
// certificate that its client has seen was chosen for that one.

// wrap makes a ticket that has the name in it.
func (s *Store) wrap(c tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
	session.Extra = append(session.Extra, []byte(nameInTicket+strings.ToLower(c.ServerName)))
	return s.config.Load().EncryptTicket(c, session)
}

// unwrap opens a ticket; one of another name is as none.
func (s *Store) unwrap(ticket []byte, c tls.ConnectionState) (*tls.SessionState, error) {
	session, err := s.config.Load().DecryptTicket(ticket, c)
	if err != nil || session == nil {
		return nil, err
	}
	name := nameInTicket + strings.ToLower(c.ServerName)
	mine := func(extra []byte) bool { return string(extra) == name }
	if !slices.ContainsFunc(session.Extra, mine) {
		return nil, nil
	}
	return session, nil
}

// TLSConfig is how TLS is spoken, with the certificates that are in use at each handshake. It is
// the same one until Change, and nobody changes it, except that ticket keys may be set at any time.
func (s *Store) TLSConfig() *tls.Config { return s.config.Load() }

// Reload reads the files again, and reports whether there is another certificate than before. Where
// it fails those from before stay in use, except that a pair which this process may not read any
// more stays alone; see Kept. It waits for the disk.
func (s *Store) Reload() (changed bool, err error) {
	m, err := s.read()
	if err != nil {
		return false, err
	}
	return s.use(m)
}

// Due reports whether it is time to [Store.Renew] a certificate of the server's own making.
func (s *Store) Due(now time.Time) bool {
	return s.options().SelfSigned != nil && s.Ends().Sub(now) < renewBefore
}

// Renew uses a certificate of the server's own making that is good for long: the one that is kept,
// which another process may have made just now, or a new one. Processes that share one share it by
// its file. So one that has [Options.Material] keeps its own where there can be no file. Renew
// waits for the disk.
func (s *Store) Renew() error {
	opt := s.options()
	m, err := opt.SelfSigned.read(opt.Now(), s.before())
	switch {
	case err != nil:
		return err
	case opt.Material != nil && len(m.Warnings) > 0:
		return errors.New(m.Warnings[0])
	}
	_, err = s.use(m)
	return err
}

// use shows certificates from now on, and reports whether there is another than before.
func (s *Store) use(m material) (changed bool, err error) {
	next, err := newSet(m)
	if err != nil {
		return false, err
	}
	before := s.now.Swap(next)
	return before == nil || !slices.EqualFunc(before.pairs, next.pairs, (*pair).same), nil
}

// read is the files' contents.
func (s *Store) read() (m material, err error) {
	switch opt := s.options(); {
	case opt.Material != nil:
		if err = json.Unmarshal(opt.Material, &m); err != nil {
			err = fmt.Errorf("inherited certificates: %w", err)
		}
		return m, err
	case opt.SelfSigned != nil:
		return opt.SelfSigned.read(opt.Now(), s.before())
	default:
		return readPairs(opt.Pairs, s.before())
	}
}

// before is what was in use until now, nothing at the start.
func (s *Store) before() (m material) {
	if now := s.now.Load(); now != nil {
		return now.material
	}
	json.Unmarshal(s.options().Before, &m) // what cannot be read is of no use
	return m
}

// Misdirected reports whether a request for a host has come over a connection whose client has
// asked for another name, and so was shown a certificate that is not for that host, although there
// is one (RFC 9110 7.4). Where there is none, no other connection would be better.
func (s *Store) Misdirected(asked string, host []byte) bool {
	now := s.now.Load()
	return len(now.pairs) > 1 && !syntax.EqualFold(host, asked) && now.misdirected(asked, string(host))
}

// Material is all that another process needs to show the same certificates, keys included.
func (s *Store) Material() []byte {
	text, _ := json.Marshal(s.now.Load().material) // which has nothing that cannot be written
	return text
}

// Certificates is those in use, in the order in which they were given.
func (s *Store) Certificates() (list []Certificate) {
	for _, p := range s.now.Load().pairs {
		list = append(list, p.facts)
	}
	return list
}

// Ends is when the first of them does.
func (s *Store) Ends() time.Time {
	ends := slices.MinFunc(s.now.Load().pairs, func(a, b *pair) int { return a.facts.Ends.Compare(b.facts.Ends) })
	return ends.facts.Ends
}

// Warnings is what is legal about the files, and probably not meant.
func (s *Store) Warnings() []string { return s.now.Load().warnings }

// Kept says of each pair that could not be read again, because this process may not, why: the one
// from before is in use. A pair whose files are as they were is not among them.
func (s *Store) Kept() []string { return s.now.Load().material.Kept }

// WarningsOfTime is what is wrong with the dates at a moment, or soon will be.
func (s *Store) WarningsOfTime(now time.Time) (list []string) {
	for _, p := range s.now.Load().pairs {
		if text := p.warnOfTime(now); text != "" {
			list = append(list, text)
		}
	}
	return list
}
