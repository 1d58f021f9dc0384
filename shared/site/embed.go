package site

// The built-in site, which is compiled into the program, as a folder on the disk: the sample site,
// and the course below it.
//
// It waits for the disk, so it must not run on a thread that serves: a process calls it at its
// start. Several processes may unpack at once. The caller that gets a temporary folder owns it and
// removes it. What must not be done: a folder must not be served if others could have written to
// it.

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fourways/shared/course"
	"fourways/shared/sysnet"
)

//go:generate go run www_gen.go

// sample is the site that is served when no other is named, without the course.
//
//go:embed all:www
var sample embed.FS

// Unpacked is a folder with the sample site.
type Unpacked struct {
	Folder    string // empty for none
	Temporary bool   // it is removed when the server ends, with all that was put there
	Why       string // why it is temporary; empty for others
	// Unused is why what earlier versions have unpacked could not be removed; nil if there was no
	// trouble.
	Unused error `json:"-"`
}

// Unpack writes the sample site to a folder. It has to be a real one, because the kernel sends
// files from descriptors, and uploads are to be kept.
//
// It is the user's own cache folder, under a name made of the contents: the same program
// finds it again, another version makes one beside it, and removes those of earlier ones that
// nobody serves and that hold no uploads. It appears whole, by renaming, so any number of
// processes may unpack at once. This process holds it from now on ([Unpacked.Hold]). One in
// which a file is missing or changed is not trusted, nor one that others may write to, and a
// temporary folder taken instead; so it is where there is no cache folder. A lack of descriptors
// or memory says nothing about the folder: then there is none. Each call makes another of those:
// the processes of one server must share one, and whoever made it removes it.
func Unpack() (Unpacked, error) {
	files, err := builtIn()
	if err != nil {
		return Unpacked{}, err
	}
	cache, err := os.UserCacheDir()
	if err == nil {
		var dir string
		var lock *os.File
		var made bool
		if dir, lock, made, err = unpackInto(filepath.Join(cache, "fourways"), files); err == nil {
			keep(lock)
			u := Unpacked{Folder: dir}
			if made {
				u.Unused = removeUnused(dir)
			}
			return u, nil
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
	if err := files.write(dir); err != nil {
		return Unpacked{}, errors.Join(err, u.Remove())
	}
	return u, nil
}

// contents is what is unpacked.
type contents struct {
	sample fs.FS
	course fs.FS // fragments: its pages are made when they are written
}

func builtIn() (contents, error) {
	files, err := fs.Sub(sample, "www")
	return contents{sample: files, course: course.Fragments()}, err
}

// TryBuiltIn says what of a site's settings cannot be used with the built-in site. It unpacks
// nothing.
func TryBuiltIn(cfg Config) error {
	files, err := builtIn()
	s := &Site{cfg: cfg}
	err = errors.Join(err, s.readRedirects())
	if cfg.App != "" {
		err = errors.Join(err, files.page("-spa", cfg.App))
	}
	for _, path := range cfg.ErrorPages {
		err = errors.Join(err, files.page("-error-page", path))
	}
	return err
}

// page says why a path of the site cannot be the page that a flag names. Those of the course are
// made when they are written, and not looked for.
func (c contents) page(flag, path string) error {
	if strings.HasPrefix(path, "/"+courseFolder+"/") {
		return nil
	}
	info, err := fs.Stat(c.sample, path[1:])
	if err == nil && info.IsDir() {
		err = errFolderPage
	}
	if err != nil {
		return fmt.Errorf("%s %q: %w", flag, path, err)
	}
	return nil
}

var errFolderPage = errors.New("it is a folder")

const (
	courseFolder = "course"
	receiptName  = ".course" // hidden, and so never served
)

// write writes everything into an empty folder.
func (c contents) write(dir string) error {
	if err := os.CopyFS(dir, c.sample); err != nil {
		return err
	}
	pages, err := course.Whole(c.course, course.Where{Server: true})
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, courseFolder), 0o755); err != nil {
		return err
	}
	var receipt bytes.Buffer
	for _, p := range pages {
		file := filepath.Join(dir, courseFolder, p.Name)
		if err := os.WriteFile(file, []byte(p.HTML), 0o644); err != nil {
			return err
		}
		info, err := os.Lstat(file)
		if err != nil {
			return err
		}
		receipt.WriteString(receiptLine(p.Name, info))
	}
	return os.WriteFile(filepath.Join(dir, receiptName), receipt.Bytes(), 0o644)
}

// receiptLine says of a page of the course what it was when it was written. A look at a hundred
// pages is quick, whereas to make and to compare them would delay each start.
func receiptLine(name string, info fs.FileInfo) string {
	return fmt.Sprintf("%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
}

// Remove removes the folder, if it is temporary.
func (u Unpacked) Remove() error {
	if !u.Temporary {
		return nil
	}
	return os.RemoveAll(u.Folder)
}

var errChanged = errors.New("the folder of the sample site has been changed")

// unpackTries is how often a folder is looked for that others keep removing: each of them would
// have to find it in the moment before it is locked.
const unpackTries = 5

// unpackInto finds or makes the folder, and locks it; see lockShared. It reports whether it was
// made.
func unpackInto(parent string, files contents) (dir string, lock *os.File, made bool, err error) {
	name, err := files.fingerprint()
	if err != nil {
		return "", nil, false, err
	}
	dir = filepath.Join(parent, unpackedPrefix+name)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", nil, false, err
	}
	if err := sysnet.OthersMayWrite(parent); err != nil {
		return "", nil, false, err
	}
	for range unpackTries {
		if lock, err = files.found(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return dir, lock, false, err
		}
		if lock, err = files.build(dir); err == nil || !errors.Is(err, fs.ErrExist) {
			return dir, lock, err == nil, err
		}
	}
	return "", nil, false, err
}

// found locks a folder that is there and as it should be; fs.ErrNotExist for none.
func (c contents) found(dir string) (*os.File, error) {
	lock, err := lockShared(dir)
	if err != nil {
		return nil, err
	}
	if err = c.complete(dir); err == nil {
		err = sysnet.OthersMayWrite(dir)
	} else if !sysnet.IsBusy(err) {
		if err = errChanged; lock == nil && os.Remove(dir) == nil { // it was empty
			err = fs.ErrNotExist
		}
	}
	if err != nil && lock != nil {
		lock.Close()
	}
	return lock, err
}

// build makes the folder, and locks it before it has its name; fs.ErrExist where another process
// was faster, whose folder is then there.
func (c contents) build(dir string) (lock *os.File, err error) {
	building, err := os.MkdirTemp(filepath.Dir(dir), "building-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(building)
	if err := c.write(building); err != nil {
		return nil, err
	}
	if lock, err = makeLock(building); err != nil {
		return nil, err
	}
	err = os.Rename(building, dir)
	if err != nil && lock != nil {
		lock.Close()
	}
	return lock, err
}

// fingerprint is made of every file's name and contents. It tells versions apart, of which nobody
// makes one that looks like another; and it is made at every start, so it is two sums that the
// processor has instructions for. Versions that do not lock what they serve find no folder of one
// that does.
func (c contents) fingerprint() (string, error) {
	one, two := crc32.NewIEEE(), crc32.New(crc32.MakeTable(crc32.Castagnoli))
	sum, buf := io.MultiWriter(one, two), make([]byte, 64<<10)
	io.WriteString(sum, lockName)
	for _, files := range []fs.FS{c.sample, c.course, course.Shell()} {
		err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			f, err := files.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			n, err := io.CopyBuffer(sum, f, buf)
			fmt.Fprintf(sum, "%s %d\n", name, n)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%08x%08x", one.Sum32(), two.Sum32()), nil
}

// complete is nil where every file is in the folder as it should be, and uploads can be put there.
// There may be uploads as well.
func (c contents) complete(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	err = eachFile(c.sample, func(name string, contents []byte) error {
		got, err := root.ReadFile(name)
		if err == nil && string(got) != string(contents) {
			err = errChanged
		}
		return err
	})
	if err != nil {
		return err
	}
	return courseComplete(root)
}

// courseComplete compares the pages of the course with the receipt.
func courseComplete(root *os.Root) error {
	receipt, err := root.ReadFile(receiptName)
	if err != nil {
		return err
	}
	pages, err := root.OpenRoot(courseFolder)
	if err != nil {
		return err
	}
	defer pages.Close()
	for line := range strings.Lines(string(receipt)) {
		name, _, _ := strings.Cut(line, " ")
		info, err := pages.Lstat(name)
		if err != nil {
			return err
		}
		if line != receiptLine(name, info) {
			return errChanged
		}
	}
	return nil
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
