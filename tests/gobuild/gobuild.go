// Package gobuild makes programs of the project, for whoever starts them.
//
// `go build` links a program anew for each file that it writes. What `go run` has linked stays in
// Go's cache, for all packages whose tests want the same program. So here `go run` makes it, and a
// copy is taken in place of a run.
package gobuild

import (
	"context"
	"os/exec"
)

// takeCopy is what `go run` starts: a shell, with the program's path and the copy's.
const takeCopy = `sh -c 'cp "$0" "$1"'`

// Command makes a main package's program, with flags for the compiler, and writes it to a file. The
// package is named as for `go run`, from the folder in which the command is started.
func Command(ctx context.Context, pkg, program string, flags ...string) *exec.Cmd {
	args := append([]string{"run", "-exec", takeCopy}, flags...)
	return exec.CommandContext(ctx, "go", append(args, pkg, program)...)
}
