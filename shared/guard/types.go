package guard

// Which files are served, by their names: those with an extension that is on the list, and no
// hidden ones. The list is made once and does not change; all threads use it.
//
// What must not be done: Check must not be given a path that Path has not accepted. It says nothing
// about where a symbolic link leads.

import (
	"bytes"

	"fourways/shared/fault"
)

// Types is a list of file types, by extension.
type Types struct {
	allowed map[string]struct{} // in lower case, without the dot
	longest int                 // bytes of the longest of them
}

// wellKnown is the one hidden name that is public (RFC 8615).
const wellKnown = ".well-known"

// usualExtension is the length of an extension up to which it is looked up without allocating, in
// bytes. Only a longer list entry makes a longer one be looked up at all.
const usualExtension = 32

// NewTypes makes the list from extensions in lower case, without their dot.
func NewTypes(extensions []string) *Types {
	t := &Types{allowed: make(map[string]struct{}, len(extensions))}
	for _, ext := range extensions {
		t.allowed[ext] = struct{}{}
		t.longest = max(t.longest, len(ext))
	}
	return t
}

// Check refuses a path that [Path] accepted because of its names: 415 for an extension that is not
// on the list, whether or not there is such a file, then 403 for a hidden name anywhere in it. A
// folder, with its slash at the end, and a name without an extension have no type to check.
func (t *Types) Check(path []byte) fault.Fault {
	if ext := Extension(path); len(ext) > 0 && !t.Allows(ext) {
		return fault.Of(fault.RefusedType)
	}
	if Hidden(path) {
		return fault.Of(fault.HiddenFile)
	}
	return fault.Fault{}
}

// Extension is what follows the last dot of the path's last segment, or empty.
func Extension(path []byte) []byte {
	for i := len(path) - 1; i >= 0 && path[i] != '/'; i-- {
		if path[i] != '.' {
			continue
		}
		if string(path[i:]) == wellKnown && (i == 0 || path[i-1] == '/') {
			return nil
		}
		return path[i+1:]
	}
	return nil
}

// Allows reports whether an extension is on the list, in upper or lower case.
func (t *Types) Allows(ext []byte) bool {
	if len(ext) > t.longest {
		return false
	}
	var scratch [usualExtension]byte
	lower := append(scratch[:0], ext...)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	_, ok := t.allowed[string(lower)]
	return ok
}

// WellKnown reports whether a path is of a file without an extension in the public hidden folder.
// What is there by that name is text: a certificate authority's token (RFC 8555 8.3).
func WellKnown(path []byte) bool {
	rest, in := bytes.CutPrefix(bytes.TrimPrefix(path, []byte("/")), []byte(wellKnown+"/"))
	return in && len(rest) > 0 && len(Extension(rest)) == 0
}

// Hidden reports whether a segment's name begins with a dot, except for the public one.
func Hidden(path []byte) bool {
	for {
		i := bytes.Index(path, []byte("/."))
		if i < 0 {
			return false
		}
		path = path[i+1:]
		if !bytes.HasPrefix(path, []byte(wellKnown)) || len(path) > len(wellKnown) && path[len(wellKnown)] != '/' {
			return true
		}
	}
}
