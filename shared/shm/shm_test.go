package shm

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// childKey makes this test binary play a worker, which inherits the region as its first extra
// descriptor.
const (
	childKey  = "SHM_TEST_CHILD"
	childFD   = 3
	additions = 1000
)

func TestMain(m *testing.M) {
	if os.Getenv(childKey) == "" {
		os.Exit(m.Run())
	}
	r, err := Attach(os.NewFile(childFD, "inherited"))
	if err != nil {
		panic(err)
	}
	for range additions {
		counter(r).Add(1)
	}
	os.Exit(0) // without Close, as a worker that is killed
}

func counter(r *Region) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&r.Bytes()[8]))
}

func TestProcessesShareTheMemoryAndItOutlivesThem(t *testing.T) {
	const children = 3
	r, err := Create("counters", 4096)
	require.NoError(t, err)
	counter(r).Store(5)
	var running []*exec.Cmd
	for range children {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childKey+"=1")
		cmd.ExtraFiles = []*os.File{r.File()}
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
		running = append(running, cmd)
	}
	for _, cmd := range running {
		require.NoError(t, cmd.Wait())
	}
	assert.Equal(t, uint64(5+children*additions), counter(r).Load())
	require.NoError(t, r.Close())
}

func TestANewRegionIsZeroAndOfItsSize(t *testing.T) {
	for _, size := range []int{1, 4096, 1<<20 + 1} {
		r, err := Create("zero", size)
		require.NoError(t, err)
		assert.Equal(t, make([]byte, size), r.Bytes())
		require.NoError(t, r.Close())
	}
}

func TestWhatIsNoRegionIsRefused(t *testing.T) {
	_, err := Create("empty", 0)
	assert.ErrorIs(t, err, ErrSize)
	_, err = Create("negative", -1)
	assert.ErrorIs(t, err, ErrSize)

	pipe, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	_, err = Attach(pipe)
	assert.ErrorIs(t, err, ErrSize)

	empty, err := os.Create(filepath.Join(t.TempDir(), "empty"))
	require.NoError(t, err)
	_, err = Attach(empty)
	assert.ErrorIs(t, err, ErrSize)
	assert.ErrorIs(t, empty.Close(), os.ErrClosed, "Attach has taken the file")
}

func TestNobodyCanShrinkARegionUnderTheOthers(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("seals are Linux's")
	}
	r, err := Create("sealed", 4096)
	require.NoError(t, err)
	assert.ErrorIs(t, r.File().Truncate(1), os.ErrPermission)
	assert.ErrorIs(t, r.File().Truncate(8192), os.ErrPermission)
	require.NoError(t, r.Close())
}
