package sysnet

// Reading the limits of threads from control groups of both versions. The groups are folders of the
// test's own, in the form of the kernel's.

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	divided = "34 23 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
		"35 23 0:31 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
)

// groupsAre makes a root below which a process is in these groups, with these mounts and files.
func groupsAre(t *testing.T, groups, mounts string, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	write := func(name, text string) {
		name = filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
	write("proc/self/cgroup", groups)
	write("proc/self/mountinfo", mounts)
	for name, text := range files {
		write(name, text)
	}
	return root
}

func TestTheNarrowestGroupSaysHowManyThreadsAreFree(t *testing.T) {
	cases := []struct {
		name, groups, mounts string
		files                map[string]string
		free                 int
		limit                string // empty for none
	}{
		{"its own group", "0::/a/b\n", unified, map[string]string{
			"sys/fs/cgroup/a/b/pids.max": "20\n", "sys/fs/cgroup/a/b/pids.current": "12\n",
			"sys/fs/cgroup/a/pids.max": "max\n", "sys/fs/cgroup/a/pids.current": "12\n",
		}, 8, "/sys/fs/cgroup/a/b/pids.max"},
		{"a group above it", "0::/a/b\n", unified, map[string]string{
			"sys/fs/cgroup/a/b/pids.max": "20\n", "sys/fs/cgroup/a/b/pids.current": "2\n",
			"sys/fs/cgroup/a/pids.max": "30\n", "sys/fs/cgroup/a/pids.current": "29\n",
		}, 1, "/sys/fs/cgroup/a/pids.max"},
		{"a container's root", "0::/\n", unified, map[string]string{
			"sys/fs/cgroup/pids.max": "9\n", "sys/fs/cgroup/pids.current": "2\n",
		}, 7, "/sys/fs/cgroup/pids.max"},
		{"more than are allowed run already", "0::/a\n", unified, map[string]string{
			"sys/fs/cgroup/a/pids.max": "3\n", "sys/fs/cgroup/a/pids.current": "9\n",
		}, 0, "/sys/fs/cgroup/a/pids.max"},
		{"version 1", "8:pids:/a\n4:memory:/m\n0::/\n", divided + unified, map[string]string{
			"sys/fs/cgroup/pids/a/pids.max": "20\n", "sys/fs/cgroup/pids/a/pids.current": "15\n",
		}, 5, "/sys/fs/cgroup/pids/a/pids.max"},
		{"a part of the tree", "0::/docker/c/a\n", "30 23 0:26 /docker/c /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", map[string]string{
			"sys/fs/cgroup/a/pids.max": "20\n", "sys/fs/cgroup/a/pids.current": "15\n",
		}, 5, "/sys/fs/cgroup/a/pids.max"},
		{"no limit", "0::/a\n", unified, map[string]string{
			"sys/fs/cgroup/a/pids.max": "max\n", "sys/fs/cgroup/a/pids.current": "15\n",
		}, 0, ""},
		{"no controller", "0::/a\n", unified, nil, 0, ""},
		{"nothing mounted", "0::/a\n", "", nil, 0, ""},
		{"no groups", "", unified, nil, 0, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			root := groupsAre(t, tc.groups, tc.mounts, tc.files)
			free, limit, limited := freeInGroups(root)
			assert.Equal(t, tc.free, free)
			assert.Equal(t, tc.limit != "", limited)
			if limited {
				assert.Contains(t, limit, tc.limit+" ")
			}
		})
	}
}

func TestThreadsAreCountedByTheirRealUser(t *testing.T) {
	proc := t.TempDir()
	for pid, text := range map[string]string{
		"1":    "Name:\ta\nUid:\t0\t7\t7\t7\nThreads:\t100\n",
		"20":   "Name:\tb\nUid:\t7\t0\t0\t0\nThreads:\t3\n",
		"21":   "Name:\tUid: 9\nUid:\t7\t7\t7\t7\nThreads:\t4\n",
		"self": "Name:\td\nUid:\t7\t7\t7\t7\nThreads:\t4\n",
	} {
		require.NoError(t, os.Mkdir(filepath.Join(proc, pid), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(proc, pid, "status"), []byte(text), 0o644))
	}
	assert.Equal(t, 7, threadsOf(proc, 7))
	assert.Equal(t, 0, threadsOf(proc, 8))
}
