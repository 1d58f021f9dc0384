//go:build unix && !linux

package shm

import "os"

// create uses a temporary file that loses its name at once: other systems have no memfd_create(2),
// or not its seals.
func create(name string, size int64) (*os.File, error) {
	file, err := os.CreateTemp("", name)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		file.Close()
		return nil, err
	}
	if err := file.Truncate(size); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}
