package site

// The sample site, which is compiled into the program, as a folder on the disk.
//
// It waits for the disk, so it must not run on a thread that serves: a process calls it at its
// start. Several processes may unpack at once. The caller that gets a temporary folder owns it and
// removes it. What must not be done: a folder must not be served if others could have written to
// it.

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fourways/shared/sysnet"
)

//go:generate go run www_gen.go

// sample is the site that is served when no other is named.
//
//go:embed all:www
var sample embed.FS

// Unpacked is a folder with the sample site.
type Unpacked struct {
	Folder    string // empty for none
	Temporary bool   // it is removed when the server ends, with all that was put there
	Why       string // why it is temporary; empty for others
}

// Unpack writes the sample site to a folder. It has to be a real one, because the kernel sends
// files from descriptors, and uploads are to be kept.
//
// It is the user's own cache folder, under a name made of the contents: the same program
// finds it again, another version makes one beside it. It appears whole, by renaming, so
// any number of processes may unpack at once. One in which a file is missing or changed
// is not trusted, nor one that others may write to, and a temporary folder taken instead; so
// it is where there is no cache folder. A lack of descriptors or memory says nothing about the
// folder: then there is none. Each call makes another of those: the processes of one
// server must share one, and whoever made it removes it.
func Unpack() (Unpacked, error) {
	files, err := fs.Sub(sample, "www")
	if err != nil {
		return Unpacked{}, err
	}
	cache, err := os.UserCacheDir()
	if err == nil {
		var dir string
		if dir, err = unpackInto(filepath.Join(cache, "fourways"), files); err == nil {
			return Unpacked{Folder: dir}, nil
		}
		if sysnet.IsBusy(err) { // the folder may be as it should be, with the uploads in it
			return Unpacked{}, fmt.Errorf("the sample site cannot be unpacked: %w", err)
		}
	}
	dir, tempErr := os.MkdirTemp("", "fourways-site-")
	if tempErr != nil {
		return Unpacked{}, fmt.Errorf("no folder for the sample site: %w", tempErr)
	}
	u := Unpacked{Folder: dir, Temporary: true, Why: err.Error()}
	if err := os.CopyFS(dir, files); err != nil {
		return Unpacked{}, errors.Join(err, u.Remove())
	}
	return u, nil
}

// Remove removes the folder, if it is temporary.
func (u Unpacked) Remove() error {
	if !u.Temporary {
		return nil
	}
	return os.RemoveAll(u.Folder)
}

var errChanged = errors.New("the folder of the sample site has been changed")

func unpackInto(parent string, files fs.FS) (dir string, err error) {
	name, err := fingerprint(files)
	if err != nil {
		return "", err
	}
	dir = filepath.Join(parent, "site-"+name)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", err
	}
	if err := sysnet.OthersMayWrite(parent); err != nil {
		return "", err
	}
	switch err := complete(dir, files); {
	case err == nil:
		return dir, sysnet.OthersMayWrite(dir)
	case sysnet.IsBusy(err):
		return "", err
	}
	building, err := os.MkdirTemp(parent, "building-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(building)
	if err := os.CopyFS(building, files); err != nil {
		return "", err
	}
	// Where another process was faster this fails, because its folder is not empty. Then that
	// folder is used.
	renameErr := os.Rename(building, dir)
	switch err := complete(dir, files); {
	case sysnet.IsBusy(err):
		return "", err
	case err != nil:
		return "", errors.Join(errChanged, renameErr)
	}
	return dir, nil
}

// fingerprint is made of every file's name and contents.
func fingerprint(files fs.FS) (string, error) {
	sum := sha256.New()
	err := eachFile(files, func(name string, contents []byte) error {
		fmt.Fprintf(sum, "%s %d\n", name, len(contents))
		sum.Write(contents)
		return nil
	})
	return hex.EncodeToString(sum.Sum(nil))[:16], err
}

// complete is nil where every file is in the folder as it should be, and uploads can be put there.
// There may be uploads as well.
func complete(dir string, files fs.FS) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return eachFile(files, func(name string, contents []byte) error {
		got, err := root.ReadFile(name)
		if err == nil && string(got) != string(contents) {
			err = errChanged
		}
		return err
	})
}

func eachFile(files fs.FS, do func(name string, contents []byte) error) error {
	return fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		contents, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		return do(name, contents)
	})
}
