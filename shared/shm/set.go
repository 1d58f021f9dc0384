package shm

// The regions of one server, by name: made by the first process, inherited by the others.
//
// A Set belongs to one goroutine, and owns its regions and their descriptors. What must not be
// done: a region that is there must not be resized, since others have it mapped, and nobody may use
// a region's bytes after Close, which unmaps them.

import (
	"fmt"
	"io"
	"os"
)

// Set is the regions that the processes of one server share, by name. It belongs to one goroutine.
// The zero value is an empty one.
type Set struct{ regions map[string]*Region }

// Inherit attaches the region that another process has made, by the descriptor under which it came.
func (s *Set) Inherit(name string, fd int) error {
	region, err := Attach(os.NewFile(uintptr(fd), "inherited memory"))
	if err != nil {
		return fmt.Errorf("inherited memory for %s: %w", name, err)
	}
	s.add(name, region)
	return nil
}

// Get is the region of that name, made if it is not there. One that is there stays as large as it
// is: the others have it mapped.
func (s *Set) Get(name string, size int) ([]byte, error) {
	if region := s.regions[name]; region != nil {
		return region.Bytes(), nil
	}
	region, err := Create("fourways-"+name, size)
	if err != nil {
		return nil, err
	}
	s.add(name, region)
	return region.Bytes(), nil
}

func (s *Set) add(name string, region *Region) {
	if s.regions == nil {
		s.regions = map[string]*Region{}
	}
	s.regions[name] = region
}

// FD is the descriptor by which a child inherits the region of that name, which must be there.
func (s *Set) FD(name string) int { return int(s.regions[name].File().Fd()) }

// Close unmaps all of them, and forgets them.
func (s *Set) Close() {
	for _, region := range s.regions {
		region.Close()
	}
	clear(s.regions)
}

// Keep keeps a text in memory that a child can open by its descriptor, however often.
func Keep(name string, text []byte) (*os.File, error) {
	f, err := create(name, int64(len(text)))
	if err != nil {
		return nil, fmt.Errorf("shm: create %s: %w", name, err)
	}
	if _, err := f.WriteAt(text, 0); err != nil {
		f.Close()
		return nil, fmt.Errorf("shm: write %s: %w", name, err)
	}
	return f, nil
}

// Kept reads a text that another process has kept, by the descriptor under which it came, and
// closes that.
func Kept(fd int) ([]byte, error) {
	f := os.NewFile(uintptr(fd), "inherited text")
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(f, 0, info.Size())) // whose offset all processes share
}
