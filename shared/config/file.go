package config

// The file of -config: one `name value` a line, as on the command line without the dash. Blank
// lines and lines that begin with # are skipped. A # further on is part of the value, since a
// header may hold one. A switch may stand alone.

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"unicode/utf8"
)

const (
	maxFile = 1 << 20 // bytes
	// byteOrderMark is what some editors put in front of UTF-8. It means nothing.
	byteOrderMark = "\ufeff"
)

// entry is one value and where it was said, for the error that may come of it.
type entry struct {
	name, value string
	where       string // "-max-head", "FOURWAYS_MAX_HEAD", "server.conf:3: max-head"
}

// readFile returns the file's text, which is never nil. It waits for nobody but a disk: opening a
// FIFO waits for its writer unless O_NONBLOCK is given (fifo(7)), and reading one does in any case.
// What cannot be read twice would be empty at HUP.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, usage("-config: %v; give a file that can be read", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() && path != os.DevNull {
		return nil, usage("-config: %s is no regular file; give one, as its settings may be read again", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, usage("-config: %v; give a file that can be read", err)
	}
	return data, nil
}

// parseFile splits the text into entries. It does not know which names exist.
func parseFile(path string, data []byte) ([]entry, error) {
	if len(data) > maxFile {
		return nil, usage("%s: more than %d bytes; give a file of settings", path, maxFile)
	}
	var entries []entry
	data = bytes.TrimPrefix(data, []byte(byteOrderMark))
	for i, raw := range bytes.Split(data, []byte("\n")) {
		line := string(bytes.Trim(raw, " \t\r"))
		if line == "" || line[0] == '#' {
			continue
		}
		where := fmt.Sprintf("%s:%d", path, i+1)
		if !utf8.ValidString(line) || strings.ContainsFunc(line, control) {
			return nil, usage("%s: holds a control character or is not UTF-8; write one `name value` a line", where)
		}
		name, value := line, ""
		if blank := strings.IndexAny(line, " \t"); blank >= 0 {
			name, value = line[:blank], strings.Trim(line[blank:], " \t")
		}
		entries = append(entries, entry{name: name, value: value, where: where + ": " + name})
	}
	return entries, nil
}

func control(r rune) bool { return r != '\t' && r < ' ' || r == 0x7f }
