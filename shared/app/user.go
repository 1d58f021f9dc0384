package app

// Another user than root, once what only root may open is open (-user), and the group of a Unix
// socket.
//
// A server that listens on port 80, or reads a key that is root's, is started as root. It stays
// root for as long as it takes to open its logs, its certificates and its sockets, and opens what
// it serves as the user: so a folder that the user cannot read is noticed at the start. All threads
// change together (Go's package syscall sees to that, credentials(7)), and nothing leads back. What
// a reload opens it opens as the user, too.
//
// What must not be done: becomeUser must not be called while a loop runs. Its thread may be in a
// system call that Go's runtime does not know of, and would be waited for.

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"fourways/shared/sysnet"
)

// account is a user with his groups.
type account struct {
	uid, gid int
	groups   []int
}

var errStillRoot = errors.New("root could be had again")

// becomeUser makes the process that of the user that the settings name. A process that is already
// his, as a worker's, stays as it is.
func (a *App) becomeUser() error {
	name := a.Config.User
	if name == "" {
		return nil
	}
	who, err := accountOf(name, a.Config.Group)
	switch {
	case err != nil:
		return err
	case os.Geteuid() == who.uid && os.Getegid() == who.gid:
		return nil
	case os.Geteuid() != 0:
		return fmt.Errorf("cannot become the user %q: only root can; start as root, or leave -user out", name)
	}
	if err := a.giveLogs(who); err != nil {
		return fmt.Errorf("cannot give the log files to the user %q: %w; leave -user out", name, err)
	}
	if err := who.become(); err != nil {
		return fmt.Errorf("cannot become the user %q: %w; leave -user out", name, err)
	}
	return nil
}

// giveLogs makes the logs his that were made just now: he opens them again after a signal, and so
// does each worker process.
func (a *App) giveLogs(who account) error {
	err := a.logFile.GiveTo(who.uid, who.gid)
	if access := a.access.Load(); access != nil {
		err = errors.Join(err, access.GiveTo(who.uid, who.gid))
	}
	return err
}

// become changes the groups first: afterwards it would not be allowed to.
func (who account) become() error {
	if err := syscall.Setgroups(who.groups); err != nil {
		return fmt.Errorf("setgroups: %w", err)
	}
	if err := syscall.Setgid(who.gid); err != nil {
		return fmt.Errorf("setgid: %w", err)
	}
	if err := syscall.Setuid(who.uid); err != nil {
		return fmt.Errorf("setuid: %w", err)
	}
	if who.uid != 0 && syscall.Setuid(0) == nil {
		return errStillRoot
	}
	return nil
}

// accountOf finds a user by name or number, with his groups, or with another main group. A number
// that no user has needs a group.
func accountOf(name, group string) (who account, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		u, err = user.LookupId(name)
	}
	switch {
	case err == nil:
		who.uid, _ = strconv.Atoi(u.Uid)
		who.gid, _ = strconv.Atoi(u.Gid)
		ids, _ := u.GroupIds() // his main one is among them
		for _, text := range ids {
			if id, err := strconv.Atoi(text); err == nil && id != who.gid {
				who.groups = append(who.groups, id)
			}
		}
	case isNumber(name) && group != "":
		who.uid, _ = strconv.Atoi(name)
	case isNumber(name):
		return who, fmt.Errorf("-user: no user has the number %s, so his group is not known; give it with -group", name)
	default:
		return who, fmt.Errorf("-user: there is no user %q; give another", name)
	}
	if group != "" {
		if who.gid, err = groupOf(group); err != nil {
			return who, fmt.Errorf("-group: %w", err)
		}
	}
	who.groups = append(who.groups, who.gid)
	return who, nil
}

// groupOf finds a group by name or number; a number needs no entry.
func groupOf(name string) (int, error) {
	if isNumber(name) {
		return strconv.Atoi(name)
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("there is no group %q; give another", name)
	}
	return strconv.Atoi(g.Gid)
}

// isNumber reports whether a name is that of an id.
func isNumber(name string) bool {
	_, err := strconv.ParseUint(name, 10, 31)
	return err == nil
}

// access is who may connect to a listener that is a Unix socket, as its address says; nil where it
// does not.
func (l *Listener) access() (*sysnet.Access, error) {
	if l.mode == 0 && l.group == "" {
		return nil, nil
	}
	access := &sysnet.Access{Mode: l.mode, Group: -1}
	if l.group != "" {
		var err error
		if access.Group, err = groupOf(l.group); err != nil {
			return nil, err
		}
	}
	return access, nil
}

// permit has a Unix socket's file say what the listener's address does, where it is still the
// listener's own.
func (l *Listener) permit() error {
	access, err := l.access()
	if access == nil || err != nil || sysnet.NameOf(l.Addr.Path) != l.Name {
		return err
	}
	return access.Renew(l.Addr.Path)
}
