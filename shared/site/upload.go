package site

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"

	"fourways/shared/clock"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/session"
)

// Uploads: a JSON text sent to /upload becomes a file of its own below /uploads/.
//
// A file is whole or not there. It is written under a hidden temporary name, flushed
// (fsync(2)), and only then given its name, by link(2): unlike rename(2) it fails where
// the name is taken, so two uploads in the same second never become one. Last the folder
// is flushed, as a name that is only in memory would not survive a crash either. The
// client reads 201 after all that.
//
// Everything that touches the disk runs in parked work.

const (
	uploadFolder = "uploads"
	tempPrefix   = uploadFolder + "/.upload-"
)

var (
	errInvalidJSON = errors.New("the upload is not one JSON text in UTF-8")
	errNoName      = errors.New("every name tried for the upload was taken")
)

// temporary is an upload's file before it has its name.
type temporary interface {
	io.ReadWriteSeeker
	io.Closer
	Sync() error
}

// upload takes one upload in. It belongs to the session's thread, but while its work is
// parked to whoever runs that.
type upload struct {
	site *Site
	held []byte    // what is not in the file yet
	file temporary // nil until more has come than memory is to hold
	temp string    // the file's name, relative to the root
	name string    // the name it was given in the end
	err  error
}

// upload answers POST /upload, or begins to.
func (s *Site) upload(x *session.Exchange) {
	if !guard.JSONType(x.Request().Get(http1.ContentType)) {
		x.Fail(http1.Fault{Status: 415, Reason: http1.BadBodyType})
		return
	}
	x.TakeBody(&upload{site: s})
}

// Body takes a part of the upload in. The session asks for no further one while the
// parked work runs.
func (u *upload) Body(x *session.Exchange, p []byte) {
	u.held = append(u.held, p...)
	if len(u.held) <= spillAt {
		return
	}
	x.Park(func() { u.err = u.spill() }, func() {
		if u.err != nil {
			u.site.fail(x, u.err)
		}
	})
}

// End stores the upload and answers.
func (u *upload) End(x *session.Exchange) {
	if len(u.held) == 0 && u.file == nil {
		x.Fail(http1.Fault{Status: 400, Reason: http1.EmptyBody})
		return
	}
	now := x.Clock().Unix()
	x.Park(func() { u.err = u.store(now) }, func() {
		if u.err != nil {
			u.site.fail(x, u.err)
			return
		}
		u.created(x)
	})
}

// Abort removes what there is. It is called on the session's thread, which must not
// wait for the disk.
func (u *upload) Abort() {
	if u.file != nil {
		u.site.aborts.Go(u.discard)
	}
}

func (u *upload) discard() {
	if u.file == nil {
		return
	}
	u.file.Close()
	u.site.cfg.Root.Folder().Remove(u.temp)
	u.file = nil
}

// spill moves what is held in memory to the temporary file.
func (u *upload) spill() (err error) {
	if u.file == nil {
		temp := tempPrefix + randomHex(tempDigits/2)
		if u.file, err = u.site.create(temp); err != nil {
			u.file = nil
			return err
		}
		u.temp = temp
	}
	_, err = u.file.Write(u.held)
	u.held = u.held[:0]
	return err
}

// createTemporary makes a file that was not there before, and the folder with it if
// need be.
func (s *Site) createTemporary(name string) (temporary, error) {
	root := s.cfg.Root.Folder()
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		if err := root.Mkdir(uploadFolder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		f, err = root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// store checks the upload and makes a file of it. Whatever goes wrong, nothing is left.
// now is in seconds since 1970.
func (u *upload) store(now int64) error {
	defer u.discard() // if all went well, the file has its other name by then
	if err := u.check(); err != nil {
		return err
	}
	if err := u.spill(); err != nil {
		return err
	}
	if err := u.file.Sync(); err != nil {
		return err
	}
	if err := u.publish(now); err != nil {
		return err
	}
	if err := syncFolder(u.site.cfg.Root.Folder()); err != nil {
		u.site.cfg.Root.Folder().Remove(u.name)
		return err
	}
	return nil
}

// check reads the whole upload, in memory or from its file.
func (u *upload) check() error {
	if u.file == nil {
		return checkJSON(bytes.NewReader(u.held))
	}
	if err := u.spill(); err != nil {
		return err
	}
	if _, err := u.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return checkJSON(u.file)
}

// publish gives the file its name: the time, and four random digits that make another
// name of the same second's next upload.
func (u *upload) publish(now int64) error {
	stem := string(clock.AppendStamp([]byte(uploadFolder+"/upload_"), now))
	for range nameTries {
		name := stem + "_" + randomHex(2) + ".json"
		err := u.site.cfg.Root.Folder().Link(u.temp, name)
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

// syncFolder flushes the names in the folder of uploads.
func syncFolder(root *os.Root) error {
	dir, err := root.Open(uploadFolder)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// created answers that the file is there.
func (u *upload) created(x *session.Exchange) {
	body := `{"status":"success","message":"File created successfully","filepath":"/` + u.name + "\"}\n"
	h := u.site.begin(x, 201, int64(len(body)))
	h.Field("Content-Type", "application/json")
	h.Field("Location", "/"+u.name)
	h.End()
	x.Write([]byte(body))
	x.Finish()
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}
