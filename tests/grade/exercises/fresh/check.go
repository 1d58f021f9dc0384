package fresh

// What the piece has to do. These tests are a reader's as well, so they need nothing but the
// standard library; each of them fails on the skeleton.

import (
	"errors"
	"testing"
	"time"
)

// disk is files in memory that count what is done to them.
type disk struct {
	files        map[string]string
	stamps       map[string]Stamp
	stats, reads int
	during       func() // called in the middle of a read
	clock        int64
}

func newDisk() *disk { return &disk{files: map[string]string{}, stamps: map[string]Stamp{}} }

func (d *disk) write(name, text string) {
	d.clock++
	d.files[name] = text
	d.stamps[name] = Stamp{int64(len(text)), time.Unix(d.clock, 0), 7}
}

var errGone = errors.New("no such file")

func (d *disk) Stat(name string) (Stamp, error) {
	d.stats++
	if s, ok := d.stamps[name]; ok {
		return s, nil
	}
	return Stamp{}, errGone
}

func (d *disk) Read(name string) ([]byte, error) {
	d.reads++
	text, ok := d.files[name]
	if !ok {
		return nil, errGone
	}
	if d.during != nil {
		d.during()
		d.during = nil
	}
	return []byte(text), nil
}

func at(s float64) time.Time { return time.Unix(1000, 0).Add(time.Duration(s * 1e9)) }

// want asks for a file and complains if it is another text.
func want(t *testing.T, c *Cache, s float64, name, text string) {
	t.Helper()
	if got, err := c.Get(name, at(s)); string(got) != text || err != nil {
		t.Fatalf("at %v s, %s is %q, %v; want %q", s, name, got, err, text)
	}
}

func TestWithinTrustTheDiskIsLeftAlone(t *testing.T) {
	d := newDisk()
	c := &Cache{Disk: d, Room: 100}
	d.write("a", "one")
	want(t, c, 0, "a", "one")
	stats := d.stats
	for i := range 9 {
		want(t, c, float64(i)/10, "a", "one")
	}
	if d.reads != 1 || d.stats != stats {
		t.Errorf("%d reads and %d looks more for ten requests within a second", d.reads, d.stats-stats)
	}
	want(t, c, 1, "a", "one")
	want(t, c, 1.9, "a", "one")
	if d.reads != 1 || d.stats != stats+1 {
		t.Errorf("in the next second: %d reads, %d looks; want 1 in all, and 1", d.reads, d.stats-stats)
	}
}

func TestAChangeIsSeenAfterTrust(t *testing.T) {
	d := newDisk()
	c := &Cache{Disk: d, Room: 100}
	d.write("a", "one")
	want(t, c, 0, "a", "one")
	d.write("a", "two") // of the same size
	want(t, c, 0.9, "a", "one")
	want(t, c, 1, "a", "two")
	if c.Held() != 3 {
		t.Errorf("%d bytes are held, want 3", c.Held())
	}
	delete(d.files, "a")
	delete(d.stamps, "a")
	if _, err := c.Get("a", at(2)); !errors.Is(err, errGone) || c.Held() != 0 {
		t.Errorf("a file that is gone: %v, %d bytes held", err, c.Held())
	}
	if _, err := c.Get("a", at(2.1)); !errors.Is(err, errGone) {
		t.Errorf("and again: %v", err)
	}
}

func TestAFileThatChangesWhileItIsRead(t *testing.T) {
	d := newDisk()
	c := &Cache{Disk: d, Room: 100}
	d.write("a", "old")
	d.during = func() { d.write("a", "new") }
	if _, err := c.Get("a", at(0)); err != nil {
		t.Fatal(err)
	}
	want(t, c, 0.1, "a", "new")
	want(t, c, 0.2, "a", "new")
	if d.reads != 2 {
		t.Errorf("%d reads, want 2: what was read the second time may be kept", d.reads)
	}
}

func TestTheOneAskedForLongestAgoLeaves(t *testing.T) {
	d := newDisk()
	c := &Cache{Disk: d, Room: 10}
	for _, name := range []string{"a", "b"} {
		d.write(name, "12345")
		want(t, c, 0, name, "12345")
	}
	want(t, c, 0.1, "a", "12345")
	d.write("c", "123")
	want(t, c, 0.2, "c", "123")
	reads := d.reads
	want(t, c, 0.3, "a", "12345")
	if d.reads != reads || c.Held() != 8 {
		t.Errorf("a was thrown out, or too much is held: %d", c.Held())
	}
	want(t, c, 0.4, "b", "12345")
	if d.reads != reads+1 {
		t.Error("b is still there, and it was asked for longest ago")
	}
}

func TestOneThatIsTooLargeIsServedAndNotKept(t *testing.T) {
	d := newDisk()
	c := &Cache{Disk: d, Room: 4}
	d.write("a", "1234")
	d.write("b", "12345")
	want(t, c, 0, "a", "1234")
	want(t, c, 0, "b", "12345")
	if c.Held() != 4 {
		t.Errorf("%d bytes are held: the large one has thrown out the small one, or is kept", c.Held())
	}
}
