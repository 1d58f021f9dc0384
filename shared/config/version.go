package config

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// release is the version of a build that is told it, by
// -ldflags '-X fourways/shared/config.release=v1.2.3'. Others go by what the go command has noted
// of the repository: a tag, or the commit.
var release string

// version is the text of -version.
func version(stage Stage) string {
	info, _ := debug.ReadBuildInfo() // nil for a binary without modules
	return versionOf(stage, info)
}

// versionOf says in four lines which program it is: its version, the commit it was built from, Go,
// and what is in it.
func versionOf(stage Stage, info *debug.BuildInfo) string {
	v, noted := "(devel)", map[string]string{}
	if info != nil {
		v = cmp.Or(info.Main.Version, v)
		for _, s := range info.Settings {
			noted[s.Key] = s.Value
		}
	}
	commit := cmp.Or(noted["vcs.revision"], "unknown")
	if at := noted["vcs.time"]; at != "" {
		commit += " of " + at
	}
	if noted["vcs.modified"] == "true" {
		commit += ", with changes"
	}
	return fmt.Sprintf("fourways %s %s\ncommit: %s\ngo: %s %s/%s\nfeatures: %s\n", stage.Name, cmp.Or(release, v), commit,
		runtime.Version(), runtime.GOOS, runtime.GOARCH, strings.Join(features(stage, noted), " "))
}

// features is what a stage has that not every stage or build has, and what all have that a client
// may ask for.
func features(stage Stage, noted map[string]string) []string {
	list := []string{"tls", "proxy-protocol", "proxy"}
	if stage.Number >= firstWithRelays {
		list = append(list, "relay")
	}
	if noted["CGO_ENABLED"] == "1" {
		list = append(list, "cgo")
	}
	if noted["-race"] == "true" {
		list = append(list, "race")
	}
	return list
}
