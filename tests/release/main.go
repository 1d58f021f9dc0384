// Command release makes what is given away: for each system an archive and a Debian package, with
// man pages and completions made from the help text, and the sums of them all.
//
//	go run ./tests/release -out DIR [-version v1.2.3]
//
// The same commit gives the same bytes, wherever and whenever it is built: programs are static,
// know no paths of the machine they were built on, and every file has the time of the commit.
// Without dpkg-deb(1) no packages are made, and that is said.
//
// .ci/release runs it twice and compares.
package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"fourways/tests/mutants"
)

// stages are the programs. The last is the one that is made a service.
var stages = []string{"stage1-threadpool", "stage2-poll", "stage3-epoll", "stage4-prefork"}

// service is the name of the last stage as a service.
const service = "fourways"

// release is what is to be made.
type release struct {
	root    string // the project's
	out     string
	work    string // for programs and packages while they are made
	version string
	time    time.Time // of every file
	stages  []string
	archs   []string // Go's names, which are Debian's too
}

func main() {
	r := release{}
	var archs, only string
	flag.StringVar(&r.out, "out", "", "the `folder` that all is written to")
	flag.StringVar(&r.version, "version", "", "the version; without it, the commit's tag, or what is nearest to it")
	flag.StringVar(&archs, "arch", "amd64,arm64", "processors, with commas")
	flag.StringVar(&only, "stages", strings.Join(stages, ","), "programs, with commas; the last is the service")
	flag.Parse()
	r.stages = strings.Split(only, ",")
	r.archs = strings.Split(archs, ",")
	if err := r.run(); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// run makes all of it.
func (r *release) run() (err error) {
	if r.out == "" || flag.NArg() > 0 {
		return errors.New("say where to by -out FOLDER, and nothing else")
	}
	if r.root, err = mutants.Root(); err != nil {
		return err
	}
	if r.version == "" {
		if r.version, err = r.git("describe", "--tags", "--always", "--dirty"); err != nil {
			return err
		}
	}
	seconds, err := r.git("log", "-1", "--format=%ct")
	if err != nil {
		return err
	}
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return err
	}
	r.time = time.Unix(unix, 0).UTC()
	if r.work, err = os.MkdirTemp("", "fourways-release-*"); err != nil {
		return err
	}
	defer os.RemoveAll(r.work)
	return r.make()
}

// git is what git says of the project.
func (r *release) git(args ...string) (string, error) {
	out, err := exec.Command("git", append([]string{"-C", r.root}, args...)...).Output()
	return strings.TrimSpace(string(out)), err
}

// make makes archives, packages and sums.
func (r *release) make() error {
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	helps, err := r.helps()
	if err != nil {
		return err
	}
	var made []string
	for _, arch := range r.archs {
		programs, err := r.programs(arch)
		if err != nil {
			return err
		}
		name, err := r.archive(arch, programs, helps)
		if err != nil {
			return err
		}
		made = append(made, name)
		name, err = r.debian(arch, programs, helps)
		if errors.Is(err, exec.ErrNotFound) {
			fmt.Println("no Debian package:", err)
			continue
		}
		if err != nil {
			return err
		}
		made = append(made, name)
	}
	return r.sums(made)
}

// programs builds the stages for a processor, and returns them by their names.
func (r *release) programs(arch string) (map[string][]byte, error) {
	programs := map[string][]byte{}
	for _, stage := range r.stages {
		file := filepath.Join(r.work, arch, stage)
		if err := r.build(file, stage, "GOARCH="+arch); err != nil {
			return nil, err
		}
		program, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		programs[stage] = program
	}
	return programs, nil
}

// build builds a stage: static, without paths, and told its version.
func (r *release) build(file, stage string, env ...string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=true", "-ldflags", "-s -w -X fourways/shared/config.release="+r.version, "-o", file, ".")
	cmd.Dir = filepath.Join(r.root, stage)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS="), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", stage, err, out)
	}
	return nil
}

// helps is what each stage says of itself.
func (r *release) helps() (map[string]help, error) {
	helps := map[string]help{}
	for _, stage := range r.stages {
		cmd := exec.Command("go", "run", "-trimpath", "-buildvcs=false", ".", "-h")
		cmd.Dir = filepath.Join(r.root, stage)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // of this machine, whatever is built
		text, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("%s -h: %w", stage, err)
		}
		if helps[stage], err = parseHelp(string(text)); err != nil {
			return nil, fmt.Errorf("%s -h: %w", stage, err)
		}
	}
	return helps, nil
}

// sums writes SHA256SUMS, as sha256sum(1) checks it.
func (r *release) sums(names []string) error {
	var out bytes.Buffer
	slices.Sort(names)
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(r.out, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%x  %s\n", sha256.Sum256(text), name)
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), out.Bytes(), 0o644)
}
