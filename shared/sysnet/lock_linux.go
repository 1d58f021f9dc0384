package sysnet

import "golang.org/x/sys/unix"

// mayLockAll reports whether this process may lock as much memory as it likes (CAP_IPC_LOCK,
// capabilities(7)).
func mayLockAll() bool {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	return unix.Capget(&h, &sets[0]) == nil && sets[0].Effective>>unix.CAP_IPC_LOCK&1 == 1
}
