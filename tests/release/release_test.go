package main

// Tests of what is given away: one stage and this machine's processor, made twice.
//
// .ci/release makes all of it. What must not be done: the tests must not build more than one
// program, which is what takes the time.

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/tests/mutants"
)

const only = "stage3-epoll"

// made is a release of one stage.
func made(t *testing.T) *release {
	t.Helper()
	root, err := mutants.Root()
	require.NoError(t, err)
	r := &release{root: root, out: t.TempDir(), work: t.TempDir(), version: "v1.2.3", time: time.Unix(1710498600, 0).UTC(), stages: []string{only}, archs: []string{runtime.GOARCH}}
	require.NoError(t, r.make())
	return r
}

// TestAReleaseIsTheSameWhoeverMakesIt: made twice, in other folders and with another mask, it has
// the same sums, which sha256sum(1) finds right.
func TestAReleaseIsTheSameWhoeverMakesIt(t *testing.T) {
	one := made(t)
	defer unix.Umask(unix.Umask(0o077))
	two := made(t)
	read := func(r *release) string {
		text, err := os.ReadFile(filepath.Join(r.out, "SHA256SUMS"))
		require.NoError(t, err)
		return string(text)
	}
	require.Equal(t, read(one), read(two))
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = one.out
	out, err := check.CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Run("the archive", func(t *testing.T) { archiveHolds(t, one) })
	t.Run("the package", func(t *testing.T) { packageHolds(t, one) })
}

// archiveHolds: its program says its version and is static, and each page and completion is taken
// by the program that it is for.
func archiveHolds(t *testing.T, r *release) {
	dir := t.TempDir()
	base := "fourways-1.2.3-linux-" + runtime.GOARCH
	untar(t, filepath.Join(r.out, base+".tar.gz"), dir)
	in := func(name string) string { return filepath.Join(dir, base, name) }
	for _, name := range []string{"README.md", "LICENSE", "CHANGELOG.md", "docs/manual.md", "docs/operating.md", "deploy/systemd/fourways.service"} {
		require.FileExists(t, in(name))
	}
	showsItsPictures(t, in("README.md"))
	out, err := exec.Command(in("bin/fourways"), "-version").CombinedOutput()
	require.NoError(t, err)
	commit := "[0-9a-f]{40} of [^\n]+"
	if info, err := os.Stat(filepath.Join(r.root, ".git")); err != nil || !info.IsDir() {
		commit = "unknown" // to Go, for which a second work tree of a clone is none
	}
	require.Regexp(t, `^fourways stage3-epoll v1\.2\.3\ncommit: `+commit+`\ngo: go[^\n]+\nfeatures: [^\n]+\n$`, string(out))
	require.NotContains(t, string(out), "cgo")
	program, err := os.ReadFile(in("bin/" + only))
	require.NoError(t, err)
	require.NotContains(t, string(program), r.root+"/", "paths of the machine")
	tries(t, "man", "--warnings", "--local-file", "--encoding=UTF-8", in("man/man1/"+only+".1"))
	tries(t, "bash", "-ec", `source "$0"; COMP_WORDS=(`+only+` -drain); COMP_CWORD=1; _stage3_epoll; [[ "${COMPREPLY[*]}" == "-drain-delay -drain-timeout" ]]`, in("completions/bash/"+only))
	tries(t, "zsh", "-n", in("completions/zsh/_"+only))
	tries(t, "fish", "--no-config", "-c", `source $argv[1]; set found (complete -C "`+only+` -drain" | string split -f1 \t); test "$found" = "-drain-delay -drain-timeout"`, in("completions/fish/"+only+".fish"))
}

// showsItsPictures: each file that a page shows as a picture lies where the page looks for it.
func showsItsPictures(t *testing.T, page string) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	shown := regexp.MustCompile(`!\[[^\]]*\]\(([^)]+)\)`).FindAllSubmatch(text, -1)
	require.NotEmpty(t, shown)
	for _, found := range shown {
		require.FileExists(t, filepath.Join(filepath.Dir(page), string(found[1])))
	}
}

// tries runs a program, where there is one.
func tries(t *testing.T, program string, args ...string) {
	t.Run(program, func(t *testing.T) {
		path, err := exec.LookPath(program)
		if err != nil {
			t.Skip("no " + program)
		}
		cmd := exec.Command(path, args...)
		cmd.Env = append(os.Environ(), "MANPAGER=cat", "MANWIDTH=80", "LC_ALL=C.UTF-8")
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		require.NoError(t, err, "%s%s", out, &errs)
		require.Empty(t, errs.String())
	})
}

// untar unpacks an archive, all files of which have root's and the release's ids and time.
func untar(t *testing.T, name, dir string) {
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	zip, err := gzip.NewReader(f)
	require.NoError(t, err)
	for files := tar.NewReader(zip); ; {
		h, err := files.Next()
		if err == io.EOF {
			return
		}
		require.NoError(t, err)
		require.Zero(t, h.Uid+h.Gid)
		require.EqualValues(t, 1710498600, h.ModTime.Unix())
		to := filepath.Join(dir, h.Name)
		require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
		if h.Typeflag == tar.TypeSymlink {
			require.NoError(t, os.Symlink(h.Linkname, to))
			continue
		}
		text, err := io.ReadAll(files)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to, text, h.FileInfo().Mode()))
	}
}

// packageHolds: Debian's tools take it, and all of it is where it should be. That it is installed,
// started and removed is tested on a machine, in tests/deploy.
func packageHolds(t *testing.T, r *release) {
	dpkg, err := exec.LookPath("dpkg-deb")
	if err != nil {
		t.Skip("no dpkg-deb")
	}
	name := filepath.Join(r.out, "fourways_1.2.3_"+runtime.GOARCH+".deb")
	out, err := exec.Command(dpkg, "--field", name, "Package", "Version", "Architecture").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "Package: fourways\nVersion: 1.2.3\nArchitecture: "+runtime.GOARCH+"\n", string(out))
	dir := t.TempDir()
	out, err = exec.Command(dpkg, "--extract", name, dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, name := range []string{"etc/fourways/fourways.conf", "etc/logrotate.d/fourways", "usr/lib/systemd/system/fourways.service",
		"usr/share/man/man1/fourways.1", "usr/share/bash-completion/completions/fourways", "usr/share/doc/fourways/deploy/grafana/fourways.json"} {
		require.FileExists(t, filepath.Join(dir, name))
	}
	showsItsPictures(t, filepath.Join(dir, "usr/share/doc/fourways/README.md"))
	out, err = exec.Command(filepath.Join(dir, "usr/bin/fourways"), "-h").CombinedOutput()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(out), "Four Ways to Wait, stage 3"))
}

func TestTheHelpIsReadWhole(t *testing.T) {
	h, err := parseHelp("A server, stage 9: nothing\n\nUsage: stage9 [flags]\n\nGroup one\n  -a FILE\n        it's a file\n  -accept one|two\n        way (default one)\n\n" +
		"Group two\n  -b\n        number; default one per processor (default 8)\n  -c N\n        loops; default one per processor (default 8, fixed)\n\nA note, which is\ntwo lines.\n\nAnother.\n")
	require.NoError(t, err)
	require.Equal(t, help{title: "A server, stage 9: nothing", name: "stage9", usage: "[flags]", notes: []string{"A note, which is two lines.", "Another."}, groups: []group{
		{"Group one", []option{{"a", "FILE", "it's a file"}, {"accept", "one|two", "way (default one)"}}},
		{"Group two", []option{{"b", "", "number; default one per processor"}, {"c", "N", "loops; default one per processor (fixed)"}}},
	}}, h)
	require.True(t, h.flags()[0].path())
	require.Equal(t, []string{"one", "two"}, h.flags()[1].choices())
	_, err = parseHelp("no help")
	require.Error(t, err)
}

func TestVersionsOfDebianBeginWithADigit(t *testing.T) {
	for version, want := range map[string]string{"v1.2.3": "1.2.3", "v1.2.3-4-gabc": "1.2.3+4+gabc", "9e6185a": "0~9e6185a", "abc": "0~abc"} {
		require.Equal(t, want, (&release{version: version}).debianVersion())
	}
}
