package site

import (
	"errors"
	"sync/atomic"
	"time"
	"unsafe"
)

// How many uploads may lie in the folder, and how large they may be together.
//
// What counts is the folder, which people also change by hand. Looking at it for each upload would
// be too slow, so all processes share a count in memory: what lay there at the last look, and what
// has come since; and for each process what it has under way. An upload first adds its size to its
// process's own row, and then checks whether the sum is within the limit. So two uploads at once
// may both be refused, but never both be taken beyond the limit; and no lock is needed, which a
// killed process would keep.
//
// The count cannot stay wrong. The folder is counted again when a process starts, once a minute
// while uploads come, and before an upload is refused (at most once a second). The row of a killed
// process is cleared then, since its unfinished files are gone; a file that had its name already is
// counted.
//
// What must not be done: a process must not write to another one's row while that is alive.

const (
	recountEvery   = 60 // seconds
	recountRefused = 1  // seconds, where an upload would be refused
	// underWay is how long ago a temporary file may have been written to and still be one
	// that a process counts as under way. Older ones count as files that lie there.
	underWay = 10 * time.Minute
)

var errQuota = errors.New("the folder of uploads holds as much as it may (-uploads-max, -uploads-max-files)")

// tally is a number of files, and their bytes.
type tally struct{ bytes, files atomic.Int64 }

func (t *tally) add(bytes, files int64) {
	t.bytes.Add(bytes)
	t.files.Add(files)
}

// quotaHead is the beginning of the region. A tally for each process follows.
type quotaHead struct {
	counted atomic.Int64 // when the folder was last looked at, in seconds since 1970
	stored  tally        // what lies there
}

// QuotaSize is the size of the region that so many processes share, in bytes.
func QuotaSize(processes int) int {
	return int(unsafe.Sizeof(quotaHead{}) + uintptr(processes)*unsafe.Sizeof(tally{}))
}

// quota counts for one process. It is safe for concurrent use.
type quota struct {
	bytes, files atomic.Int64 // the limits, 0 for none
	shared       *quotaHead
	rows         []tally
	own          *tally // this process's row
	alive        func(process int) bool
	count        func(time.Time) (bytes, files int64, err error) // of what lies in the folder
}

// openQuota begins to count in a region, whose other processes may be at work.
func openQuota(u *Uploads, count func(time.Time) (bytes, files int64, err error)) *quota {
	memory := u.Memory
	if memory == nil {
		words := make([]uint64, QuotaSize(1)/8) // which lie where integers may
		memory = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), QuotaSize(1))
	}
	q := &quota{alive: u.Alive, count: count}
	q.bytes.Store(u.MaxBytes)
	q.files.Store(u.MaxFiles)
	q.shared = (*quotaHead)(unsafe.Pointer(unsafe.SliceData(memory)))
	rows := (len(memory) - int(unsafe.Sizeof(quotaHead{}))) / int(unsafe.Sizeof(tally{}))
	q.rows = unsafe.Slice((*tally)(unsafe.Pointer(unsafe.SliceData(memory[unsafe.Sizeof(quotaHead{}):]))), rows)
	q.own = &q.rows[u.Process]
	q.own.bytes.Store(0) // the process that had the row before has ended
	q.own.files.Store(0)
	return q
}

// take reserves room, or fails if there is none. It is given back by either keep or drop. Where the
// folder cannot be looked at, nobody knows whether there is room.
func (q *quota) take(bytes, files int64, now time.Time) error {
	q.own.add(bytes, files)
	if q.fits() {
		return nil
	}
	err := errQuota
	if q.due(now, recountRefused) {
		if failed := q.recount(now); failed != nil {
			q.shared.counted.Store(0) // it was not: whoever comes next has to look too
			err = failed
		} else if q.fits() {
			return nil
		}
	}
	q.own.add(-bytes, -files)
	return err
}

// keep counts an upload under way as a stored file, once it has its name.
func (q *quota) keep(bytes int64) {
	q.shared.stored.add(bytes, 1)
	q.own.add(-bytes, -1)
}

// drop gives back the room of an upload that is not stored.
func (q *quota) drop(bytes, files int64) { q.own.add(-bytes, -files) }

// fits reports whether what is stored and what is under way are together within the limits.
func (q *quota) fits() bool {
	bytes, files := q.shared.stored.bytes.Load(), q.shared.stored.files.Load()
	mostBytes, mostFiles := q.bytes.Load(), q.files.Load()
	for i := range q.rows {
		bytes += q.rows[i].bytes.Load()
		files += q.rows[i].files.Load()
	}
	return (mostBytes == 0 || bytes <= mostBytes) && (mostFiles == 0 || files <= mostFiles)
}

// due reports whether the folder is to be counted again. Of several callers at once, only one gets
// true.
func (q *quota) due(now time.Time, seconds int64) bool {
	last := q.shared.counted.Load()
	age := now.Unix() - last
	return (age >= seconds || age < 0) && q.shared.counted.CompareAndSwap(last, now.Unix())
}

// recount counts the folder. A file that gets its name meanwhile is either counted twice, in the
// folder and by keep, or keep changes the old value, and the result is dropped. So the count may be
// too high for a while, but not too low.
func (q *quota) recount(now time.Time) error {
	for i := range q.rows {
		if q.alive != nil && !q.alive(i) {
			q.rows[i].bytes.Store(0)
			q.rows[i].files.Store(0)
		}
	}
	stored := &q.shared.stored
	oldBytes, oldFiles := stored.bytes.Load(), stored.files.Load()
	bytes, files, err := q.count(now)
	if err != nil {
		return err
	}
	stored.bytes.CompareAndSwap(oldBytes, bytes)
	stored.files.CompareAndSwap(oldFiles, files)
	return nil
}
