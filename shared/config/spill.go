package config

// Where bytes wait whose reader is slower than who sends them.

// Spill is how much may wait, and where.
type Spill struct {
	Memory int64  // bytes of a connection in memory
	Most   int64  // bytes of all connections in memory; 0 for a part of what there is
	File   int64  // bytes of a connection on the disk; 0 for none
	Total  int64  // bytes on the disk of all connections together
	Folder string // where the files are made, which have no names
}

func spillRows(s *Spill) []Flag {
	return []Flag{
		{Group: groupSpill, Name: "proxy-buffer", Unit: "KIB", Default: "1024",
			Help: "memory of a connection for what its reader has not taken yet", Set: Size(&s.Memory, kib, leastBuffer, maxCacheKiB)},
		{Group: groupSpill, Name: "proxy-buffer-total", Unit: "MIB", Default: "0",
			Help: "memory of all connections for that; over it each has little, and more goes into its file at once; 0 for a quarter of what the machine, or the control group, has", Set: Size(&s.Most, mib, 0, maxCacheMiB)},
		{Group: groupSpill, Name: "proxy-spill", Unit: "MIB", Default: "256",
			Help: "what goes into a file when that is used up; over it the sender has to wait; 0 for none", Set: Size(&s.File, mib, 0, maxCacheMiB)},
		{Group: groupSpill, Name: "proxy-spill-total", Unit: "MIB", Default: "4096",
			Help: "all such files of the server together", Set: Size(&s.Total, mib, 0, maxCacheMiB)},
		{Group: groupSpill, Name: "proxy-spill-dir", Unit: "FOLDER", Default: "/var/tmp",
			Help: "where they are made, on a disk and not in memory (tmpfs); they have no names and end with their process", Set: text(&s.Folder)},
	}
}
