package app

import (
	"os"
	"runtime/debug"

	"fourways/shared/sysnet"
)

// heapParts is how many tenths of the memory that there is Go's heaps of all processes may take
// without more collections. The rest is for what is no heap: the kernel's memory of sockets, and
// pages of files.
const heapParts = 8

// boundHeap has garbage collected earlier where memory is short. Go lets a heap grow to twice of
// what was in use (GOGC), and a control group with room for what is in use, but not for twice of
// it, would have the kernel end the process. The bound is a soft one: nothing fails beyond it.
func (a *App) boundHeap() {
	processes := int64(1)
	if a.stage.Processes > 1 {
		processes = int64(a.Config.Workers)
	}
	setHeapBound(sysnet.Memory() / 10 * heapParts / processes)
}

// setHeapBound sets the bound in bytes, 0 for none, unless GOMEMLIMIT has done so.
func setHeapBound(most int64) {
	if most > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(most)
	}
}
