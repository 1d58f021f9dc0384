package session

import "unsafe"

// bytesOf is the memory of words, aligned as a region must be.
func bytesOf(words []uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8)
}
