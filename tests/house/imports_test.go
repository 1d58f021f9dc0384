package house

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// floors are the packages, from the top down. A package imports those on floors below its own,
// and none on its own floor or above.
var floors = [][]string{
	{"stage4-prefork"},
	{"stage3-epoll", "stage2-poll", "stage1-threadpool"},
	{"stage3-epoll/loop"},
	{"shared/app"},
	{"shared/relay", "shared/proxy"},
	{"shared/site", "shared/auth", "shared/secure", "shared/proxyproto", "shared/faults", "shared/upstream"},
	{"shared/session", "shared/spill", "shared/kqueue"},
	{"shared/http1", "shared/guard", "shared/limiter", "shared/filecache", "shared/accesslog", "shared/machine", "shared/certs", "shared/resolve"},
	{"shared/sysnet", "shared/stats", "shared/logging"},
	{"shared/chain", "shared/fault", "shared/syntax", "shared/figures", "shared/config", "shared/offload", "shared/timerwheel", "shared/children", "shared/tickets"},
	{"shared/clock", "shared/bufpool", "shared/shm", "shared/timeout", "shared/plural", "shared/states", "shared/course"},
}

// helpers are packages that only tests import.
var helpers = []string{"shared/chain/chaintest", "shared/machine/machinetest", "shared/http1/http1test", "shared/certs/certstest", "shared/secure/securetest", "shared/ensemble"}

func floorOf(pkg string) int {
	return slices.IndexFunc(floors, func(f []string) bool { return slices.Contains(f, pkg) })
}

// packages is what each package of the server imports of the others.
func packages(t *testing.T) map[string][]string {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}",
		"fourways/shared/...", "fourways/stage1-threadpool", "fourways/stage2-poll", "fourways/stage3-epoll/...", "fourways/stage4-prefork").Output()
	require.NoError(t, err)
	all := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		names := strings.Fields(strings.ReplaceAll(line, "fourways/", ""))
		all[names[0]] = slices.DeleteFunc(names[1:], func(name string) bool { return floorOf(name) < 0 })
	}
	return all
}

func TestImportsRunDownwards(t *testing.T) {
	for pkg, imports := range packages(t) {
		if slices.Contains(helpers, pkg) {
			continue
		}
		require.GreaterOrEqual(t, floorOf(pkg), 0, "%s stands on no floor", pkg)
		for _, name := range imports {
			require.Greater(t, floorOf(name), floorOf(pkg), "%s imports %s", pkg, name)
		}
	}
}

// What knows HTTP's wire is the session and what stands above it.
func TestHTTPIsImportedBySessionsAndAboveAlone(t *testing.T) {
	for pkg, imports := range packages(t) {
		if slices.Contains(imports, "shared/http1") {
			require.LessOrEqual(t, floorOf(pkg), floorOf("shared/session"), pkg)
		}
	}
}
