package site

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:generate go run www_gen.go

// sample is the site that is served when no other is named.
//
//go:embed all:www
var sample embed.FS

// Unpack writes the sample site to a folder and returns its name. A kernel sends files
// from descriptors, and uploads want to be kept, so it has to be a real one.
//
// It is the user's own cache folder, under a name made of the contents: the same program
// finds it again, another version makes one beside it. It appears whole, by renaming, so
// any number of processes may unpack at once. One in which a file is missing or changed
// is not trusted, and a temporary folder taken instead; so it is where there is no cache
// folder.
func Unpack() (dir string, err error) {
	files, err := fs.Sub(sample, "www")
	if err != nil {
		return "", err
	}
	if cache, err := os.UserCacheDir(); err == nil {
		if dir, err := unpackInto(filepath.Join(cache, "fourways"), files); err == nil {
			return dir, nil
		}
	}
	dir, err = os.MkdirTemp("", "fourways-site-")
	if err != nil {
		return "", fmt.Errorf("no folder for the sample site: %w", err)
	}
	return dir, os.CopyFS(dir, files)
}

var errChanged = errors.New("the folder of the sample site has been changed")

func unpackInto(parent string, files fs.FS) (dir string, err error) {
	name, err := fingerprint(files)
	if err != nil {
		return "", err
	}
	dir = filepath.Join(parent, "site-"+name)
	if complete(dir, files) {
		return dir, nil
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
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
	// Where another process was faster this fails, as its folder is not empty, and serves
	// as well.
	renameErr := os.Rename(building, dir)
	if !complete(dir, files) {
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

// complete reports whether every file is in the folder as it should be, and uploads can
// be put there. Uploads may lie beside them.
func complete(dir string, files fs.FS) bool {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return false
	}
	defer root.Close()
	err = eachFile(files, func(name string, contents []byte) error {
		got, err := root.ReadFile(name)
		if err == nil && string(got) != string(contents) {
			err = errChanged
		}
		return err
	})
	return err == nil
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
