package sysnet

import "golang.org/x/sys/unix"

// LoadAverage is the number of runnable processes averaged over the last 1, 5 and 15
// minutes (getloadavg(3)); zeros where the system does not say.
func LoadAverage() (load [3]float64) {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		for i := range load {
			load[i] = float64(info.Loads[i]) / (1 << 16) // SI_LOAD_SHIFT, sysinfo(2)
		}
	}
	return load
}
