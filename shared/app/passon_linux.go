package app

// What a process passes on to one that it starts: the memory that all share, the sockets, and what
// it has read of files. The child serves by that, whatever the files say by then.
//
// The parent puts it behind the child's other descriptors, under numbers that do not depend on what
// there is, and says in the child's role what there is: see [children.Command]. The child of an
// earlier version of the program, in a hand-over, has the same numbers and names. What must not be
// done: none of them may get another meaning.

import (
	"fmt"
	"os"
	"slices"

	"fourways/shared/children"
	"fourways/shared/config"
	"fourways/shared/shm"
	"fourways/shared/site"
	"fourways/shared/sysnet"
)

// Descriptors of a child behind the regions of the memory, counted from the first of these.
const (
	passedText      = MemoryFiles + iota // the text of the configuration file
	passedSecrets                        // see App.Secrets
	passedListeners                      // the first listening socket
)

// Passed is what a child is told about what it was given. It is a part of the child's role.
type Passed struct {
	Configured bool          // there is a text
	Secured    bool          // there are secrets, for a new master those that the old one goes by
	Activated  bool          // the sockets are systemd's
	Site       site.Unpacked // the built-in site, if it has been unpacked
	Listeners  []Listener    // in the order of their descriptors
	Files      []string      // flags of what settings name, whose descriptors are behind the listeners

	Known map[string][]sysnet.Addr // where the names of relays' targets led last
}

// Flags of what a worker is passed as its master has it: the folder that is served, and the texts
// of files.
const (
	rootFlag      = "root"
	authFlag      = "auth"
	redirectsFlag = "redirects"
)

// PassOn gives a worker, the i-th from 0, what it needs to serve by the same settings, from the
// child's descriptor first on; and its arguments, behind the name that it is to have.
func (a *App) PassOn(c *children.Command, first, i int, name string) (p Passed, err error) {
	a.started++
	var own []Listener
	for _, l := range a.Listeners {
		if l.Set == Everybody || l.Set == i {
			l.Set = Everybody // to this worker it is its address's only one
			own = append(own, l)
		}
	}
	c.Argv = append([]string{name}, os.Args[1:]...)
	if text := a.Config.FileText; text != nil {
		p.Configured = true
		if err = c.PassText(first+passedText, "config", text); err != nil {
			return p, err
		}
		last := len(c.Argv) // where a last flag may stand
		if end := slices.Index(c.Argv, "--"); end > 0 {
			last = end
		}
		c.Argv = slices.Insert(c.Argv, last, "-config", fmt.Sprintf("/proc/self/fd/%d", first+passedText))
	}
	if err = a.pass(c, first, own, &p); err != nil {
		return p, err
	}
	err = a.passFiles(c, first+passedListeners+len(own), &p)
	return p, err
}

// passFiles gives a worker the root, and the texts of files, as they were opened and read with the
// settings: they may have gone since, or be others, and one that follows another is to serve the
// same.
func (a *App) passFiles(c *children.Command, first int, p *Passed) error {
	c.Pass(first, a.folder.FD())
	p.Files = []string{rootFlag}
	texts := map[string][]byte{}
	if a.gate != nil {
		texts[authFlag] = a.gate.Text()
	}
	if text, ok := a.site.Load().RedirectsText(); ok {
		texts[redirectsFlag] = text
	}
	for flag, text := range texts {
		if err := c.PassText(first+len(p.Files), flag, text); err != nil {
			return err
		}
		p.Files = append(p.Files, flag)
	}
	return nil
}

// ReadTexts has settings name the texts that this process was passed in place of the files.
func (p *Passed) ReadTexts(cfg *config.Config, first int) {
	if path := p.file(authFlag, first); path != "" {
		cfg.Auth = path
	}
	if path := p.file(redirectsFlag, first); path != "" {
		cfg.Redirects = path
	}
}

// file is the name of what was passed for a flag; empty for nothing.
func (p *Passed) file(flag string, first int) string {
	i := slices.Index(p.Files, flag)
	if i < 0 {
		return ""
	}
	return fmt.Sprintf("/proc/self/fd/%d", first+passedListeners+len(p.Listeners)+i)
}

// HandOver gives a new master what it needs to take this process's place. It reads the files
// itself. It gets what this one has of certificates and keys for those that it may not read: this
// one has been root perhaps.
func (a *App) HandOver(c *children.Command, first int) (p Passed, err error) {
	p.Activated = a.stage.Activated
	err = a.pass(c, first, a.Listeners, &p)
	return p, err
}

// pass gives a child, under numbers from first on, what a worker and a new master both need.
func (a *App) pass(c *children.Command, first int, listeners []Listener, p *Passed) error {
	p.Site, p.Listeners, p.Known = a.Unpacked(), listeners, a.known()
	for i, fd := range a.stage.Memory.Files() {
		c.Pass(first+i, fd)
	}
	for i, l := range listeners {
		c.Pass(first+passedListeners+i, l.FD)
	}
	secrets := a.Secrets()
	if p.Secured = secrets != nil; !p.Secured {
		return nil
	}
	return c.PassText(first+passedSecrets, "secrets", secrets)
}

// Receive finds what this process was passed from the descriptor first on, and keeps it from those
// whom it starts itself.
func (p *Passed) Receive(first int) {
	for i := range p.Listeners {
		p.Listeners[i].FD = first + passedListeners + i
	}
	children.Keep(first + passedListeners + len(p.Listeners) + len(p.Files) - 1)
}

// TakeOver has a stage begin with what its process was passed, from the descriptor first on.
func (p *Passed) TakeOver(s *Stage, first int) (err error) {
	s.Listeners, s.Known, s.Site, s.Activated, s.Root = p.Listeners, p.Known, p.Site, p.Activated, p.file(rootFlag, first)
	if err = s.Memory.Inherit(first); err != nil || !p.Secured {
		return err
	}
	secrets := &s.Earlier // of a master, which reads the files itself
	if s.Process > 0 {
		secrets = &s.Secrets
	}
	*secrets, err = shm.Kept(first + passedSecrets)
	return err
}
