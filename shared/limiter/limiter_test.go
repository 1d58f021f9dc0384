package limiter

// The table of clients: connections, rates, bans, and what happens when it is full. The time is
// given by hand, and addresses are numbered, so that every run is the same.

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const ms = int64(1e6) // nanoseconds

// small is easy to reckon with: one request each 100 ms, three at once, a ban after two refusals.
func small() Config {
	return Config{Key: [2]uint64{1, 2}, IPv6Prefix: 64, MaxConns: 2, Rate: 10, Burst: 3, BanAfter: 2, Ban: 1000 * ms}
}

func newTable(t require.TestingT, clients int, cfg Config) *Table {
	table, err := New(make([]byte, Size(clients)), cfg)
	require.NoError(t, err)
	return table
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// numbered is the n-th of many IPv4 addresses.
func numbered(n int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 0xc6120000+uint32(n))
	return netip.AddrFrom4(b)
}

func TestConnectionsAreCounted(t *testing.T) {
	table, a := newTable(t, 8, small()), ip("192.0.2.1")
	first := table.Accept(a, 0)
	second := table.Accept(a, 0)
	assert.Equal(t, Allowed, first.Kind)
	assert.Equal(t, Allowed, second.Kind)
	assert.NotZero(t, first.Ticket)
	third := table.Accept(a, 0)
	assert.Equal(t, Verdict{Kind: TooManyConnections}, third)
	assert.Equal(t, Allowed, table.Accept(ip("192.0.2.2"), 0).Kind, "another client is not concerned")
	table.Release(third.Ticket)
	assert.Equal(t, TooManyConnections, table.Accept(a, 0).Kind, "a refused connection gives nothing back")
	table.Release(first.Ticket)
	assert.Equal(t, Allowed, table.Accept(a, 0).Kind)
}

// The end of a ban stands where a flood's due time does. If it stayed there without a ban, its
// client would be taken for a flood.
func TestABanThatIsNotGivenLeavesNothing(t *testing.T) {
	const now, due = 5000 * ms, 5100 * ms
	for _, row := range []struct {
		name    string
		becomes func(e entry, other identity) entry // what the entry is meanwhile
		until   int64                               // what stands there before
		want    int64
	}{
		{"another connection was opened", func(e entry, _ identity) entry { return e + oneConn }, due, due},
		{"a good request ended the row of refusals", func(e entry, _ identity) entry { return e.calm() }, due, due},
		{"it is another client's", func(_ entry, other identity) entry { return fresh(other) }, 0, 0},
		{"another one has written the end of a ban too, and will take it back", func(e entry, _ identity) entry { return e.calm() }, now + 999*ms, now + 300*ms},
		{"another one has given the ban", func(e entry, _ identity) entry { return e.condemned() }, now + 999*ms, now + 1000*ms},
	} {
		t.Run(row.name, func(t *testing.T) {
			table := newTable(t, 8, small())
			id, ok := table.identify(ip("192.0.2.1"))
			require.True(t, ok)
			other, ok := table.identify(ip("192.0.2.2"))
			require.True(t, ok)
			s := table.set(id)
			way := s.claim(id, now)
			seen := fresh(id) + oneStrike
			s.until[way].Store(row.until)
			s.entries[way].Store(uint64(row.becomes(seen, other)))
			require.False(t, table.ban(s, way, seen, now))
			require.Equal(t, row.want, s.until[way].Load())
			require.Zero(t, table.Mitigations())
		})
	}
}

func TestRateBurstAndBan(t *testing.T) {
	steps := []struct {
		name string
		at   int64
		want Verdict
	}{
		{"the first of a burst", 0, Verdict{}},
		{"the second", 0, Verdict{}},
		{"the third", 0, Verdict{}},
		{"the fourth is too many, and says when to come back", 0, Verdict{Kind: Limited, RetryAfter: 100 * ms}},
		{"at that time it passes, which ends the row of refusals", 100 * ms, Verdict{}},
		{"one refusal", 150 * ms, Verdict{Kind: Limited, RetryAfter: 50 * ms}},
		{"the second in a row is a ban", 150 * ms, Verdict{Kind: Banned, NewBan: true, RetryAfter: 1000 * ms}},
		{"banned, though the rate would allow it", 1149 * ms, Verdict{Kind: Banned, RetryAfter: 1 * ms}},
		{"the ban is over", 1150 * ms, Verdict{}},
		{"the burst is whole again", 1150 * ms, Verdict{}},
		{"its last", 1150 * ms, Verdict{}},
		{"refusals are counted from nothing again", 1150 * ms, Verdict{Kind: Limited, RetryAfter: 100 * ms}},
	}
	table, a := newTable(t, 8, small()), ip("192.0.2.1")
	for _, s := range steps {
		require.Equal(t, s.want, table.Request(a, s.at), s.name)
	}
	assert.Equal(t, uint64(1), table.Mitigations())
}

// What costs as much as several requests takes as many out of the allowance, and no more than all
// of it.
func TestWhatCostsMoreCountsForMore(t *testing.T) {
	for _, tc := range []struct {
		name        string
		burst, cost int
		factor      float64
		left        int // requests, after it
	}{
		{"five of eight", 8, 5, 1, 3},
		{"one of eight", 8, 1, 1, 7},
		{"all of them", 5, 5, 1, 0},
		{"more than a burst is a burst", 3, 5, 1, 0},
		{"at half the rate", 8, 3, 0.5, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := small()
			cfg.Burst, cfg.BanAfter = tc.burst, 0
			table, a := newTable(t, 8, cfg), ip("192.0.2.1")
			table.SetFactor(tc.factor)
			require.Equal(t, Allowed, table.Charge(a, 0, tc.cost).Kind)
			for range tc.left {
				require.Equal(t, Allowed, table.Request(a, 0).Kind)
			}
			require.Equal(t, Limited, table.Request(a, 0).Kind)
		})
	}
	t.Run("what is refused is a step to a ban, and what is allowed does not end the row", func(t *testing.T) {
		table, a := newTable(t, 8, small()), ip("192.0.2.1")
		require.Equal(t, Allowed, table.Charge(a, 0, 3).Kind)
		require.Equal(t, Limited, table.Charge(a, 0, 3).Kind)
		require.Equal(t, Allowed, table.Charge(a, 300*ms, 3).Kind)
		require.Equal(t, Banned, table.Charge(a, 300*ms, 3).Kind)
	})
}

func TestABannedClientCannotConnect(t *testing.T) {
	cfg := small()
	cfg.BanAfter = 1
	table, a := newTable(t, 8, cfg), ip("192.0.2.1")
	open := table.Accept(a, 0)
	for range 4 {
		table.Request(a, 0)
	}
	assert.Equal(t, Verdict{Kind: Banned, RetryAfter: 600 * ms}, table.Accept(a, 400*ms))
	assert.Equal(t, Allowed, table.Accept(a, 1000*ms).Kind, "after the ban it may")
	assert.Equal(t, TooManyConnections, table.Accept(a, 1000*ms).Kind, "the connection from before is still counted")
	table.Release(open.Ticket)
	assert.Equal(t, Allowed, table.Accept(a, 1000*ms).Kind)
}

func TestWhoIsOneClient(t *testing.T) {
	cases := []struct {
		name, a, b string
		same       bool
	}{
		{"two IPv4 addresses", "192.0.2.1", "192.0.2.2", false},
		{"IPv4 and the same inside IPv6", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"two addresses of a /64", "2001:db8::1", "2001:db8::ffff:0:0:2", true},
		{"two IPv4 addresses inside IPv6, as a translator writes them", "64:ff9b::192.0.2.1", "64:ff9b::192.0.2.2", false},
		{"two neighbouring /64", "2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"one address with and without zone", "fe80::1%eth0", "fe80::1", true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			table := newTable(t, 64, small())
			table.Accept(ip(tc.a), 0)
			table.Accept(ip(tc.a), 0)
			assert.Equal(t, tc.same, table.Accept(ip(tc.b), 0).Kind == TooManyConnections)
		})
	}
}

func TestTheIPv6PrefixIsChosen(t *testing.T) {
	for bits, same := range map[int]bool{48: true, 64: false, 128: false} {
		cfg := small()
		cfg.IPv6Prefix, cfg.MaxConns = bits, 1
		table := newTable(t, 64, cfg)
		table.Accept(ip("2001:db8:0:1::1"), 0)
		assert.Equal(t, same, table.Accept(ip("2001:db8:0:2::1"), 0).Kind == TooManyConnections, "/%d", bits)
	}
}

func TestNothingIsLimited(t *testing.T) {
	cases := []struct {
		name   string
		addr   netip.Addr
		change func(*Config)
	}{
		{"for an exempt network", ip("10.1.2.3"), func(c *Config) { c.Exempt = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }},
		{"for an exempt network, written as IPv6", ip("::ffff:10.1.2.3"), func(c *Config) { c.Exempt = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }},
		{"for an exempt link-local address with a zone", ip("fe80::1%eth0"), func(c *Config) { c.Exempt = []netip.Prefix{netip.MustParsePrefix("fe80::/10")} }},
		{"for a client of a Unix socket", netip.Addr{}, func(*Config) {}},
		{"with every limit off", ip("192.0.2.1"), func(c *Config) { c.MaxConns, c.Rate = 0, 0 }},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			cfg := small()
			tc.change(&cfg)
			table := newTable(t, 8, cfg)
			for range 100 {
				require.Equal(t, Allowed, table.Accept(tc.addr, 0).Kind)
				require.Equal(t, Verdict{}, table.Request(tc.addr, 0))
			}
		})
	}
}

func TestBanAfterZeroNeverBans(t *testing.T) {
	cfg := small()
	cfg.BanAfter = 0
	table := newTable(t, 8, cfg)
	for range 3 {
		table.Request(ip("192.0.2.1"), 0)
	}
	for range 2 * MaxBanAfter {
		require.Equal(t, Limited, table.Request(ip("192.0.2.1"), 0).Kind)
	}
}

func TestTheCountOfConnectionsDoesNotRunOver(t *testing.T) {
	cfg := small()
	cfg.MaxConns = 0
	table := newTable(t, 8, cfg)
	for range maxConns {
		require.Equal(t, Allowed, table.Accept(ip("192.0.2.1"), 0).Kind)
	}
	assert.Equal(t, TooManyConnections, table.Accept(ip("192.0.2.1"), 0).Kind)
}

func TestTheFactorScalesTheRate(t *testing.T) {
	table, a := newTable(t, 8, small()), ip("192.0.2.1")
	assert.Equal(t, 1.0, table.Factor())
	table.SetFactor(0.5)
	require.Equal(t, Allowed, table.Request(a, 0).Kind)
	assert.Equal(t, Verdict{Kind: Limited, RetryAfter: 100 * ms}, table.Request(a, 0), "a burst of 3 at the full rate takes as long as 1.5 now")
	require.Equal(t, Allowed, table.Request(a, 100*ms).Kind)
	require.Equal(t, Verdict{Kind: Limited, RetryAfter: 200 * ms}, table.Request(a, 100*ms), "and they come at twice the distance")
	table.SetFactor(0.25)
	assert.Equal(t, Allowed, table.Request(ip("192.0.2.2"), 0).Kind, "one passes, however long it takes")
	for f, want := range map[float64]float64{2: 1, 0: minFactor, -1: minFactor, 0.5: 0.5, math.Inf(1): 1} {
		table.SetFactor(f)
		assert.Equal(t, want, table.Factor())
	}
	table.SetFactor(math.NaN())
	assert.Equal(t, minFactor, table.Factor())
}

// A client that keeps to its rate, with its burst spent, must not be refused because the rate is
// raised, and must not get another burst because it is lowered.
func TestAChangeOfTheFactorTakesNothingAndGivesNothing(t *testing.T) {
	cfg := small()
	cfg.Burst = 40
	table, a, now := newTable(t, 8, cfg), ip("192.0.2.1"), int64(0)
	for table.Request(a, now).Kind == Allowed { // spends the burst
	}
	for _, factor := range []float64{1, 0.75, 0.5, 0.25, 0.5, 0.75, 1, 0.25, 1} {
		table.SetFactor(factor)
		for i := range 20 {
			now += int64(float64(100*ms)/factor) + 1
			require.Equal(t, Allowed, table.Request(a, now).Kind, "request %d at the factor %v", i, factor)
			require.Equal(t, Limited, table.Request(a, now).Kind, "a second one at once at the factor %v", factor)
		}
	}
}

// A page has a hundred pictures, and a rate that is lowered is not to break pages. Who has a burst
// of fewer by the configuration keeps it whole.
func TestABurstIsNeverLessThanAPage(t *testing.T) {
	for _, tt := range []struct {
		burst int
		want  map[float64]int // by factor
	}{
		{1000, map[float64]int{1: 1000, 0.75: 750, 0.5: 500, 0.25: 250}},
		{400, map[float64]int{1: 400, 0.75: 300, 0.5: 200, 0.25: 100}},
		{200, map[float64]int{1: 200, 0.75: 150, 0.5: 100, 0.25: 100}},
		{100, map[float64]int{1: 100, 0.25: 100}},
		{40, map[float64]int{1: 40, 0.25: 40}},
	} {
		for factor, want := range tt.want {
			cfg := small()
			cfg.Burst, cfg.LeastBurst, cfg.BanAfter = tt.burst, 100, 1
			table, passed := newTable(t, 8, cfg), 0
			table.SetFactor(factor)
			for table.Request(ip("192.0.2.1"), 0).Kind == Allowed {
				passed++
			}
			assert.Equal(t, want, passed, "of a burst of %d at the factor %v", tt.burst, factor)
		}
	}
}

// Whoever keeps to the full rate is refused now and then while a part of it holds, and is never
// banned for it; a flood is, whatever the factor.
func TestOnlyWhatTheFullRateRefusesIsAStepToABan(t *testing.T) {
	cfg := small()
	cfg.Burst, cfg.BanAfter = 40, 3
	for _, factor := range []float64{0.75, 0.5, 0.25} {
		table, a, limited := newTable(t, 8, cfg), ip("192.0.2.1"), 0
		table.SetFactor(factor)
		for now := range int64(1000) {
			switch table.Request(a, now*100*ms).Kind { // ten a second, which is the full rate
			case Limited:
				limited++
			case Banned:
				t.Fatalf("banned at the factor %v after %d refusals", factor, limited)
			}
		}
		assert.Greater(t, limited, 100, "at the factor %v", factor)

		flood, kind := ip("192.0.2.2"), Allowed
		for now := int64(0); now < 1000 && kind != Banned; now++ {
			kind = table.Request(flood, now*10*ms).Kind // ten times as much
		}
		assert.Equal(t, Banned, kind, "at the factor %v", factor)
	}
}

// Where a burst is so small that it is kept whole, a client may be far ahead of a lowered rate.
// When that rises again it is brought back, at the price of one refusal, and nobody is banned for
// having kept to what held.
func TestARateThatRisesCostsOneRefusalAndNoBan(t *testing.T) {
	cfg := small()
	cfg.Burst, cfg.LeastBurst, cfg.BanAfter = 40, 100, 2
	table, a, now := newTable(t, 8, cfg), ip("192.0.2.1"), int64(0)
	table.SetFactor(0.25)
	for table.Request(a, now).Kind == Allowed { // spends the burst
	}
	for _, factor := range []float64{0.25, 0.5, 0.75, 1} {
		table.SetFactor(factor)
		refused := 0
		for range 30 {
			now += int64(float64(100*ms)/factor) + 1
			switch table.Request(a, now).Kind {
			case Limited:
				refused++
			case Banned:
				t.Fatalf("banned at the factor %v", factor)
			}
		}
		assert.LessOrEqual(t, refused, 1, "at the factor %v", factor)
	}
}

func TestAFloodOfAddressesForgetsNoBanAndNoConnection(t *testing.T) {
	cfg := small()
	cfg.MaxConns, cfg.BanAfter = 1, 1
	table := newTable(t, 64, cfg)
	banned, connected := ip("192.0.2.1"), ip("192.0.2.2")
	for range 4 {
		table.Request(banned, 0)
	}
	open := table.Accept(connected, 0)
	late := cfg.Ban - 1 // both have been quiet for longer than anybody else
	for n := range 100_000 {
		table.Request(numbered(n), late)
		table.Release(table.Accept(numbered(n), late).Ticket)
	}
	assert.Equal(t, Banned, table.Accept(banned, late).Kind)
	assert.Equal(t, Banned, table.Request(banned, late).Kind)
	assert.Equal(t, TooManyConnections, table.Accept(connected, late).Kind)
	table.Release(open.Ticket)
	assert.Equal(t, Allowed, table.Accept(connected, late).Kind)
}

func TestWithEveryEntryNeededANewcomerPassesUnrecorded(t *testing.T) {
	cfg := small()
	cfg.MaxConns = 1
	table := newTable(t, ways, cfg)
	for n := range ways {
		require.NotZero(t, table.Accept(numbered(n), 0).Ticket)
	}
	assert.Zero(t, table.Unrecorded())
	late := numbered(ways)
	v := table.Accept(late, 0)
	assert.Equal(t, Verdict{}, v)
	assert.Equal(t, Verdict{}, table.Request(late, 0))
	table.Release(v.Ticket)
	assert.Equal(t, uint64(2), table.Unrecorded())
	for n := range ways {
		assert.Equal(t, TooManyConnections, table.Accept(numbered(n), 0).Kind, "those before are still counted")
	}
}

func TestTheQuietestClientGivesWay(t *testing.T) {
	table := newTable(t, ways, small())
	for n := range ways {
		for range 3 {
			table.Request(numbered(n), int64(n)*ms)
		}
	}
	table.Request(numbered(ways), 10*ms)
	for n := 1; n < ways; n++ {
		assert.Equal(t, Limited, table.Request(numbered(n), 10*ms).Kind, "client %d is remembered", n)
	}
	assert.Equal(t, Allowed, table.Request(numbered(0), 10*ms).Kind, "the quietest is not")
}

func TestTwoViewsOfOneRegion(t *testing.T) {
	region := make([]byte, Size(64))
	cfg := small()
	cfg.BanAfter = 1
	one, err := New(region, cfg)
	require.NoError(t, err)
	cfg.Key = [2]uint64{}
	two, err := New(region, cfg)
	require.NoError(t, err)
	a := ip("192.0.2.1")

	ticket := one.Accept(a, 0).Ticket
	two.Accept(a, 0)
	assert.Equal(t, TooManyConnections, one.Accept(a, 0).Kind)
	two.Release(ticket)
	assert.Equal(t, Allowed, one.Accept(a, 0).Kind, "a ticket of the one is good in the other")
	one.Request(a, 0)
	two.Request(a, 0)
	one.Request(a, 0)
	assert.True(t, two.Request(a, 0).NewBan)
	assert.Equal(t, Verdict{Kind: Banned, RetryAfter: 1000 * ms}, one.Request(a, 0))
	assert.Equal(t, uint64(1), one.Mitigations())
	two.SetFactor(0.5)
	assert.Equal(t, 0.5, one.Factor())
}

func TestNewRefuses(t *testing.T) {
	good := func() []byte { return make([]byte, Size(8)) }
	used := make([]byte, Size(1024))
	_, err := New(used, small())
	require.NoError(t, err)
	foreign := good()
	foreign[0] = 1
	cases := []struct {
		name   string
		region []byte
		change func(*Config)
		want   error
	}{
		{"a region too small", make([]byte, Size(1)-1), nil, ErrRegion},
		{"no region", nil, nil, ErrRegion},
		{"a region that is not aligned", make([]byte, Size(8)+8)[1:], nil, ErrRegion},
		{"a region of another size", used[:Size(8)], nil, ErrRegion},
		{"a region of something else", foreign, nil, ErrRegion},
		{"a new region without a key", good(), func(c *Config) { c.Key = [2]uint64{} }, ErrConfig},
		{"a rate without a burst", good(), func(c *Config) { c.Burst = 0 }, ErrConfig},
		{"a negative rate", good(), func(c *Config) { c.Rate = -1 }, ErrConfig},
		{"more refusals than can be counted", good(), func(c *Config) { c.BanAfter = MaxBanAfter + 1 }, ErrConfig},
		{"no bits of IPv6", good(), func(c *Config) { c.IPv6Prefix = 0 }, ErrConfig},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			cfg := small()
			if tc.change != nil {
				tc.change(&cfg)
			}
			_, err := New(tc.region, cfg)
			assert.ErrorIs(t, err, tc.want)
		})
	}
}

func TestSizeHoldsAtLeastSoMany(t *testing.T) {
	for clients, sets := range map[int]int{0: 1, 1: 1, 8: 1, 9: 2, 17: 4, 65536: 8192} {
		table := newTable(t, clients, small())
		assert.Len(t, table.sets, sets, "%d clients", clients)
	}
}

// TestSipHash compares with the vectors of the reference implementation (key 00..0f, message
// 00..0f).
func TestSipHash(t *testing.T) {
	var msg [16]byte
	for i := range msg {
		msg[i] = byte(i)
	}
	key := [2]uint64{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	assert.Equal(t, uint64(0x3f2acc7f57c29bdb), siphash(key, msg))
}

func TestNothingIsAllocated(t *testing.T) {
	cfg := small()
	cfg.Exempt = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	table := newTable(t, 64, cfg)
	addrs := []netip.Addr{ip("192.0.2.1"), ip("2001:db8::1"), ip("::ffff:192.0.2.1"), ip("127.0.0.1"), ip("fe80::1%eth0")}
	now := int64(0)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		for _, a := range addrs {
			v := table.Accept(a, now)
			table.Request(a, now)
			table.Release(v.Ticket)
		}
		now += ms
	}))
}

// model is the limiter with a map, without a bound and without sharing: what the table must do
// while no set is full. It knows its clients by a number, and what an address is only by spell.
type model struct {
	cfg     Config
	factor  float64
	clients map[int]*modelClient
}

type modelClient struct {
	full           int64 // when the next request would be due at the full rate, while a part of it holds
	conns, refused int
	passed         []passed // every request that was let through, ever
	until          int64    // end of the ban; 0 for none
}

// passed is one request that was let through, and the time that it was to take at the rate of that
// moment.
type passed struct{ at, takes int64 } // nanoseconds

func (m *model) client(n int) *modelClient {
	if m.clients[n] == nil {
		m.clients[n] = &modelClient{}
	}
	return m.clients[n]
}

func (m *model) accept(n int, now int64) Verdict {
	if n == exempt {
		return Verdict{}
	}
	c := m.client(n)
	if c.until > now {
		return Verdict{Kind: Banned, RetryAfter: c.until - now}
	}
	if c.conns == m.cfg.MaxConns {
		return Verdict{Kind: TooManyConnections}
	}
	c.conns++
	return Verdict{}
}

// request looks at every span of time that ends now and begins with a request that was let through.
// In none of them may more requests pass than the rate gives for its length, and a burst beyond
// that: as many as fit into the time that the burst takes at the full rate, but always one.
func (m *model) request(n int, now int64) Verdict {
	if n == exempt {
		return Verdict{}
	}
	c := m.client(n)
	if c.until > now {
		return Verdict{Kind: Banned, RetryAfter: c.until - now}
	}
	interval := int64(1e9 / (float64(m.cfg.Rate) * m.factor))
	burst := int64(1e9/float64(m.cfg.Rate)) * int64(m.cfg.Burst)
	flood := m.flood(c, burst, now)
	takes, over := interval, int64(0)
	for _, p := range slices.Backward(c.passed) {
		takes += p.takes
		over = max(over, takes-max(interval, burst)-(now-p.at))
	}
	if over == 0 {
		c.passed = append(c.passed, passed{now, interval})
		c.refused = 0
		return Verdict{}
	}
	if over > interval { // a lower rate had let it come so early
		c.passed[len(c.passed)-1].takes -= over - interval
		return Verdict{Kind: Limited, RetryAfter: interval}
	}
	if !flood {
		return Verdict{Kind: Limited, RetryAfter: over}
	}
	c.refused++
	if c.refused < m.cfg.BanAfter {
		return Verdict{Kind: Limited, RetryAfter: over}
	}
	c.refused = 0
	c.until = now + m.cfg.Ban
	c.full = c.until
	return Verdict{Kind: Banned, NewBan: true, RetryAfter: m.cfg.Ban}
}

// flood reports whether a refusal would be the client's own fault: whether the full rate would
// refuse it too, if it had let through all that came while the rate was lower.
func (m *model) flood(c *modelClient, burst, now int64) bool {
	if m.factor == 1 {
		return true
	}
	interval := int64(1e9 / float64(m.cfg.Rate))
	next := max(c.full, now) + interval
	if next-now > max(interval, burst) {
		return true
	}
	c.full = next
	return false
}

const exempt = ways // the number of the client that nothing is for

// spell draws one of the ways in which the n-th client can turn up: an IPv4 address, or the same
// inside IPv6, or any address of an IPv6 network of 64 bits, each with a zone or without.
func spell(t *rapid.T, n int) netip.Addr {
	b := [16]byte{0x20, 0x01, 0x0d, 0xb8, 7: byte(n)}
	if n == exempt {
		b[3] = 0xb9
	}
	binary.BigEndian.PutUint64(b[8:], rapid.Uint64().Draw(t, "host"))
	if n%2 == 0 {
		v4 := [4]byte{192, 0, 2, byte(n)}
		if n == exempt {
			v4 = [4]byte{10, byte(b[13]), b[14], b[15]}
		}
		if rapid.Bool().Draw(t, "short") {
			return netip.AddrFrom4(v4)
		}
		b = netip.AddrFrom4(v4).As16()
	}
	a := netip.AddrFrom16(b)
	if rapid.Bool().Draw(t, "zone") {
		return a.WithZone("eth0")
	}
	return a
}

func TestTheTableDoesWhatTheModelDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{
			Key: [2]uint64{rapid.Uint64Min(1).Draw(t, "key"), 1}, IPv6Prefix: 64,
			MaxConns: rapid.IntRange(1, 4).Draw(t, "conns"), Rate: rapid.IntRange(1, 1000).Draw(t, "rate"),
			Burst: rapid.IntRange(1, 5).Draw(t, "burst"), BanAfter: rapid.IntRange(1, 4).Draw(t, "ban after"),
			Ban:    rapid.Int64Range(0, 3e9).Draw(t, "ban"),
			Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		}
		region := make([]byte, Size(ways))
		var views [2]*Table // as two workers have them
		for i := range views {
			var err error
			views[i], err = New(region, cfg)
			require.NoError(t, err)
		}
		m := &model{cfg: cfg, factor: 1, clients: map[int]*modelClient{}}
		// As many as fit into the one set, and the exempt one; half of the time it is the same one.
		client := rapid.OneOf(rapid.Just(1), rapid.IntRange(0, ways))
		view := func(t *rapid.T) *Table { return views[rapid.IntRange(0, 1).Draw(t, "view")] }
		type conn struct {
			client int
			ticket Ticket
		}
		var open []conn
		now := int64(0)
		t.Repeat(map[string]func(*rapid.T){
			"accept": func(t *rapid.T) {
				n := client.Draw(t, "client")
				want, got := m.accept(n, now), view(t).Accept(spell(t, n), now)
				require.Equal(t, n != exempt && want.Kind == Allowed, got.Ticket != 0)
				if got.Kind == Allowed {
					open = append(open, conn{n, got.Ticket})
				}
				got.Ticket = 0
				require.Equal(t, want, got)
			},
			"release": func(t *rapid.T) {
				if len(open) == 0 {
					t.Skip("nothing is open")
				}
				i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
				view(t).Release(open[i].ticket)
				m.client(open[i].client).conns--
				open = append(open[:i], open[i+1:]...)
			},
			"request": func(t *rapid.T) {
				n := client.Draw(t, "client")
				require.Equal(t, m.request(n, now), view(t).Request(spell(t, n), now))
			},
			"time passes": func(t *rapid.T) { now += rapid.Int64Range(0, 2e9).Draw(t, "nanoseconds") },
			"a moment":    func(t *rapid.T) { now += rapid.Int64Range(0, 2e9/int64(cfg.Rate)).Draw(t, "nanoseconds") },
			"factor": func(t *rapid.T) {
				m.factor = rapid.SampledFrom([]float64{1, 0.75, 0.5, 0.25}).Draw(t, "factor")
				view(t).SetFactor(m.factor)
			},
		})
	})
}

// TestWhateverHappensBansAndConnectionsStay lets many more addresses in than there are entries.
func TestWhateverHappensBansAndConnectionsStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{Key: [2]uint64{rapid.Uint64Min(1).Draw(t, "key"), 1}, IPv6Prefix: 64, MaxConns: 2, Rate: 10, Burst: 1, BanAfter: 1, Ban: 1e9}
		table := newTable(t, 2*ways, cfg)
		addr := rapid.Map(rapid.IntRange(0, 99), numbered)
		bans, open := map[netip.Addr]int64{}, map[netip.Addr][]Ticket{}
		now := int64(0)
		t.Repeat(map[string]func(*rapid.T){
			"accept": func(t *rapid.T) {
				a := addr.Draw(t, "address")
				v := table.Accept(a, now)
				require.Equal(t, bans[a] > now, v.Kind == Banned, "bans are kept, and nobody else is banned")
				if bans[a] <= now {
					require.Equal(t, len(open[a]) == cfg.MaxConns, v.Kind == TooManyConnections, "connections are counted")
				}
				if v.Ticket != 0 {
					open[a] = append(open[a], v.Ticket)
				}
			},
			"release": func(t *rapid.T) {
				a := addr.Draw(t, "address")
				if n := len(open[a]); n > 0 {
					table.Release(open[a][n-1])
					open[a] = open[a][:n-1]
				}
			},
			"request": func(t *rapid.T) {
				a := addr.Draw(t, "address")
				v := table.Request(a, now)
				require.Equal(t, bans[a] > now, v.Kind == Banned && !v.NewBan, "bans are kept, and nobody else is banned")
				if v.NewBan {
					bans[a] = now + cfg.Ban
				}
			},
			"time passes": func(t *rapid.T) { now += rapid.Int64Range(0, 5e8).Draw(t, "nanoseconds") },
		})
	})
}

// TestConcurrentClients races few addresses over few entries, so that entries change hands all the
// time.
func TestConcurrentClients(t *testing.T) {
	const workers, rounds = 4, 20_000
	cfg := small()
	cfg.MaxConns, cfg.BanAfter = 3, 5
	region := make([]byte, Size(2*ways))
	var clock atomic.Int64
	var bans atomic.Uint64
	var wg sync.WaitGroup
	for w := range workers {
		table, err := New(region, cfg)
		require.NoError(t, err)
		wg.Go(func() {
			for i := range rounds {
				a := numbered((i*7 + w*3) % 40)
				now := clock.Add(ms / 10)
				v := table.Accept(a, now)
				if table.Request(a, now).NewBan {
					bans.Add(1)
				}
				table.Release(v.Ticket)
			}
		})
	}
	wg.Wait()
	table, err := New(region, cfg)
	require.NoError(t, err)
	assert.Equal(t, table.Mitigations(), bans.Load())
	for i := range table.sets {
		for way := range ways {
			assert.Zero(t, entry(table.sets[i].entries[way].Load()).conns(), "a connection was counted for the wrong client")
		}
	}
}

// TestConcurrentRequestsPassAsOne checks that a burst is not wider because many workers ask at
// once.
func TestConcurrentRequestsPassAsOne(t *testing.T) {
	cfg := small()
	cfg.Burst, cfg.BanAfter = 1000, 0
	table, a := newTable(t, 64, cfg), ip("192.0.2.1")
	table.Accept(a, 0) // the entry is there, so it is one
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				if table.Request(a, 0).Kind == Allowed {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	assert.Equal(t, int64(1000), passed.Load())
}

func BenchmarkRequest(b *testing.B) {
	for _, clients := range []int{1, 50_000} {
		b.Run(fmt.Sprintf("%d clients", clients), func(b *testing.B) {
			cfg := small()
			cfg.Rate, cfg.Burst = 200, 400
			table := newTable(b, 65536, cfg)
			now := int64(0)
			for i := 0; b.Loop(); i++ {
				now += 5 * ms
				table.Request(numbered(i%clients), now)
			}
		})
	}
}

func TestRequestsThatCannotBeReadAreStepsToABan(t *testing.T) {
	const bad, badBody, begun, good = Malformed, MalformedBody, Begun, Complete
	for _, tt := range []struct {
		name   string
		states []State
		banned bool
	}{
		{"three in a row", []State{bad, bad, bad}, true},
		{"two", []State{bad, bad}, false},
		{"a good one ends the row", []State{bad, bad, good, bad, bad}, false},
		{"bodies that cannot be read", []State{begun, badBody, begun, badBody, begun, badBody}, true},
		{"of each kind", []State{bad, begun, badBody, bad}, true},
		{"a body that is only begun ends no row", []State{bad, bad, begun, bad}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := newTable(t, 64, Config{Key: [2]uint64{1, 2}, IPv6Prefix: 64, Rate: 100, Burst: 100, BanAfter: 3, Ban: 1000 * ms})
			a := ip("192.0.2.1")
			var last Verdict
			for _, state := range tt.states {
				last = table.Judge(a, 0, state)
			}
			require.Equal(t, tt.banned, last.NewBan)
			if tt.banned {
				require.Equal(t, Banned, table.Accept(a, 0).Kind)
			}
		})
	}
	t.Run("a body that has come ends the row", func(t *testing.T) {
		table := newTable(t, 64, Config{Key: [2]uint64{1, 2}, IPv6Prefix: 64, Rate: 100, Burst: 100, BanAfter: 2, Ban: 1000 * ms})
		a := ip("192.0.2.1")
		require.Equal(t, Verdict{}, table.Judge(a, 0, bad))
		require.Equal(t, Verdict{}, table.Judge(a, 0, begun))
		table.Completed(a)
		require.Equal(t, Verdict{}, table.Judge(a, 0, bad))
	})
	t.Run("they count for the rate", func(t *testing.T) {
		table := newTable(t, 64, Config{Key: [2]uint64{1, 2}, IPv6Prefix: 64, Rate: 1, Burst: 2, BanAfter: 100, Ban: 1000 * ms})
		a := ip("192.0.2.1")
		require.Equal(t, Verdict{}, table.Judge(a, 0, bad))
		require.Equal(t, Verdict{}, table.Judge(a, 0, bad))
		require.Equal(t, Limited, table.Judge(a, 0, bad).Kind)
		require.Equal(t, Limited, table.Request(a, 0).Kind)
	})
}
