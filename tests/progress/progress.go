// Package progress keeps what a reader of the course has done, in .progress.json at the project's
// root, which git does not see.
//
// Each command has its own part of the file, under a name, and leaves those of others as they are.
// The file is written whole and renamed over the old one, so that it is never half there. What must
// not be done: a part must not change its meaning, since the file outlives many versions of the
// commands.
package progress

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// File is the file's name.
const File = ".progress.json"

// Read reads a part into what part points to. Where there is none it stays as it is.
func Read(root, name string, part any) error {
	all, err := read(root)
	if err == nil && all[name] != nil {
		err = json.Unmarshal(all[name], part)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(root, File), err)
	}
	return nil
}

// Write writes a part. A file that cannot be read stays as it is, and is an error.
func Write(root, name string, part any) error {
	path := filepath.Join(root, File)
	all, err := read(root)
	if err == nil {
		all[name], err = json.Marshal(part)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return Replace(path, append(text, '\n'))
}

// read reads the file as it is; an empty map where there is none.
func read(root string) (map[string]json.RawMessage, error) {
	all := map[string]json.RawMessage{}
	text, err := os.ReadFile(filepath.Join(root, File))
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	return all, err
}

// Replace writes a file whole, or leaves the old one.
func Replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // it is there no more where all went well
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
