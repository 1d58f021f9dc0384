package table

// What the piece has to do. These tests are a reader's as well, so they need nothing but the
// standard library; each of them fails on the skeleton.

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func at(s int) time.Time { return time.Unix(1000+int64(s), 0) }

// see has a client come, who must have an entry.
func see(t *testing.T, all *Table, addr string, s int) *Client {
	t.Helper()
	c := all.See(netip.MustParseAddr(addr), at(s))
	if c == nil {
		t.Fatalf("%s has no entry", addr)
	}
	c.Requests++
	return c
}

func TestOneClientIsOneEntry(t *testing.T) {
	all := New(10)
	for _, pair := range [][2]string{
		{"10.0.0.1", "10.0.0.1"},
		{"10.0.0.2", "::ffff:10.0.0.2"},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"},
		{"fe80::1", "fe80::2%eth0"},
	} {
		if a, b := see(t, all, pair[0], 0), see(t, all, pair[1], 0); a != b || a.Requests != 2 {
			t.Errorf("%s and %s are one client", pair[0], pair[1])
		}
	}
	if a, b := see(t, all, "2001:db8:1:3::1", 0), see(t, all, "10.0.0.3", 0); a == b || all.Len() != 6 {
		t.Errorf("%d clients, want 6", all.Len())
	}
}

func TestItIsBounded(t *testing.T) {
	all := New(100)
	for i := range 10_000 {
		see(t, all, fmt.Sprintf("2001:db8:%x::1", i), i)
		if all.Len() > 100 {
			t.Fatalf("%d clients in a table for 100", all.Len())
		}
	}
	if all.Len() != 100 {
		t.Errorf("%d clients, want 100", all.Len())
	}
}

func TestTheOneSeenLongestAgoMakesRoom(t *testing.T) {
	all := New(3)
	for i, addr := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"} {
		see(t, all, addr, i)
	}
	see(t, all, "10.0.0.1", 5)
	see(t, all, "10.0.0.4", 6)
	if c := see(t, all, "10.0.0.1", 7); c.Requests != 3 {
		t.Error("10.0.0.1 was seen lately, and is forgotten")
	}
	if c := see(t, all, "10.0.0.2", 8); c.Requests != 1 {
		t.Error("10.0.0.2 was seen longest ago, and is remembered")
	}
}

func TestAFloodFreesNobodyOfItsBan(t *testing.T) {
	all := New(10)
	see(t, all, "10.0.0.1", 0).Banned = at(60)
	for i := range 1000 {
		see(t, all, fmt.Sprintf("10.1.%d.%d", i/250, i%250), 1)
	}
	if c := see(t, all, "10.0.0.1", 2); c.Requests != 2 || !c.Banned.Equal(at(60)) {
		t.Error("1,000 new addresses have freed a client of its ban")
	}
	for i := range 1000 {
		see(t, all, fmt.Sprintf("10.2.%d.%d", i/250, i%250), 61)
	}
	for i := range 20 {
		see(t, all, fmt.Sprintf("10.3.0.%d", i), 62)
	}
	if all.Len() != 10 {
		t.Errorf("%d clients, want 10", all.Len())
	}
}

func TestFullOfBannedOnesItTakesNobody(t *testing.T) {
	all := New(3)
	for i := range 3 {
		see(t, all, fmt.Sprintf("10.0.0.%d", i), i).Banned = at(60 + i)
	}
	if all.See(netip.MustParseAddr("10.9.9.9"), at(59)) != nil || all.Len() != 3 {
		t.Error("somebody new has an entry, and somebody is free of a ban")
	}
	if all.See(netip.MustParseAddr("10.9.9.9"), at(60)) == nil || all.Len() != 3 {
		t.Error("a ban is over, and there is still no room")
	}
	if c := see(t, all, "10.0.0.2", 60); c.Requests != 2 {
		t.Error("the wrong one has made room")
	}
}

// Looking through all of the table for each new address takes minutes here.
func TestMakingRoomIsCheap(t *testing.T) {
	const room = 50_000
	all := New(room)
	began := time.Now()
	for i := range 3 * room {
		c := see(t, all, fmt.Sprintf("2001:db8:%x:%x::1", i>>8, i&0xff), i/1000)
		if i%2 == 0 && i < room {
			c.Banned = at(1_000_000)
		}
		if i%10_000 == 0 && time.Since(began) > 30*time.Second {
			t.Fatalf("after 30 s, %d clients have come", i)
		}
	}
	if all.Len() != room {
		t.Errorf("%d clients, want %d", all.Len(), room)
	}
}
