package app

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/config"
	"fourways/shared/sysnet"
)

// The heap is held to the memory that there is, which the workers of a server share; who sets
// GOMEMLIMIT knows better.
func TestTheHeapMakesDoWithTheMemoryThatThereIs(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	a := &App{Config: &config.Config{Workers: 4}}
	t.Setenv("GOMEMLIMIT", "")
	a.boundHeap()
	require.Equal(t, sysnet.Memory()/10*8, debug.SetMemoryLimit(-1))
	a.stage.Processes = 64
	a.boundHeap()
	require.Equal(t, sysnet.Memory()/10*8/4, debug.SetMemoryLimit(-1))
	t.Setenv("GOMEMLIMIT", "1GiB")
	debug.SetMemoryLimit(1 << 30)
	a.boundHeap()
	require.EqualValues(t, 1<<30, debug.SetMemoryLimit(-1))
}

// The bodies that are kept, and what connections hold, fit into the memory that there is, which
// the workers of a server share; who says how much is to be kept knows better.
func TestWhatIsKeptFitsIntoTheMemoryThatThereIs(t *testing.T) {
	a := &App{Config: &config.Config{Workers: 1 << 20}}
	a.stage.Processes = 1 << 20
	share := sysnet.Memory() / 8 >> 20
	require.Equal(t, share, a.cacheBytes(config.DefaultCacheSize))
	require.EqualValues(t, 1<<30, a.cacheBytes(1<<30))
	require.Equal(t, sysnet.Memory()/8*3>>20, a.memoryOfThread())
	a.stage.Processes = 0
	require.EqualValues(t, min(share<<20, config.DefaultCacheSize), a.cacheBytes(config.DefaultCacheSize))
	require.Equal(t, 4<<10, a.connsIn(80<<20), "a quarter, of 5 KiB each")
	a.Config.Relays = make([]config.Relay, 1)
	require.Equal(t, 2<<10, a.connsIn(80<<20), "a relay has two sockets")
	a.stage.Blocking = true
	require.Zero(t, a.memoryOfThread())
}
