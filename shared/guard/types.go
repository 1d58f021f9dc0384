package guard

import (
	"bytes"

	"fourways/shared/http1"
)

// Types is the list of the file types that are served, by extension.
type Types struct {
	allowed []string // in lower case, without the dot
}

// wellKnown is the one hidden name that is public (RFC 8615).
const wellKnown = ".well-known"

// NewTypes makes the list from extensions in lower case, without their dot.
func NewTypes(extensions []string) *Types {
	return &Types{allowed: append([]string(nil), extensions...)}
}

// Check refuses a path that [Path] accepted for what its names say: 415 for an
// extension that is not on the list, whether or not there is such a file, then 403
// for a hidden name anywhere in it. A folder, with its slash at the end, and a name
// without an extension have no type to check.
func (t *Types) Check(path []byte) http1.Fault {
	if ext := Extension(path); len(ext) > 0 && !t.allows(ext) {
		return http1.Fault{Status: 415, Reason: http1.RefusedType}
	}
	if hidden(path) {
		return http1.Fault{Status: 403, Reason: http1.HiddenFile}
	}
	return http1.Fault{}
}

// Extension is what stands behind the last dot of the path's last segment, or
// empty.
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

func (t *Types) allows(ext []byte) bool {
	for _, allowed := range t.allowed {
		if http1.EqualFold(ext, allowed) {
			return true
		}
	}
	return false
}

// hidden reports whether a segment's name begins with a dot.
func hidden(path []byte) bool {
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
