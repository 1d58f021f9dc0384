package sysnet

// The control groups that a process is in (cgroups(7)), of both versions. In version 1 the groups
// of each controller are a tree of their own.

import (
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// groups are the folders of the group that the process is in for a controller, as pids or memory,
// and of those above it, the root last. None where no such tree is mounted. The files that tell of
// them are looked for below root.
func groups(root, controller string) iter.Seq[string] {
	return func(yield func(string) bool) {
		mount, group := ownGroup(root, controller)
		if mount == "" {
			return
		}
		for yield(filepath.Join(mount, group)) && group != "/" {
			group = filepath.Dir(group)
		}
	}
}

// ownGroup is where the tree of a controller's groups is mounted, and the process's group in it
// (cgroups(7), proc_pid_cgroup(5)).
func ownGroup(root, controller string) (mount, group string) {
	all, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return "", ""
	}
	kind := "cgroup2"
	for line := range strings.Lines(string(all)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(parts) != 3:
		case slices.Contains(strings.Split(parts[1], ","), controller):
			kind, group = "cgroup", parts[2]
		case parts[0] == "0" && kind == "cgroup2":
			group = parts[2]
		}
	}
	at, above := groupMount(root, kind, controller)
	if at == "" || group == "" {
		return "", ""
	}
	if above != "/" { // a container may see only its own part of the tree
		group = strings.TrimPrefix(group, above)
	}
	return at, filepath.Join("/", group)
}

// groupMount is where such a tree is mounted, and which of its folders that is
// (proc_pid_mountinfo(5)).
func groupMount(root, kind, controller string) (at, above string) {
	mounts, _ := os.ReadFile(filepath.Join(root, "proc/self/mountinfo"))
	for line := range strings.Lines(string(mounts)) {
		before, after, _ := strings.Cut(line, " - ")
		own, fs := strings.Fields(before), strings.Fields(after)
		if len(own) < 5 || len(fs) < 3 || fs[0] != kind {
			continue
		}
		if kind == "cgroup2" || slices.Contains(strings.Split(fs[2], ","), controller) {
			return own[4], own[3]
		}
	}
	return "", ""
}

// readNumber reads a file with one number in it.
func readNumber(name string) (int, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}
