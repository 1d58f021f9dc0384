package site

// Where uploads go: the folder, its quota, and what is logged when it cannot be used.
//
// The store is set up before anything is served, and all threads share it; what changes later has
// its own lock or is atomic. The folder is counted again in the background, one job at a time, so
// that a disk that hangs blocks one thread only. What must not be done: no upload may wait for such
// a count. close waits for those under way, and then gives the folder back.

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"fourways/shared/fault"
	"fourways/shared/session"
	"fourways/shared/sysnet"
)

// tellEvery is how long the same trouble with uploads is not logged again.
const tellEvery = time.Minute

// Uploads says whether uploads are taken, and where they go.
type Uploads struct {
	Off      bool   // none are taken
	Folder   string // where they go; empty for the folder uploads of the root, if there is one
	MaxBytes int64  // of all files there together; 0 for no limit
	MaxFiles int64  // 0 for no limit

	Memory  []byte                 // QuotaSize bytes that the server's processes share, zero at first; nil for memory of its own
	Process int                    // which of them this is
	Alive   func(process int) bool // whether there is such a process; nil for always
}

// store is where uploads go. It is shared by all threads.
type store struct {
	place atomic.Pointer[place] // another one after reopen; nil where none are taken at all
	named string                // the folder, empty for that of the root
	quota *quota                // of the folder
	told  told                  // which trouble was logged
	later background            // counting the folder

	create func(in *sysnet.Folder, temp string) (newFile, error) // for tests to change
}

// place is the folder that uploads go to. An upload stays in the place in which it has begun, and
// the last user of an old place closes it.
type place struct {
	folder *sysnet.Folder // nil for none
	why    error          // why uploads are not taken although there is a place for them
	users  sysnet.Users
}

// use is the place of now, nil where no uploads are taken at all. Its user leaves it at last.
func (st *store) use() *place {
	for {
		if p := st.place.Load(); p == nil || p.users.Enter() {
			return p
		}
	}
}

// leave ends a use of the place.
func (p *place) leave() {
	if p.users.Leave() && p.folder != nil {
		p.folder.Close()
	}
}

// taken reports whether uploads are taken, or would be if the folder could be used.
func (p *place) taken() bool { return p != nil && (p.folder != nil || p.why != nil) }

// newFile is an upload's file. See [sysnet.NewFile].
type newFile interface {
	Write(p []byte) (int, error)
	Sync() error
	Publish(name string) error
	Discard()
}

// OpenUploads opens the folder for uploads, before anything is served. Where no folder is named,
// the root need not have one; and if it has one that cannot be used, the site serves everything
// else.
func (s *Site) OpenUploads(u Uploads) error {
	st := s.store
	if u.Off {
		return nil
	}
	st.create = func(in *sysnet.Folder, temp string) (newFile, error) { return in.Create(temp) }
	st.quota = openQuota(&u, func(now time.Time) (int64, int64, error) {
		_, bytes, files, _, err := st.survey(now)
		return bytes, files, err
	})
	p, err := open(s.cfg.Root, u.Folder)
	if err = s.without(err); err != nil {
		return err
	}
	st.put(p, u.Folder)
	return nil
}

// ChangeUploads has uploads that begin from now on go by other settings; those under way end as
// they began. Where it fails nothing has changed. It waits for the disk, and is called by one
// goroutine at a time, which no Reopen is at work beside.
func (s *Site) ChangeUploads(u Uploads) error {
	st := s.store
	if st.quota == nil { // none were taken until now, so nothing is under way
		return s.OpenUploads(u)
	}
	if u.Off {
		if p := st.place.Swap(nil); p != nil {
			p.leave()
		}
		return nil
	}
	if err := st.move(s.cfg.Root, u.Folder, time.Now()); err != nil {
		return err
	}
	st.quota.bytes.Store(u.MaxBytes)
	st.quota.files.Store(u.MaxFiles)
	return nil
}

// open opens the folder of that name, or the root's, as it is now. Where none is named, none need
// be there.
func open(root *sysnet.Root, named string) (*place, error) {
	if named != "" {
		folder, err := sysnet.OpenFolder(named)
		return newPlace(folder, err), err
	}
	folder, err := root.OpenFolder(uploadFolder)
	if errors.Is(err, sysnet.ErrNotFound) {
		err = nil
	}
	return newPlace(folder, err), nil
}

// newPlace is the place of a folder, or one that cannot be used, and why.
func newPlace(folder *sysnet.Folder, why error) *place {
	p := &place{folder: folder, why: why}
	p.users.Begin()
	return p
}

// put has uploads that begin from now on go to a place.
func (st *store) put(p *place, named string) {
	st.named = named
	if old := st.place.Swap(p); old != nil {
		old.leave()
	}
}

// move has uploads that begin from now on go to the folder of that name, and counts what lies
// there. Where it cannot be opened or looked at nothing has changed. It waits for the disk.
func (st *store) move(root *sysnet.Root, named string, now time.Time) error {
	p, err := open(root, named)
	if err != nil {
		return err
	}
	if _, _, _, _, err = p.survey(now); err != nil {
		p.leave()
		return err
	}
	st.put(p, named)
	if st.quota.recount(now) != nil { // it could be looked at a moment ago
		st.quota.shared.counted.Store(0) // so the next upload has it looked at again
	}
	return nil
}

// reopen is move to the folder that has the name now.
func (st *store) reopen(root *sysnet.Root) error {
	if st.place.Load() == nil {
		return nil
	}
	return st.move(root, st.named, time.Now())
}

// TakesUploads reports whether uploads are taken, and why they are not although the site has
// a place for them.
func (s *Site) TakesUploads() (bool, error) {
	p := s.store.place.Load()
	if p == nil {
		return false, nil
	}
	return p.folder != nil, p.why
}

// hasUploads reports whether there is a route for uploads.
func (st *store) hasUploads() bool { return st.place.Load().taken() }

// takesUpload is the place that an upload goes to, which leaves it at last. If none can be taken,
// it answers and returns nil.
func (s *Site) takesUpload(x *session.Exchange) *place {
	p := s.store.use()
	switch {
	case !p.taken():
		x.Fail(fault.Of(fault.NotFound))
	case p.folder == nil:
		s.failUpload(x, p.why)
	default:
		return p
	}
	if p != nil {
		p.leave()
	}
	return nil
}

func (st *store) close() {
	st.later.wait()
	if p := st.place.Swap(nil); p != nil {
		p.leave()
	}
}

// count looks at the folder, if that was not done for a while. It is called in work that waits for
// the disk already; the client does not wait for the count.
func (st *store) count(now time.Time) {
	if st.quota.due(now, recountEvery) {
		st.later.do(func() { st.quota.recount(now) })
	}
}

// failUpload refuses an upload because of an error from the file system. The same trouble is logged
// once in a while only: a client must not be able to fill the log with errors that the
// administrator has to mend.
func (s *Site) failUpload(x *session.Exchange, err error) {
	f := uploadFault(err)
	if f.Status >= 500 && s.store.told.isNews(f.Reason, time.Now()) {
		s.tell(x, err)
	}
	x.Fail(f)
}

// told remembers what was logged, and when. It is safe for concurrent use.
type told struct {
	mu   sync.Mutex
	last [fault.NumReasons]time.Time
}

// isNews reports whether something is to be logged, and notes it as logged.
func (t *told) isNews(r fault.Reason, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.last[r]) < tellEvery {
		return false
	}
	t.last[r] = now
	return true
}

// uploadFault is why an upload cannot be stored. The administrator can mend a folder that is
// read-only or gone, as well as a full one, so the client may try again later.
func uploadFault(err error) fault.Fault {
	switch {
	case errors.Is(err, errQuota):
		return fault.Of(fault.UploadsFull)
	case sysnet.IsUnwritable(err):
		return fault.Of(fault.UploadsUnavailable)
	}
	return faultOf(err)
}

// background runs work one piece after the other, on a goroutine that exists while there is some.
// So however much of it waits for a disk that hangs, it blocks one thread only. It is safe for
// concurrent use; the zero value is ready.
type background struct {
	mu      sync.Mutex
	queue   []func()
	running bool
	all     sync.WaitGroup
}

func (b *background) do(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue = append(b.queue, f)
	if !b.running {
		b.running = true
		b.all.Go(b.run)
	}
}

func (b *background) run() {
	for {
		b.mu.Lock()
		queue := b.queue
		b.queue = nil
		b.running = len(queue) > 0
		b.mu.Unlock()
		if len(queue) == 0 {
			return
		}
		for _, f := range queue {
			f()
		}
	}
}

// wait waits until there is no work.
func (b *background) wait() { b.all.Wait() }
