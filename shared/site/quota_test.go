package site

// The count of uploads: limits, several processes, and processes that are killed. The folder is
// played by two counters, and the processes share memory of the test.

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// region is memory that so many processes share.
func region(processes int) []byte {
	words := make([]uint64, QuotaSize(processes)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), QuotaSize(processes))
}

// shelf is a folder that is counted without a disk.
type shelf struct{ bytes, files atomic.Int64 }

func (s *shelf) count(time.Time) (int64, int64, error) { return s.bytes.Load(), s.files.Load(), nil }

func TestUploadsUpToTheLimit(t *testing.T) {
	tests := []struct {
		name     string
		limits   Uploads
		there    []string // in the folder already, a file each
		body     string
		statuses []int
	}{
		{"as many files as there may be", Uploads{MaxFiles: 2}, nil, "{}", []int{201, 201, 507, 507}},
		{"files that lie there count", Uploads{MaxFiles: 2}, []string{"anything"}, "{}", []int{201, 507}},
		{"as many bytes as there may be", Uploads{MaxBytes: 10}, nil, "[11]", []int{201, 201, 507}},
		{"to the last byte", Uploads{MaxBytes: 8}, nil, "[11]", []int{201, 201, 507}},
		{"one byte over", Uploads{MaxBytes: 7}, nil, "[11]", []int{201, 507}},
		{"bytes that lie there count", Uploads{MaxBytes: 10}, []string{"1234567"}, "[11]", []int{507}},
		{"one upload larger than all may be", Uploads{MaxBytes: 100_000}, nil, `"` + strings.Repeat("x", 200_000) + `"`, []int{507}},
		{"no limit", Uploads{}, []string{"anything"}, "{}", []int{201, 201, 201}},
		{"what is no JSON takes no room", Uploads{MaxFiles: 1}, nil, "{", []int{400, 400}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, nil)
			for i, text := range tt.there {
				require.NoError(t, os.WriteFile(filepath.Join(r.dir, uploadFolder, fmt.Sprint(i)), []byte(text), 0o644))
			}
			r.openUploads(tt.limits)
			_, err := r.site.RemoveStale(time.Now())
			require.NoError(t, err)
			stored, told := len(tt.there), 0
			for _, want := range tt.statuses {
				require.Equal(t, want, r.ask(post(tt.body)).StatusCode)
				switch want {
				case 201:
					stored++
				case 507:
					told = 1
				}
			}
			require.Eventually(t, func() bool { return len(r.uploads()) == stored }, 5*time.Second, time.Millisecond, "and nothing else is left")
			require.Len(t, r.errors, told, "a full folder is told once")
		})
	}
}

// Whoever makes room by hand does not have to tell the server, and whoever takes it away
// neither.
func TestTheFolderIsLookedAtBeforeAnUploadIsRefused(t *testing.T) {
	r := newRig(t, nil)
	r.openUploads(Uploads{MaxFiles: 1})
	require.Equal(t, 201, r.ask(post("{}")).StatusCode)
	r.site.store.quota.shared.counted.Store(0) // long ago
	require.Equal(t, 507, r.ask(post("{}")).StatusCode)
	require.NoError(t, os.Remove(filepath.Join(r.dir, uploadFolder, r.uploads()[0])))
	r.site.store.quota.shared.counted.Store(0)
	require.Equal(t, 201, r.ask(post("{}")).StatusCode)
}

// A folder that is gone is not full: nobody can make room there.
func TestAFolderThatIsGoneIsNotFull(t *testing.T) {
	r := newRig(t, nil)
	r.openUploads(Uploads{MaxFiles: 1})
	require.Equal(t, 201, r.ask(post("{}")).StatusCode)
	require.NoError(t, os.RemoveAll(filepath.Join(r.dir, uploadFolder)))
	r.site.store.quota.shared.counted.Store(0) // long ago
	for range 3 {
		require.Equal(t, 503, r.ask(post("{}")).StatusCode)
	}
}

// A folder that can be opened, and not be looked at, is not gone over to: whoever is told that all
// stays as it was finds the uploads where they were, within the limits that there were.
func TestAFolderThatCannotBeCountedIsNotGoneOverTo(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a removed folder cannot be opened here")
	}
	r := newRig(t, nil)
	r.openUploads(Uploads{MaxFiles: 1})
	removed := t.TempDir()
	folder, err := os.Open(removed)
	require.NoError(t, err)
	defer folder.Close()
	require.NoError(t, os.Remove(removed))
	name := fmt.Sprintf("/proc/self/fd/%d", folder.Fd())
	before := r.site.store.place.Load()

	require.Error(t, r.site.ChangeUploads(Uploads{Folder: name, MaxFiles: 2}))
	require.Same(t, before, r.site.store.place.Load())
	require.Equal(t, 201, r.ask(post("{}")).StatusCode)
	require.Equal(t, 507, r.ask(post("{}")).StatusCode, "the limits from before")
	require.Len(t, r.uploads(), 1)

	r.site.store.named = name
	require.Error(t, r.site.store.reopen(r.site.cfg.Root))
	require.Same(t, before, r.site.store.place.Load(), "nor by HUP")
}

func TestTheCountIsMadeAnewWhileUploadsCome(t *testing.T) {
	r := newRig(t, nil)
	r.openUploads(Uploads{MaxFiles: 3})
	q := r.site.store.quota
	for i := range 3 {
		require.NoError(t, os.WriteFile(filepath.Join(r.dir, uploadFolder, fmt.Sprint(i)), nil, 0o644))
	}
	q.shared.counted.Store(time.Now().Unix())
	require.Equal(t, 201, r.ask(post("{}")).StatusCode, "not yet noticed")
	q.shared.counted.Store(time.Now().Unix() - recountEvery)
	require.NoError(t, os.Remove(filepath.Join(r.dir, uploadFolder, "0")))
	require.NoError(t, os.Remove(filepath.Join(r.dir, uploadFolder, "1")))
	require.Equal(t, 201, r.ask(post("{}")).StatusCode)
	require.Eventually(t, func() bool { return q.shared.stored.files.Load() == 3 }, 5*time.Second, time.Millisecond, "two uploads, and the third file")
	require.Equal(t, 507, r.ask(post("{}")).StatusCode)
}

// Two that ask for the last place at once may both be refused, but are never both taken.
func TestProcessesTogetherStayWithinTheLimit(t *testing.T) {
	const processes, limit, tries = 4, 100, 500
	var there shelf
	memory := region(processes)
	var all sync.WaitGroup
	var kept atomic.Int64
	quotas := make([]*quota, processes)
	for p := range processes {
		quotas[p] = openQuota(&Uploads{MaxFiles: limit, MaxBytes: 7 * limit, Memory: memory, Process: p}, there.count)
		for range 2 { // threads
			all.Go(func() {
				for i := range tries {
					if quotas[p].take(7, 1, time.Now()) != nil {
						continue
					}
					if i%3 == 0 {
						quotas[p].drop(7, 1)
						continue
					}
					kept.Add(1)
					there.bytes.Add(7)
					there.files.Add(1)
					quotas[p].keep(7)
				}
			})
		}
	}
	all.Wait()
	require.LessOrEqual(t, kept.Load(), int64(limit))
	for range limit {
		quotas[0].shared.counted.Store(0)
		if quotas[0].take(7, 1, time.Now()) == nil {
			there.files.Add(1)
			there.bytes.Add(7)
			quotas[0].keep(7)
		}
	}
	require.EqualValues(t, limit, there.files.Load(), "and every place can be had")
}

// What a killed process had under way is nobody's.
func TestAKilledProcessGivesItsRoomBack(t *testing.T) {
	var there shelf
	memory := region(3)
	alive := [3]bool{true, true, true}
	open := func(p int) *quota {
		return openQuota(&Uploads{MaxFiles: 2, Memory: memory, Process: p, Alive: func(p int) bool { return alive[p] }}, there.count)
	}
	first, second := open(1), open(2)
	require.NoError(t, second.take(100, 2, time.Now()))
	require.ErrorIs(t, first.take(1, 1, time.Now()), errQuota)
	alive[2] = false
	first.shared.counted.Store(0)
	require.NoError(t, first.take(1, 2, time.Now()), "when the folder is looked at")

	first.drop(1, 2)
	require.NoError(t, second.take(100, 2, time.Now()))
	open(2)
	require.NoError(t, first.take(1, 2, time.Now()), "or when another has its place")
}

// A process is killed between naming a file and counting it: the next count finds the file.
func TestAFileThatNobodyCountedIsFound(t *testing.T) {
	r := newRig(t, nil)
	r.openUploads(Uploads{MaxFiles: 2})
	require.Equal(t, 201, r.ask(post("{}")).StatusCode)
	r.site.store.quota.shared.stored.add(-2, -1)
	r.openUploads(Uploads{MaxFiles: 2, Memory: nil}) // a process that starts
	_, err := r.site.RemoveStale(time.Now())
	require.NoError(t, err)
	require.Equal(t, 201, r.ask(post("{}")).StatusCode)
	require.Equal(t, 507, r.ask(post("{}")).StatusCode)
}
