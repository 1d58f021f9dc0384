package web

import (
	"os"
	"path/filepath"
	"strings"
)

// Write writes pages into a folder, which is made if it is not there. A page that is as it should
// be is not touched; one of ours that is no longer made is removed.
func Write(dir string, made Fragments) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range made {
		file := filepath.Join(dir, name)
		if now, err := os.ReadFile(file); err == nil && string(now) == text {
			continue
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range there {
		if _, is := made[e.Name()]; !is && isOurs(e.Name()) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// isOurs reports whether a name is one that pages of chapters and sources have.
func isOurs(name string) bool {
	return strings.HasSuffix(name, ".html") &&
		(strings.HasPrefix(name, "source-") || len(name) > 3 && name[0] >= '0' && name[0] <= '9' && name[2] == '-')
}
