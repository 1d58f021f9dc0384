package conformance

// The document root: the sample site's names and whatever a server may stumble on.
//
// MakeSite fills a new folder, which is its caller's to remove, with the one beside it. What must
// not be done: a file's content or time must not be changed without a look at the cases that know
// it, and nothing may be put outside of the two folders.

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Sizes of the large files, in bytes.
const (
	bigSize    = 3 << 20
	sparseSize = 4<<30 + 64 // past what 32 bits hold
)

// sparseTail is what the sparse file ends with.
const sparseTail = "the last thirty-two bytes of it\n"

// siteTime is when every file of the site was last changed: long ago, so that its Last-Modified is
// a strong validator (RFC 9110 8.8.2.2), and with nanoseconds, which Last-Modified must drop.
var siteTime = time.Date(2024, 3, 15, 10, 30, 0, 123456789, time.UTC)

// page is a small HTML page.
func page(title string) string {
	return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" + title +
		"</title></head>\n<body><h1>" + title + "</h1></body></html>\n"
}

// MakeSite fills a new folder with the document root that the cases know. Beside it, it makes a
// folder named like it with "-secret" at its end, which nobody may reach.
func MakeSite(root string) error {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	for name, text := range siteFiles() {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	steps := []func(string) error{makeFolders, makeSparse, makeLinks, makeSpecial, setModes, setTimes}
	for _, step := range steps {
		if err := step(root); err != nil {
			return err
		}
	}
	return nil
}

// siteFiles is name and content of every ordinary file.
func siteFiles() map[string]string {
	precompressed := page("neighbours") + strings.Repeat("<p>the same again</p>\n", 200)
	return map[string]string{
		"index.html":   page("Four Ways to Wait"),
		"about.html":   page("About"),
		"contact.html": page("Contact"),
		"404.html":     page("Nothing here"),
		"long.html":    page("Long") + strings.Repeat("<p>compressible</p>\n", 500),
		"logo.png":     "\x89PNG\r\n\x1a\n" + pattern(3000),
		"logo2.png":    "\x89PNG\r\n\x1a\n" + pattern(300),
		"photo.jpg":    "\xff\xd8\xff\xe0\x00\x10JFIF\x00" + pattern(5000),
		"photo.jpeg":   "\xff\xd8\xff\xe0\x00\x10JFIF\x00" + pattern(500),
		"sample.txt":   pattern(960),
		"empty.txt":    "",
		"one.txt":      "1",
		"big.txt":      pattern(bigSize),

		"neighbours.html":     precompressed,
		"neighbours.html.gz":  gzipped(precompressed),
		"neighbours.html.br":  "stands for brotli",
		"neighbours.html.zst": "stands for zstd",

		"sub/index.html": page("Sub"),
		"sub/inner.txt":  "inside\n",
		"noindex/a.txt":  "a\n",
		"noext":          private, // no type: not served
		"script.php":     private,
		"server.py":      private,
		"app.js":         private,
		".env":           private,
		".hidden.html":   private,
		".secret.txt":    private,
		".git/x.txt":     private,

		".well-known/info.txt": "well known\n",
		"with space.txt":       "space\n",
		"plus+sign.txt":        "plus\n",
		"per%cent.txt":         "percent\n",
		"quo\"te.txt":          "quote\n",
		"ünïcode.txt":          "unicode\n",
		"semi;colon.txt":       "semicolon\n",
	}
}

// pattern is text in which every line names its own offset, so that a byte out of
// place shows.
func pattern(n int) string {
	var b strings.Builder
	b.Grow(n + 16)
	for b.Len() < n {
		fmt.Fprintf(&b, "%014d.\n", b.Len())
	}
	return b.String()[:n]
}

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text)) // a bytes.Buffer takes everything
	_ = w.Close()
	return b.String()
}

func makeFolders(root string) error {
	for _, name := range []string{"uploads", "empty", "folder.txt"} {
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
			return err
		}
	}
	beside := root + "-secret"
	if err := os.MkdirAll(beside, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(beside, "secret.txt"), []byte(secret), 0o644)
}

func makeSparse(root string) error {
	f, err := os.Create(filepath.Join(root, "sparse.txt"))
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt([]byte(sparseTail), sparseSize-int64(len(sparseTail)))
	return err
}

func makeLinks(root string) error {
	for name, to := range map[string]string{
		"inside.txt":   "sample.txt",
		"inside-dir":   "sub",
		"outside.txt":  "../" + filepath.Base(root) + "-secret/secret.txt",
		"outside-dir":  "../" + filepath.Base(root) + "-secret",
		"absolute.txt": filepath.Join(root, "..", filepath.Base(root)+"-secret", "secret.txt"),
		"loop.txt":     "loop.txt",
		"dangling.txt": "not-there.txt",
	} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			return err
		}
	}
	return nil
}

// makeSpecial makes what is not a file but is called like one.
func makeSpecial(root string) error {
	if err := syscall.Mkfifo(filepath.Join(root, "fifo.txt"), 0o644); err != nil {
		return err
	}
	return syscall.Mknod(filepath.Join(root, "socket.txt"), syscall.S_IFSOCK|0o644, 0)
}

// setModes lets everybody read the site, whatever the umask is: a server may give up its rights.
func setModes(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.Chmod(path, 0o755)
		case d.Type().IsRegular():
			return os.Chmod(path, 0o644)
		}
		return nil
	})
}

func setTimes(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return os.Chtimes(path, siteTime, siteTime)
	})
}
