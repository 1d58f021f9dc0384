//go:build darwin || freebsd

package sysnet

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// LoadAverage is the number of runnable processes averaged over the last 1, 5 and 15
// minutes (getloadavg(3)); zeros where the system does not say.
func LoadAverage() (load [3]float64) {
	// struct loadavg: three fixed-point numbers of 32 bits, then the scale, a long.
	raw, err := unix.SysctlRaw("vm.loadavg")
	if err != nil || len(raw) < 24 {
		return load
	}
	scale := float64(binary.NativeEndian.Uint64(raw[16:]))
	for i := range load {
		load[i] = float64(binary.NativeEndian.Uint32(raw[4*i:])) / scale
	}
	return load
}
