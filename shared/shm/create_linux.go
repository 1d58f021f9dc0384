package shm

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// seals fix the size for good: if a region shrank, SIGBUS would kill each process that touches its
// end (memfd_create(2)).
const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

func create(name string, size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("memfd_create(2): %w; a server that is one process needs none", err)
	}
	file := os.NewFile(uintptr(fd), "memfd:"+name)
	if err := file.Truncate(size); err != nil {
		file.Close()
		if errors.Is(err, unix.EFBIG) {
			err = fmt.Errorf("%w; allow larger files (RLIMIT_FSIZE, ulimit -f)", err)
		}
		return nil, err
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}
