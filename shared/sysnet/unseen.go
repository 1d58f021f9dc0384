package sysnet

// Unseen is how much of a wait, in milliseconds, a thread may spend in a raw system call, of which
// Go's scheduler does not know; a timeout of -1 is for ever. The thread holds one of Go's
// processors meanwhile. So it is none while slow work is under way, which wants the processor.
func Unseen(timeout, working int) int {
	if working > 0 {
		return 0
	}
	return int(min(uint(timeout), UnseenWait))
}
