//go:build !skeleton

// Package fresh is a cache of small files that is never wrong for longer than it says.
//
// A text is kept with the stamp that was there before and after it was read: only then the stamp is
// the text's. What must not be done: nobody may change a text that was given out.
package fresh

import (
	"container/list"
	"time"
)

// Trust is how long a look at a file counts.
const Trust = time.Second

// Stamp tells one state of a file from another.
type Stamp struct {
	Size  int64
	MTime time.Time
	Inode uint64
}

// Disk is where the files are. Each call is slow.
type Disk interface {
	Stat(name string) (Stamp, error)
	Read(name string) ([]byte, error)
}

// Cache holds at most Room bytes of texts. The file that was asked for the longest time ago leaves
// first. A file that is larger than that by itself is served and not kept.
type Cache struct {
	Disk Disk
	Room int

	files map[string]*list.Element // of *file
	order list.List                // the one that was asked for last is in front
	held  int
}

type file struct {
	name   string
	text   []byte
	stamp  Stamp
	looked time.Time
}

// Get gives a file's text.
func (c *Cache) Get(name string, now time.Time) ([]byte, error) {
	e := c.files[name]
	if e != nil {
		f := e.Value.(*file)
		if now.Sub(f.looked) >= Trust {
			stamp, err := c.Disk.Stat(name)
			if err != nil || stamp != f.stamp {
				c.drop(e)
				e = nil
			} else {
				f.looked = now
			}
			if err != nil {
				return nil, err
			}
		}
	}
	if e == nil {
		return c.read(name, now)
	}
	c.order.MoveToFront(e)
	return e.Value.(*file).text, nil
}

// read reads a file, and keeps what it was certain to be.
func (c *Cache) read(name string, now time.Time) ([]byte, error) {
	before, err := c.Disk.Stat(name)
	if err != nil {
		return nil, err
	}
	text, err := c.Disk.Read(name)
	if err != nil {
		return nil, err
	}
	after, err := c.Disk.Stat(name)
	if err != nil || after != before || len(text) > c.Room {
		return text, nil // for this once
	}
	for c.held+len(text) > c.Room {
		c.drop(c.order.Back())
	}
	if c.files == nil {
		c.files = map[string]*list.Element{}
	}
	c.files[name] = c.order.PushFront(&file{name, text, before, now})
	c.held += len(text)
	return text, nil
}

func (c *Cache) drop(e *list.Element) {
	f := c.order.Remove(e).(*file)
	delete(c.files, f.name)
	c.held -= len(f.text)
}

// Held is how many bytes are kept.
func (c *Cache) Held() int { return c.held }
