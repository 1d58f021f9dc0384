package app

import (
	"os"
	"runtime/debug"

	"fourways/shared/config"
	"fourways/shared/sysnet"
)

// heapParts is how many tenths of the memory that there is Go's heaps of all processes may take
// without more collections. The rest is for what is no heap: the kernel's memory of sockets, and
// pages of files.
const heapParts = 8

// boundHeap has garbage collected earlier where memory is short. Go lets a heap grow to twice of
// what was in use (GOGC), and a control group with room for what is in use, but not for twice of
// it, would have the kernel end the process. The bound is a soft one: nothing fails beyond it.
func (a *App) boundHeap() { setHeapBound(sysnet.Memory() / 10 * heapParts / int64(a.processes())) }

// processes is how many serve.
func (a *App) processes() int {
	if a.stage.Processes > 1 {
		return a.Config.Workers
	}
	return 1
}

// cacheParts and connParts are how many eighths of the memory that there is may go to the bodies of
// files that all processes keep, and to what all connections hold. Queues for slow readers have two
// more, and so has what the kernel keeps of connections that hold nothing (kernelParts).
const (
	cacheParts  = 1
	connParts   = 3
	kernelParts = 2
)

// kernelBytes is what the kernel keeps of an open socket that holds no bytes, as counted in a
// control group, with what we keep of it.
const kernelBytes = 5 << 10

// connsIn is how many connections have room in so many bytes of memory, while they hold nothing.
func (a *App) connsIn(memory int64) int {
	return int(memory / 8 * kernelParts / kernelBytes / int64(a.descriptors()))
}

// cacheBytes is how many bytes of file bodies the process keeps: as many as somebody says, else the
// default, or the process's part of the share where that is less. A site that is larger than the
// memory would otherwise have the kernel end the process.
func (a *App) cacheBytes(said int64) int64 {
	if share := sysnet.Memory() / 8 * cacheParts / int64(a.processes()); said == config.DefaultCacheSize && share > 0 {
		return min(said, share)
	}
	return said
}

// A client that reads fast, and then not at all, has the kernel keep up to 4 MiB of an answer
// (tcp_wmem, tcp(7)), which a control group is charged with. In one of less than littleMemory bytes
// it is unsentBytes. Elsewhere the kernel decides: it needs the room where the network is fast.
const (
	littleMemory = 1 << 30
	unsentBytes  = 128 << 10
)

// boundUnsent bounds what the kernel keeps of that for the connections of all listeners. A worker
// shares those of its master, which has done so.
func (a *App) boundUnsent() {
	if a.stage.Process > 0 || sysnet.GroupMemory() >= littleMemory {
		return
	}
	for _, l := range a.Listeners {
		sysnet.LimitUnsent(l.FD, unsentBytes)
	}
}

// memoryOfThread is what the connections of one thread may hold together, in bytes; 0 for no bound:
// a thread that blocks has one connection. It is the same for all threads, and asked for by each.
func (a *App) memoryOfThread() int64 {
	if a.stage.Blocking {
		return 0
	}
	a.share.Do(func() {
		a.shareBytes = sysnet.Memory() / 8 * connParts / int64(max(a.Config.Workers, 1))
	})
	return a.shareBytes
}

// setHeapBound sets the bound in bytes, 0 for none, unless GOMEMLIMIT has done so.
func setHeapBound(most int64) {
	if most > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(most)
	}
}
