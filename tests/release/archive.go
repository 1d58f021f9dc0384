package main

// Archives and packages.
//
// Both are trees of the same files. What must not be done: no file may have a time, an owner or a
// mode that the machine has given it.

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// file is one of a tree.
type file struct {
	name string // with slashes, and none in front
	text []byte
	mode fs.FileMode
	link string // a symbolic link's target
}

// tree is files by where they lie.
type tree []file

func (t *tree) add(name string, text []byte) {
	*t = append(*t, file{name: name, text: text, mode: 0o644})
}
func (t *tree) program(name string, text []byte) {
	*t = append(*t, file{name: name, text: text, mode: 0o755})
}
func (t *tree) link(name, target string) { *t = append(*t, file{name: name, link: target}) }

// take adds files of the project.
func (t *tree) take(root string, pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		text, err := os.ReadFile(filepath.Join(root, pairs[i+1]))
		if err != nil {
			return err
		}
		t.add(pairs[i], text)
	}
	return nil
}

// deployment adds all of docs/deploy, and the page that tells of it.
func (t *tree) deployment(root, to string) error {
	from := filepath.Join(root, "docs/deploy")
	return filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		below, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		return t.take(root, path.Join(to, filepath.ToSlash(below)), path.Join("docs/deploy", filepath.ToSlash(below)))
	})
}

// picture is one that a page of Markdown shows from a file.
var picture = regexp.MustCompile(`!\[[^\]]*\]\(([^):#]+)\)`)

// pictures adds what a page that lies in a folder shows, where the page looks for it.
func (t *tree) pictures(root, page, to string) error {
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		return err
	}
	for _, found := range picture.FindAllSubmatch(text, -1) {
		name := string(found[1])
		if err := t.take(root, path.Join(to, name), path.Join(path.Dir(page), name)); err != nil {
			return err
		}
	}
	return nil
}

// archive writes the archive for a processor, and returns its name.
func (r *release) archive(arch string, programs map[string][]byte, helps map[string]help) (string, error) {
	var t tree
	for stage, program := range programs {
		h := helps[stage]
		t.program("bin/"+stage, program)
		t.add("man/man1/"+stage+".1", h.man(r.version, r.time))
		t.add("completions/bash/"+stage, h.bash())
		t.add("completions/zsh/_"+stage, h.zsh())
		t.add("completions/fish/"+stage+".fish", h.fish())
	}
	t.link("bin/"+service, r.stages[len(r.stages)-1])
	t.link("man/man1/"+service+".1", r.stages[len(r.stages)-1]+".1")
	if err := t.take(r.root, "README.md", "README.md", "LICENSE", "LICENSE", "CHANGELOG.md", "CHANGELOG.md", "SECURITY.md", "SECURITY.md",
		"docs/manual.md", "docs/manual.md", "docs/operating.md", "docs/operating.md"); err != nil {
		return "", err
	}
	if err := t.pictures(r.root, "README.md", ""); err != nil {
		return "", err
	}
	if err := t.deployment(r.root, "deploy"); err != nil {
		return "", err
	}
	base := fmt.Sprintf("%s-%s-linux-%s", service, strings.TrimPrefix(r.version, "v"), arch)
	return base + ".tar.gz", r.tarball(base, t)
}

// tarball writes a tree below one folder.
func (r *release) tarball(base string, t tree) error {
	out, err := os.Create(filepath.Join(r.out, base+".tar.gz"))
	if err != nil {
		return err
	}
	defer out.Close()
	zip := gzip.NewWriter(out)
	w := tar.NewWriter(zip)
	slices.SortFunc(t, func(a, b file) int { return strings.Compare(a.name, b.name) })
	for _, f := range t {
		header := &tar.Header{Name: base + "/" + f.name, Mode: int64(f.mode), Size: int64(len(f.text)), ModTime: r.time, Format: tar.FormatPAX}
		if f.link != "" {
			header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, f.link, 0o777
		}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if _, err := w.Write(f.text); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	return out.Close()
}

const control = `Package: fourways
Version: %s
Architecture: %s
Section: httpd
Priority: optional
Maintainer: the Four Ways to Wait project <fourways@localhost>
Recommends: logrotate
Installed-Size: %d
Description: HTTP/1.1 server, built four times
 One strict server that differs in one thing: who waits, and on what. The
 service is stage 4, processes with an event loop each. It serves files and
 front-ends by HTTP and HTTPS, and passes on requests and connections.
`

// debian writes the Debian package for a processor, and returns its name. dpkg-deb(1) goes by
// SOURCE_DATE_EPOCH.
func (r *release) debian(arch string, programs map[string][]byte, helps map[string]help) (string, error) {
	dpkg, err := exec.LookPath("dpkg-deb")
	if err != nil {
		return "", err
	}
	t, err := r.installed(programs, helps)
	if err != nil {
		return "", err
	}
	size := 0
	for _, f := range t {
		size += len(f.text)
	}
	version := r.debianVersion()
	t.add("DEBIAN/control", fmt.Appendf(nil, control, version, arch, size>>10))
	t.add("DEBIAN/conffiles", []byte("/etc/fourways/fourways.conf\n/etc/logrotate.d/fourways\n"))
	dir := filepath.Join(r.work, "debian-"+arch)
	if err := t.write(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(dir, "etc/fourways/tls"), 0o755); err != nil {
		return "", err
	}
	if err := os.Chmod(filepath.Join(dir, "etc/fourways/tls"), 0o750); err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s_%s_%s.deb", service, version, arch)
	cmd := exec.Command(dpkg, "--build", "--root-owner-group", "-Zgzip", dir, filepath.Join(r.out, name))
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(r.time.Unix(), 10))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("dpkg-deb: %w\n%s", err, out)
	}
	return name, nil
}

// debianVersion begins with a digit, as dpkg(1) wants it.
func (r *release) debianVersion() string {
	v := strings.ReplaceAll(strings.TrimPrefix(r.version, "v"), "-", "+")
	if v == "" || v[0] < '0' || v[0] > '9' || !strings.Contains(v, ".") {
		v = "0~" + v
	}
	return v
}

// installed is what the package has, by where it lies on the machine.
func (r *release) installed(programs map[string][]byte, helps map[string]help) (t tree, err error) {
	last := r.stages[len(r.stages)-1]
	for stage, program := range programs {
		h := helps[stage]
		t.program("usr/bin/"+stage, program)
		t.add("usr/share/man/man1/"+stage+".1", h.man(r.version, r.time))
		t.add("usr/share/bash-completion/completions/"+stage, h.bash())
		t.add("usr/share/zsh/vendor-completions/_"+stage, h.zsh())
		t.add("usr/share/fish/vendor_completions.d/"+stage+".fish", h.fish())
	}
	t.link("usr/bin/"+service, last)
	t.link("usr/share/man/man1/"+service+".1", last+".1")
	t.link("usr/share/bash-completion/completions/"+service, last)
	const doc = "usr/share/doc/fourways/"
	if err := t.take(r.root, doc+"copyright", "LICENSE", doc+"README.md", "README.md", doc+"CHANGELOG.md", "CHANGELOG.md",
		doc+"docs/manual.md", "docs/manual.md", doc+"docs/operating.md", "docs/operating.md",
		"etc/fourways/fourways.conf", "docs/deploy/fourways.conf", "etc/logrotate.d/fourways", "docs/deploy/logrotate/fourways",
		"usr/lib/systemd/system/fourways.service", "docs/deploy/systemd/fourways.service",
		"usr/lib/systemd/system/fourways.socket", "docs/deploy/systemd/fourways.socket",
		"usr/lib/sysusers.d/fourways.conf", "docs/deploy/systemd/sysusers.conf",
		"DEBIAN/postinst", "docs/deploy/debian/postinst", "DEBIAN/prerm", "docs/deploy/debian/prerm",
		"DEBIAN/postrm", "docs/deploy/debian/postrm"); err != nil {
		return nil, err
	}
	for i := range t {
		if strings.HasPrefix(t[i].name, "DEBIAN/p") {
			t[i].mode = 0o755
		}
	}
	if err := t.pictures(r.root, "README.md", doc); err != nil {
		return nil, err
	}
	return t, t.deployment(r.root, doc+"deploy")
}

// write writes a tree into a folder, with the modes that it is to have whatever the umask is.
func (t tree) write(dir string) error {
	for _, f := range t {
		name := filepath.Join(dir, f.name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		for below := path.Dir(f.name); ; below = path.Dir(below) {
			if err := os.Chmod(filepath.Join(dir, below), 0o755); err != nil {
				return err
			}
			if below == "." {
				break
			}
		}
		if f.link != "" {
			if err := os.Symlink(f.link, name); err != nil {
				return err
			}
			continue
		}
		if err := os.WriteFile(name, f.text, f.mode); err != nil {
			return err
		}
		if err := os.Chmod(name, f.mode); err != nil {
			return err
		}
	}
	return nil
}
