//go:build darwin || freebsd

package logging

import "os"

// HandlesTTOU does nothing: no process handles SIGTTOU here.
func HandlesTTOU() {}

func write(f *os.File, p []byte) (int, error) { return f.Write(p) }
