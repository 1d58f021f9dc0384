package site

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"
)

// What a crash leaves of an upload that was under way: a file with a temporary name, that
// nobody will ever finish. They are removed when a server starts.
//
// Another server may be at work in the same folder, so a file that is still written to
// must stay. Nothing but its age tells: each part that is written makes it young again.
// While more than spillAt bytes come at least once in staleAge, which one byte a second
// does, an upload under way is never taken for one that was left. (A lock that its writer
// holds would be exact, but not on every file system that a folder may be on.)

const (
	staleAge    = 24 * time.Hour
	namesAtOnce = 256 // names read from the folder at a time
	tempDigits  = 16  // behind tempPrefix
)

// RemoveStale removes what is left of uploads that ended with their server, and says how
// many there were. It waits for the disk, so it is for the time before anything is served.
// What cannot be removed stays, and the error says why; the site works all the same.
func (s *Site) RemoveStale(now time.Time) (removed int, err error) {
	dir, err := s.cfg.Root.Folder().Open(uploadFolder)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(namesAtOnce)
		for _, entry := range entries {
			if s.stale(entry, now) {
				if err := s.cfg.Root.Folder().Remove(uploadFolder + "/" + entry.Name()); err != nil {
					return removed, err
				}
				removed++
			}
		}
		if err == io.EOF {
			return removed, nil
		}
		if err != nil {
			return removed, err
		}
	}
}

// stale reports whether an entry of the folder is such a file: by its name one that spill
// makes, a regular file, and old. A file that another server removes meanwhile is not.
func (s *Site) stale(entry fs.DirEntry, now time.Time) bool {
	digits, ours := strings.CutPrefix(uploadFolder+"/"+entry.Name(), tempPrefix)
	if !ours || len(digits) != tempDigits || strings.Trim(digits, "0123456789abcdef") != "" || !entry.Type().IsRegular() {
		return false
	}
	info, err := entry.Info() // lstat(2)
	return err == nil && now.Sub(info.ModTime()) > staleAge
}
