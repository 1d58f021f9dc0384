package tickets

// The keys of session tickets: when a new one is made, read and used, in one process and in
// several. Several views of one region stand for processes.

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/shared/shm"
)

const day = 24 * time.Hour

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func ring(t *testing.T) *Ring {
	t.Helper()
	memory, err := (&shm.Set{}).Get("tickets", Size)
	require.NoError(t, err)
	r, err := Open(memory)
	require.NoError(t, err)
	return r
}

func TestTheFirstKeyEncryptsAtOnce(t *testing.T) {
	r := ring(t)
	assert.Empty(t, r.Keys(start))
	r.Rotate(start)
	keys := r.Keys(start)
	require.Len(t, keys, 1)
	assert.NotZero(t, keys[0])
	r.Rotate(start.Add(time.Hour))
	assert.Equal(t, keys, r.Keys(start.Add(time.Hour)), "one a day is enough")
}

func TestANewKeyDecryptsForAMinuteBeforeItEncrypts(t *testing.T) {
	r := ring(t)
	r.Rotate(start)
	old := r.Keys(start)[0]
	due := start.Add(Rotation - Lead)
	r.Rotate(due.Add(-time.Second))
	assert.Len(t, r.Keys(due), 1)
	r.Rotate(due)
	before := r.Keys(due.Add(Lead - time.Second))
	require.Len(t, before, 2)
	assert.Equal(t, old, before[0])
	after := r.Keys(due.Add(Lead))
	require.Len(t, after, 2)
	assert.Equal(t, []Key{before[1], old}, after)
}

// A process looks every now and then, each at a time of its own. Of no ticket that any of them has
// written there may be one that does not know the key, for as long as the ticket lives.
func TestNoProcessEverGetsATicketThatItCannotRead(t *testing.T) {
	r := ring(t)
	type process struct {
		keys []Key
		next time.Time
	}
	processes := make([]process, 5)
	written := map[Key]time.Time{} // when a ticket was last encrypted by it
	random := rand.New(rand.NewPCG(1, 2))
	for now := start; now.Before(start.Add(12 * day)); now = now.Add(step(r, now)) {
		for i := range processes {
			p := &processes[i]
			if now.Before(p.next) {
				continue
			}
			if i == 0 { // the owner
				r.Rotate(now)
			}
			p.keys, p.next = r.Keys(now), now.Add(Look+time.Duration(random.IntN(int(10*time.Second))))
			for _, other := range processes {
				require.True(t, other.keys == nil || slices.Contains(other.keys, p.keys[0]), "%v", now)
			}
			written[p.keys[0]] = now
			for key, last := range written {
				require.True(t, now.Sub(last) >= Lifetime || slices.Contains(p.keys, key), "%v", now)
			}
			require.True(t, len(p.keys) <= 10)
		}
	}
	require.Len(t, written, 12)
}

// step is how far a test's clock goes on: by little where keys change.
func step(r *Ring, now time.Time) time.Duration {
	all := r.valid(now)
	if len(all) == 0 {
		return time.Second
	}
	age := time.Duration(now.UnixNano() - all[len(all)-1].from)
	if age < 5*Lead || age > Rotation-5*Lead {
		return 3 * time.Second
	}
	return 4 * Lead
}

func TestAKeyIsKeptForAWeekAfterItsLastUse(t *testing.T) {
	r := ring(t)
	r.Rotate(start)
	first := r.Keys(start)[0]
	paused := start.Add(30 * day) // the machine was asleep
	r.Rotate(paused)
	assert.Contains(t, r.Keys(paused.Add(Lead+Lifetime)), first)
	assert.NotContains(t, r.Keys(paused.Add(Lead+Lifetime+time.Second)), first)
}

func TestTheClockMayBeSet(t *testing.T) {
	for name, set := range map[string]time.Duration{"back": -400 * day, "back a little": -time.Hour, "forward": 400 * day} {
		t.Run(name, func(t *testing.T) {
			r := ring(t)
			now := start
			for range 9 * 24 * 6 {
				r.Rotate(now)
				now = now.Add(10 * time.Minute)
			}
			last := r.Keys(now)[0]
			now = now.Add(set)
			seen := map[Key]bool{}
			for range 20 * 24 * 6 {
				r.Rotate(now)
				keys := r.Keys(now)
				require.True(t, len(keys) > 0)
				seen[keys[0]] = true
				now = now.Add(10 * time.Minute)
			}
			assert.InDelta(t, 21, len(seen), 2, "keys change from day to day again")
			assert.NotContains(t, r.Keys(now.Add(500*day)), last)
		})
	}
}

func TestWhoIsKilledWhileItWritesHoldsNothing(t *testing.T) {
	r := ring(t)
	r.Rotate(start)
	now := start
	for i := range r.slots { // every slot is claimed by somebody who has died, some with half a key
		s := &r.slots[i]
		if _, ok := s.load(); ok {
			continue
		}
		s.from.Store(-now.UnixNano())
		s.key[0].Store(7)
	}
	later := start.Add(Rotation)
	r.Rotate(later)
	assert.Len(t, r.Keys(later.Add(Lead)), 2)
}

func TestATornKeyIsNone(t *testing.T) {
	r := ring(t)
	r.Rotate(start)
	r.slots[0].key[2].Add(1)
	assert.Empty(t, r.Keys(start))
	r.Rotate(start)
	assert.Len(t, r.Keys(start), 1)
}

func TestManyRotateAtOnceAndReadersSeeWholeKeys(t *testing.T) {
	r := ring(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for now := start; now.Before(start.Add(30 * day)); now = now.Add(30 * time.Minute) {
				r.Rotate(now)
				for _, key := range r.Keys(now) {
					if key == (Key{}) {
						t.Error("half a key")
					}
				}
			}
		})
	}
	all.Wait()
	keys := r.Keys(start.Add(30 * day))
	assert.GreaterOrEqual(t, len(keys), 2)
	slices.SortFunc(keys, func(a, b Key) int { return bytes.Compare(a[:], b[:]) })
	assert.Len(t, slices.Compact(slices.Clone(keys)), len(keys))
}

// inherited is at which descriptor the other process of the test finds the region.
const inherited = "TICKETS_TEST_CHILD"

func TestTwoProcessesHaveTheSameKeys(t *testing.T) {
	if os.Getenv(inherited) != "" {
		set := &shm.Set{}
		require.NoError(t, set.Inherit("tickets", 3))
		memory, err := set.Get("tickets", Size)
		require.NoError(t, err)
		r, err := Open(memory)
		require.NoError(t, err)
		r.Rotate(start.Add(Rotation))
		for _, key := range r.Keys(start.Add(Rotation)) {
			os.Stdout.WriteString("key " + hex.EncodeToString(key[:]) + "\n")
		}
		return
	}
	region, err := shm.Create("tickets", Size)
	require.NoError(t, err)
	defer region.Close()
	r, err := Open(region.Bytes())
	require.NoError(t, err)
	r.Rotate(start)
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.count", "1")
	cmd.Env, cmd.ExtraFiles = append(os.Environ(), inherited+"=1"), []*os.File{region.File()}
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	var there []string
	for line := range strings.Lines(string(out)) {
		if key, ok := strings.CutPrefix(strings.TrimSpace(line), "key "); ok {
			there = append(there, key)
		}
	}
	var here []string
	for _, key := range r.Keys(start.Add(Rotation)) {
		here = append(here, hex.EncodeToString(key[:]))
	}
	require.Len(t, here, 2)
	assert.Equal(t, here, there)
}

func TestMemoryThatIsNoRegionIsRefused(t *testing.T) {
	for _, bad := range [][]byte{nil, make([]byte, Size-1), make([]byte, Size+8)[1:]} {
		_, err := Open(bad)
		assert.ErrorIs(t, err, ErrRegion)
	}
}

func TestKeysOfAFile(t *testing.T) {
	short, long := bytes.Repeat([]byte{0xab, 0xcd}, 16), bytes.Repeat([]byte{0xfe, 1}, 24)
	shortened := sha256.Sum256(long)
	b64 := base64.StdEncoding.EncodeToString
	cases := []struct {
		name, text string
		want       []Key
		err        string // part; empty for none
	}{
		{"hexadecimal", hex.EncodeToString(short) + "\n", []Key{Key(short)}, ""},
		{"capital digits", strings.ToUpper(hex.EncodeToString(short)), []Key{Key(short)}, ""},
		{"base64", b64(short), []Key{Key(short)}, ""},
		{"48 bytes", hex.EncodeToString(long), []Key{shortened}, ""},
		{"48 bytes in base64", b64(long) + "\r\n", []Key{shortened}, ""},
		{"several, in their order", "# first\n" + b64(long) + "\n\n " + hex.EncodeToString(short) + "\t\n", []Key{shortened, Key(short)}, ""},
		{"the bytes of one", string(short), []Key{Key(short)}, ""},
		{"the bytes of a long one", string(long), []Key{shortened}, ""},
		{"a text as long as the bytes of one", "#a\n" + b64(short) + "\n", []Key{Key(short)}, ""},
		{"nothing", "", nil, "holds no key"},
		{"only a comment", "# key\n", nil, "holds no key"},
		{"a key that is too short", hex.EncodeToString(short[1:]), nil, "has no key in line 1"},
		{"something else", b64(short) + "\npassword\n", nil, "has no key in line 2"},
		{"the same key twice", b64(short) + "\n" + hex.EncodeToString(short), nil, "has the key of line 2 twice"},
		{"bytes of another length", string(short) + "x", nil, "has no key in line 1"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Parse([]byte(tc.text))
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				assert.NotContains(t, err.Error(), "password")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
		})
	}
	var many strings.Builder
	for i := range maxKeys + 1 {
		short[0] = byte(i)
		many.WriteString(b64(short) + "\n")
	}
	_, err := Parse([]byte(many.String()))
	require.ErrorIs(t, err, errManyKey)
}
