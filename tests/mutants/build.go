package mutants

// Building a stage with one mutant in it, by an overlay.
//
// The folder that is given belongs to the caller, who removes it. What must not be done: the
// project's own files must not be touched, since other builds go on at the same time.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"fourways/tests/gobuild"
)

// Root finds the project's root from any folder in it.
func Root() (string, error) {
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "fourways/tests/mutants").Output()
	if err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
		}
		return "", fmt.Errorf("find the project, in whose folders this runs: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "..", ".."), nil
}

// Source is the text of the mutant's file. Its path leads through this folder and is not cleaned:
// the go command repeats a test that passed only when a file changed that it opened below its own
// module, and goes by the path's letters.
func (m Mutant) Source(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, "tests", "mutants") + "/../../" + m.File)
	if err != nil {
		return "", fmt.Errorf("mutant %s: %w", m.Name, err)
	}
	return string(text), nil
}

// Overlay writes the edited copy of the mutant's file into dir, and beside it the overlay
// that puts it in the original's place. It returns the overlay's path, for the -overlay
// flag of go build and go test.
func (m Mutant) Overlay(root, dir string) (string, error) {
	text, err := m.Source(root)
	if err != nil {
		return "", err
	}
	edited, err := m.Apply(text)
	if err != nil {
		return "", err
	}
	copied := filepath.Join(dir, filepath.Base(m.File))
	if err := os.WriteFile(copied, []byte(edited), 0o644); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, m.File): copied}})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, overlay, 0o644)
}

// Build builds the mutant's stage into the file out. dir is for what the build needs, and
// may be removed afterwards.
func (m Mutant) Build(root, dir, out string) error {
	overlay, err := m.Overlay(root, dir)
	if err != nil {
		return err
	}
	return build(root, m.Stage, out, "-overlay", overlay)
}

// build builds a stage, with flags for the compiler, into the file out.
func build(root, stage, out string, flags ...string) error {
	cmd := gobuild.Command(context.Background(), ".", out, flags...)
	cmd.Dir = filepath.Join(root, stage) // its module's, where there is no workspace
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", stage, err, text)
	}
	return nil
}
