package site

import (
	"strings"
	"time"

	"fourways/shared/sysnet"
)

// Files that a crash leaves of an upload under way, where files need a name from the beginning: one
// with a temporary name, which will never be finished; or an empty one that has its final name
// already. They are removed when the folder is counted: when a server starts, and now and then
// while uploads come.
//
// Another server may be at work in the same folder, so a file that is still written to must stay.
// Only its age shows that: each part that is written makes it young again. An upload under way is
// never taken for stale as long as spillAt bytes come at least once in staleAge, for which one byte
// a second is enough. (A lock that its writer holds would be exact, but not on every file system
// that a folder may be on.)

const (
	staleAge   = 24 * time.Hour
	tempDigits = 16 // after tempPrefix
)

// RemoveStale removes what is left of uploads that ended with their server, and says how many there
// were. It waits for the disk, so it is for the time before anything is served. What cannot be
// removed stays, and the error says why; the site works all the same. The count of what lies there
// is made again.
func (s *Site) RemoveStale(now time.Time) (removed int, err error) {
	st := s.store
	if st.quota == nil {
		return 0, nil
	}
	q := &quota{shared: st.quota.shared, rows: st.quota.rows, own: st.quota.own, alive: st.quota.alive}
	var kept error
	q.count = func(time.Time) (bytes, files int64, err error) {
		removed, bytes, files, kept, err = st.survey(now)
		return bytes, files, err
	}
	st.quota.shared.counted.Store(now.Unix())
	if err = q.recount(now); err == nil {
		err = kept
	}
	return removed, err
}

// survey looks at the folder: it removes what is stale, and counts the rest. kept is the last
// error of removing: what could not be removed is counted too, so the count is good all the same.
func (st *store) survey(now time.Time) (removed int, bytes, files int64, kept, err error) {
	p := st.use()
	if p == nil {
		return 0, 0, 0, nil, nil
	}
	defer p.leave()
	return p.survey(now)
}

// survey is that of one place.
func (p *place) survey(now time.Time) (removed int, bytes, files int64, kept, err error) {
	if p.folder == nil {
		return 0, 0, 0, nil, nil
	}
	err = p.folder.Each(func(name string, file *sysnet.Stat) error {
		age := now.Sub(time.Unix(0, file.ModTime))
		switch {
		case stale(name, file, age):
			if err := p.folder.Remove(name); err != nil {
				kept = err
				break
			}
			removed++
			return nil
		case isTemporary(name) && age < underWay:
			return nil // the process that writes it counts it
		}
		bytes += file.Size
		files++
		return nil
	})
	return removed, bytes, files, kept, err
}

// stale reports whether a crash has left the file: it is old, and it has a temporary name, or the
// name of an upload and no contents, which no upload has.
func stale(name string, file *sysnet.Stat, age time.Duration) bool {
	unfinished := isTemporary(name) ||
		file.Size == 0 && strings.HasPrefix(name, namePrefix) && strings.HasSuffix(name, ".json")
	return unfinished && age > staleAge
}

// isTemporary reports whether a name is of the form that spill makes.
func isTemporary(name string) bool {
	digits, ours := strings.CutPrefix(name, tempPrefix)
	return ours && len(digits) == tempDigits && strings.Trim(digits, "0123456789abcdef") == ""
}
