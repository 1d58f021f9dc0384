package sysnet

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTheNarrowestGroupSaysHowMuchMemoryThereIs(t *testing.T) {
	const machine = 1 << 30
	for name, tc := range map[string]struct {
		groups, mounts string
		files          map[string]string
		want           int64
	}{
		"its own group":  {"0::/a/b\n", unified, map[string]string{"sys/fs/cgroup/a/b/memory.max": "1000\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 1000},
		"one above it":   {"0::/a/b\n", unified, map[string]string{"sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "2000\n"}, 2000},
		"version 1":      {"4:memory:/m\n0::/\n", divided + unified, map[string]string{"sys/fs/cgroup/memory/m/memory.limit_in_bytes": "3000\n"}, 3000},
		"more than all":  {"4:memory:/m\n", divided, map[string]string{"sys/fs/cgroup/memory/m/memory.limit_in_bytes": "9223372036854771712\n"}, machine},
		"no limit":       {"0::/a\n", unified, map[string]string{"sys/fs/cgroup/a/memory.max": "max\n"}, machine},
		"nothing to see": {"", "", nil, machine},
	} {
		t.Run(name, func(t *testing.T) {
			root := groupsAre(t, tc.groups, tc.mounts, tc.files)
			assert.Equal(t, tc.want, memoryIn(root, machine))
		})
	}
	assert.Positive(t, Memory())
}
