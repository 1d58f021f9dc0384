package sysnet

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// OthersMayWrite says why somebody else could change what lies in a folder, or put another in
// its place: it, or one above it, belongs to another user or lets others write (as sshd asks of
// a home, sshd_config(5), StrictModes). A sticky folder such as /tmp lets nobody rename what is
// not theirs. Root, who may do anything anyway, is nobody else. nil is that nobody could.
func OthersMayWrite(dir string) error {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	for above := false; ; above = true {
		info, err := os.Lstat(dir)
		if err != nil {
			return err
		}
		owner := info.Sys().(*syscall.Stat_t).Uid
		open := info.Mode().Perm()&0o022 != 0
		switch {
		case owner != 0 && owner != uint32(os.Geteuid()):
			return fmt.Errorf("%s belongs to another user", dir)
		case open && (!above || info.Mode()&os.ModeSticky == 0):
			return fmt.Errorf("others may write to %s", dir)
		}
		if filepath.Dir(dir) == dir {
			return nil
		}
		dir = filepath.Dir(dir)
	}
}
