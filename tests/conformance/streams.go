package conformance

// Whether a server sends files as it reads them. One that takes a file into memory whole would need
// 4 GiB for the largest of the site, and take the machine with it. What must not be done: where it
// cannot be seen, the server must not be asked.

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// Sizes of the look, in bytes.
const (
	streamSize = 64 << 20 // of a file that is more than socket buffers hold
	streamAnon = 24 << 20 // of memory that a server which streams does not take for it
)

// whyNoStream says why the server must not be asked for a very large file, or "". It asks for a
// file of 64 MiB, reads the answer's beginning, and looks at the process's own memory.
func (s *server) whyNoStream() string {
	s.looked.Do(func() { s.why = s.lookForStream() })
	return s.why
}

func (s *server) lookForStream() string {
	const unknown = "whether the server streams files is not known"
	if s.cmd == nil {
		return unknown + ": start it with -cmd"
	}
	path := s.inRoot("streams.txt")
	file, err := os.Create(path)
	if err != nil {
		return unknown
	}
	defer os.Remove(path)
	defer file.Close()
	if err := file.Truncate(streamSize); err != nil {
		return unknown
	}
	before, err := s.anonymous()
	if err != nil {
		return unknown + " on this system"
	}
	conn, _, err := s.dial(s.addr)
	if err != nil {
		return unknown + ": " + err.Error()
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, get("/streams.txt"))
	in := reader{conn: conn}
	for deadline := time.Now().Add(answerWait); !in.bodyBegun(); {
		if err := in.fill(deadline); err != nil {
			return unknown + ": " + err.Error()
		}
	}
	after, err := s.anonymous()
	if err != nil {
		return unknown
	}
	if grown := after - before; grown > streamAnon {
		return fmt.Sprintf("the server takes files into memory whole: %d MiB for one of %d", grown>>20, streamSize>>20)
	}
	return ""
}

// bodyBegun reports whether a byte after an answer's head has come: by then a file that is taken
// whole has been read.
func (r *reader) bodyBegun() bool {
	end := bytes.Index(r.buf, []byte("\r\n\r\n"))
	return end >= 0 && len(r.buf) > end+len("\r\n\r\n")
}

// anonymous is the memory that the process and its children have of their own: what is mapped from
// files does not count (RssAnon in proc_pid_status(5)).
func (s *server) anonymous() (bytes int, err error) {
	for _, pid := range processTree(s.cmd.Process.Pid) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, err
		}
		_, rest, _ := strings.Cut(string(status), "RssAnon:")
		line, _, _ := strings.Cut(rest, "kB")
		kib, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			return 0, err
		}
		bytes += kib << 10
	}
	return bytes, nil
}
