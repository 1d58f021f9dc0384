//go:build linux

package main

// What a socket holds after sendfile(2): the file's pages, and no copy of them.
//
// The file is in the lab's own folder, and the socket in this process, so that nothing is read
// before the file has changed. What must not be done: not more may be sent than the socket takes
// at once.

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

var truncate = lab{
	name:    "truncate",
	seconds: 1,
	asks: "sendfile puts 64 KiB of the letter a into a socket. Then somebody cuts the file off after 100 bytes, and only then is the socket read. " +
		"How many zeros arrive?",
	unit: "zeros",
	run:  runTruncate,
}

const (
	filmSize = 64 << 10
	stump    = 100     // what is left of the file
	pageSize = 4 << 10 // the smallest piece that a file system keeps
)

func runTruncate(r *rig) (res result, err error) {
	res = result{Unit: "bytes", Apart: true, Kinds: [kinds]string{good: "as sent", bad: "never sent"},
		Learnt: "sendfile copies nothing, so what is in the socket is the file's own page, and whoever changes the file changes what was sent.\n" +
			"A file that is served is never edited in place: write a new one beside it, and rename it."}
	for _, way := range []struct {
		name   string
		send   func(socket int, f *os.File) (int, error)
		change func(name string) error
		whole  bool // all arrives as it was sent
	}{
		{"copied, then cut off", copyInto, cutOff, true},
		{"sendfile, then cut off", sendInto, cutOff, false},
		{"sendfile, then written over", sendInto, writeOver, false},
		{"sendfile, then replaced", sendInto, replace, true},
	} {
		r.say("%s", way.name)
		got, err := r.sentAndChanged(way.send, way.change)
		if err != nil {
			return res, err
		}
		res.strip(way.name, runs(got)...)
		letters, zeros := bytes.Count(got, []byte("a")), bytes.Count(got, []byte{0})
		res.add(way.name+": a", float64(letters))
		if way.whole {
			res.claims(letters == len(got), "%s: all that arrives is what was sent", way.name)
			continue
		}
		res.claims(letters < len(got), "%s: %d of %d letters are not those that were sent", way.name, len(got)-letters, len(got))
		if zeros > 0 {
			res.Answer = float64(zeros)
			res.claims(zeros >= pageSize-stump && zeros+letters == len(got), "at least the rest of the page comes as zeros, which nobody has ever written")
		}
	}
	return res, nil
}

// sentAndChanged is what arrives of a file that is changed after it was sent.
func (r *rig) sentAndChanged(send func(int, *os.File) (int, error), change func(string) error) ([]byte, error) {
	dir, err := os.MkdirTemp(r.dir, "film-*")
	if err != nil {
		return nil, err
	}
	name := filepath.Join(dir, "film.txt")
	if err := os.WriteFile(name, bytes.Repeat([]byte("a"), filmSize), 0o644); err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(ends[0])
	defer unix.Close(ends[1])
	sent, err := send(ends[0], f)
	if err != nil {
		return nil, err
	}
	if err := change(name); err != nil {
		return nil, err
	}
	got := make([]byte, sent)
	for at := 0; at < sent; {
		n, err := unix.Read(ends[1], got[at:])
		if err != nil || n == 0 {
			return nil, fmt.Errorf("after %d of %d bytes: %w", at, sent, err)
		}
		at += n
	}
	return got, nil
}

func sendInto(socket int, f *os.File) (int, error) {
	var off int64
	return unix.Sendfile(socket, int(f.Fd()), &off, filmSize)
}

func copyInto(socket int, f *os.File) (int, error) {
	text := make([]byte, filmSize)
	if _, err := f.ReadAt(text, 0); err != nil {
		return 0, err
	}
	return unix.Write(socket, text)
}

func cutOff(name string) error { return os.Truncate(name, stump) }

func writeOver(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(bytes.Repeat([]byte("b"), filmSize))
	return err
}

func replace(name string) error {
	if err := os.WriteFile(name+".new", bytes.Repeat([]byte("b"), filmSize), 0o644); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// runs is a text as runs of one byte.
func runs(text []byte) (c []cell) {
	for len(text) > 0 {
		n := len(text) - len(bytes.TrimLeft(text, string(text[:1])))
		k := good
		if text[0] != 'a' {
			k = bad
		}
		c = append(c, cell{fmt.Sprintf("%d × %q", n, text[0]), k})
		text = text[n:]
	}
	return c
}
