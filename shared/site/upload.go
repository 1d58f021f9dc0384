package site

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"time"

	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/offload"
	"fourways/shared/session"
	"fourways/shared/syntax"
)

// Uploads: a JSON text sent to /upload becomes a file of its own below /uploads/.
//
// A file is whole or not there. It is written without a name, or under a hidden temporary one where
// the file system has no such files, flushed (fsync(2)), and only then given its name, by a call
// that fails where the name is taken: so two uploads in the same second never become one. Last the
// folder is flushed, because a name that is only in memory would not survive a crash either. Only
// then is the client sent 201. See package sysnet, folder.go.
//
// Everything that touches the disk runs in parked work. Each piece of work takes what is held in
// memory, some 64 KiB, counts and checks it, and then writes it. So no upload delays others, or
// other work for the disk, for long; and one that is not JSON, or for which there is no room, is
// refused as soon as that is known.
//
// The files of the story: upload.go, one upload; json.go, what it must be; store.go, where
// uploads go; quota.go, how many; stale.go, what crashes leave.

const (
	uploadFolder = "uploads"
	tempPrefix   = ".upload-" // and then tempDigits digits: temporary names
	namePrefix   = "upload_"
)

var (
	errInvalidJSON = errors.New("the upload is not one JSON text in UTF-8")
	errNoName      = errors.New("every name tried for the upload was taken")
)

// upload takes one upload. It belongs to the session's thread, and while its work is parked to the
// thread that runs the work.
type upload struct {
	site  *Site
	place *place
	text  checker // what has come, except what is held
	held  []byte  // what is not in the file yet
	file  newFile // nil until more has come than memory is to hold
	taken int64   // bytes that are counted as under way
	lent  int64   // bytes that thread counts as held by a connection
	name  string  // the name it was given in the end
	err   error

	thread *session.Thread // the session's
}

// upload answers POST /upload, or begins to.
func (s *Site) upload(x *session.Exchange) {
	into := s.takesUpload(x)
	if into == nil {
		return
	}
	if f := bodyFault(x.Request()); !f.OK() {
		into.leave()
		x.Fail(f)
		return
	}
	u := &upload{site: s, place: into, thread: x.Thread()}
	u.count(2 * spillSoon)
	x.TakeBody(u)
}

// count has the thread count so many bytes as held for the upload.
func (u *upload) count(n int64) {
	u.thread.Hold(n - u.lent)
	u.lent = n
}

// bodyFault is why a request's body cannot be an upload, or shall not be, as far as its head says.
func bodyFault(r *http1.Request) (f fault.Fault) {
	switch {
	case isEncoded(r):
		return fault.Of(fault.EncodedBody)
	case r.Repeats(http1.ContentType):
		return fault.Of(fault.BadField)
	case !guard.JSONType(r.Get(http1.ContentType)):
		return fault.Of(fault.BadBodyType)
	case r.Has(http1.IfMatch): // there is nothing yet that it could be about (RFC 9110 13.1.1)
		return fault.Of(fault.PreconditionFailed)
	}
	return f
}

// isEncoded reports whether a request's body is in a content coding (RFC 9110 8.4). None is decoded
// here.
func isEncoded(r *http1.Request) bool {
	for value := range r.All(http1.ContentEncoding) {
		for item := range syntax.ListItems(value) {
			if !syntax.EqualFold(item, "identity") {
				return true
			}
		}
	}
	return false
}

// Body takes a part of the upload in. The session asks for no further one while the
// parked work runs. Where memory is scarce, nothing is held for long.
func (u *upload) Body(x *session.Exchange, p []byte) {
	u.held = append(u.held, p...)
	u.count(max(int64(cap(u.held)), 2*spillSoon))
	if len(u.held) <= spillSoon || len(u.held) <= spillAt && !u.thread.Scarce() {
		return
	}
	x.Park(offload.Store, func() { u.err = u.spill() }, func() {
		if u.err != nil {
			u.site.failUpload(x, u.err)
		}
	})
}

// End stores the upload and answers.
func (u *upload) End(x *session.Exchange) {
	if len(u.held) == 0 && u.file == nil {
		u.place.leave()
		u.count(0)
		x.Fail(fault.Of(fault.EmptyBody))
		return
	}
	now := x.Clock().Unix()
	x.Park(offload.Store, func() { u.err = u.store(now) }, func() {
		u.count(0)
		if u.err != nil {
			u.site.failUpload(x, u.err)
			return
		}
		u.created(x)
	})
}

// Abort removes what there is. It is called on the session's thread, which must not
// wait for the disk.
func (u *upload) Abort() {
	u.count(0)
	if u.file == nil {
		u.place.leave()
		return
	}
	u.site.store.later.do(func() {
		u.discard()
		u.place.leave()
	})
}

// discard removes the file, unless it has its name already.
func (u *upload) discard() {
	if u.file == nil {
		return
	}
	u.file.Discard()
	u.file = nil
	if u.name == "" {
		u.site.store.quota.drop(u.taken, 1)
	}
}

// spill counts and checks what is held in memory, and moves it to the file.
func (u *upload) spill() (err error) {
	if !u.text.take(u.held) {
		return errInvalidJSON
	}
	if err := u.open(); err != nil {
		return err
	}
	n := int64(len(u.held))
	if err := u.site.store.quota.take(n, 0, time.Now()); err != nil {
		return err
	}
	u.taken += n
	_, err = u.file.Write(u.held)
	u.held = u.held[:0]
	return err
}

// open makes the file, if it is not there.
func (u *upload) open() error {
	if u.file != nil {
		return nil
	}
	st := u.site.store
	if err := st.quota.take(0, 1, time.Now()); err != nil {
		return err
	}
	file, err := st.create(u.place.folder, tempPrefix+randomHex(tempDigits/2))
	if err != nil {
		st.quota.drop(0, 1)
		return err
	}
	u.file = file
	return nil
}

// store makes a file of the upload once it is whole. If anything fails, no file is left. now is in
// seconds since 1970.
func (u *upload) store(now int64) error {
	defer u.place.leave()
	defer u.discard() // if all went well, the file has its other name by then
	if err := u.spill(); err != nil {
		return err
	}
	if !u.text.end() {
		return errInvalidJSON
	}
	if err := u.file.Sync(); err != nil {
		return err
	}
	if err := u.publish(now); err != nil {
		return err
	}
	st := u.site.store
	if err := u.place.folder.Sync(); err != nil {
		u.place.folder.Remove(u.name)
		u.name = ""
		return err
	}
	st.quota.keep(u.taken)
	st.count(time.Now())
	return nil
}

// publish gives the file its name: the time, and four random digits, which differ for another
// upload in the same second.
func (u *upload) publish(now int64) error {
	stem := string(clock.AppendStamp([]byte(namePrefix), now))
	for range nameTries {
		name := stem + "_" + randomHex(2) + ".json"
		err := u.file.Publish(name)
		switch {
		case err == nil:
			u.name = name
			return nil
		case !errors.Is(err, fs.ErrExist):
			return err
		}
	}
	return errNoName
}

// created answers that the file is there.
func (u *upload) created(x *session.Exchange) {
	path := "/" + uploadFolder + "/" + u.name
	body := `{"status":"success","message":"File created successfully","filepath":"` + path + "\"}\n"
	h := u.site.begin(x, 201, int64(len(body)))
	h.Field("Content-Type", "application/json")
	h.Field("Location", path)
	h.End()
	x.Write([]byte(body))
	x.Finish()
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}
