//go:build linux

package main

// Building everything that a run measures: the stages, the peers, the load generator, and the
// files.
//
// All of it goes into the folder of the run, which main removes. What must not be done: nothing is
// built while something is measured.

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"fourways/shared/certs"
	"fourways/tests/gobuild"
)

// Names in the folder of a run.
const (
	binDir  = "bin"  // what was built
	rootDir = "root" // what is served
	tlsDir  = "tls"  // the certificate of all servers

	commitFile = "commit" // the name of the commit
)

// heyPackage is the generator of everyday use. It is a tool of this module.
const heyPackage = "github.com/rakyll/hey"

// build compiles the stages whose folders exist and the peers, hey where a work wants it,
// and writes the files that are served. A program that does not compile leaves a file
// with the compiler's words beside its place, and the others are measured.
func build(ctx context.Context, o *options, dir string) error {
	err := os.MkdirAll(filepath.Join(dir, binDir), 0o755)
	if err != nil {
		return err
	}
	if tests := source(ctx); tests != "" {
		err = compileAll(ctx, o, tests, dir)
	} else {
		err = linkAll(o, dir)
	}
	if err != nil {
		return err
	}
	if err := makeCertificate(filepath.Join(dir, tlsDir)); err != nil {
		return err
	}
	return writeRoot(o, filepath.Join(dir, rootDir))
}

// source is the folder of the module fourways/tests: the one that this command is run in, or that
// it was built in. It is empty where there is none any more, or no Go.
func source(ctx context.Context) string {
	_, file, _, _ := runtime.Caller(0)
	for _, folder := range []string{"", filepath.Dir(file)} {
		if _, err := os.Stat(folder); folder != "" && err != nil {
			continue
		}
		list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "fourways/tests")
		list.Dir = folder
		if out, err := list.Output(); err == nil {
			return strings.TrimSpace(string(out))
		}
	}
	return ""
}

// compileAll compiles what is measured.
func compileAll(ctx context.Context, o *options, tests, dir string) error {
	commit, _ := exec.CommandContext(ctx, "git", "-C", tests, "describe", "--always", "--abbrev=40", "--dirty= (changed)").Output()
	if err := os.WriteFile(filepath.Join(dir, commitFile), commit, 0o644); err != nil {
		return err
	}
	for _, name := range append(stageNames, peerNames...) {
		if !o.wants(name) {
			continue
		}
		folder := filepath.Join(filepath.Dir(tests), name)
		if slices.Contains(peerNames, name) {
			folder = filepath.Join(tests, "peers", name)
		}
		if _, err := os.Stat(folder); err == nil {
			compile(ctx, folder, ".", filepath.Join(dir, binDir, name))
		}
	}
	if slices.ContainsFunc(o.works, func(w *work) bool { return w.name == "hey" }) {
		compile(ctx, tests, heyPackage, filepath.Join(dir, binDir, "hey"))
	}
	return nil
}

// linkAll takes programs that lie beside this one, where there is no source of them. Those that are
// not there are told.
func linkAll(o *options, dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, name := range append(stageNames, peerNames...) {
		if !o.wants(name) {
			continue
		}
		target, beside := filepath.Join(dir, binDir, name), filepath.Join(filepath.Dir(self), name)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			err = os.Symlink(beside, target)
			if err != nil {
				return err
			}
			continue
		}
		if err := os.WriteFile(target+failedSuffix, []byte(noSource), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// noSource is why a program of the project is not measured.
const noSource = "the project's source is not here; put the program beside this one"

// wants reports whether a program is measured, or stands behind what is.
func (o *options) wants(program string) bool {
	switch {
	case o.servers.MatchString(program):
		return true
	case program == floorProgram && (o.servers.MatchString(floorCopy) || o.servers.MatchString(floorSplice)):
		return true
	}
	return slices.ContainsFunc(o.works, func(w *work) bool {
		return w.upstream != nil && program == limitName || w.echoes && program == floorProgram
	})
}

// makeCertificate makes the certificate that all servers show, with an ECDSA key on P-256.
func makeCertificate(folder string) error {
	_, err := certs.Load(certs.Options{SelfSigned: &certs.SelfSigned{Folder: folder}})
	if err == nil {
		_, _, err = certificate(folder)
	}
	return err
}

// certificate is the file with certificate and key, and the certificate in DER.
func certificate(folder string) (file string, leaf []byte, err error) {
	found, err := filepath.Glob(filepath.Join(folder, "*.pem"))
	if err != nil || len(found) != 1 {
		return "", nil, fmt.Errorf("there are %d certificates in %s", len(found), folder)
	}
	pair, err := tls.LoadX509KeyPair(found[0], found[0])
	if err != nil {
		return "", nil, err
	}
	return found[0], pair.Certificate[0], nil
}

// compile builds a package where folder's module can see it.
func compile(ctx context.Context, folder, pkg, target string) {
	os.MkdirAll(filepath.Dir(target), 0o755)
	cmd := gobuild.Command(ctx, pkg, target)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		os.WriteFile(target+failedSuffix, fmt.Appendf(nil, "%v\n%s", err, out), 0o644)
	}
}

// failedSuffix marks the compiler's words about a program that is not there.
const failedSuffix = ".failed"

// writeRoot writes the files that the chosen works ask for. Their content is letters at
// random: the same in each run, and of no use to a compressor.
func writeRoot(o *options, root string) error {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	for _, w := range o.works {
		files := []string{w.file}
		if w.mixed {
			files = append(files, mix...)
		}
		for _, file := range files {
			path := filepath.Join(root, file)
			if _, err := os.Stat(path); err == nil {
				continue
			}
			if err := os.WriteFile(path, letters(sizes[file]), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

func letters(n int) []byte {
	random := rand.NewPCG(1, 2)
	text := make([]byte, n)
	for i := range text {
		text[i] = 'a' + byte(random.Uint64()%26)
	}
	return text
}
