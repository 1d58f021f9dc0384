package limiter

// The region: a header, then sets. Everything in it is an integer of eight bytes, read and written
// atomically, and nothing is a pointer, so it may be mapped at another place in each process.

import (
	"errors"
	"math"
	"math/bits"
	"net/netip"
	"sync/atomic"
	"unsafe"
)

const (
	magic     = 0x4657_4c49_4d49_5401 // "FWLIMIT" and the version of the layout
	headSize  = int(unsafe.Sizeof(header{}))
	setSize   = int(unsafe.Sizeof(set{}))
	alignment = int(unsafe.Alignof(header{}))

	minFactor = 1.0 / 1024
	second    = 1e9 // nanoseconds
)

// translated are the addresses by which a translator (NAT64) passes on clients of IPv4 (RFC 6052
// 2.1). They would all be one client.
var translated = netip.MustParsePrefix("64:ff9b::/96")

// header is one cache line.
type header struct {
	magic       atomic.Uint64 // written last: a region without it is a new one
	sets        atomic.Uint64
	key         [2]atomic.Uint64
	factor      atomic.Uint64 // bits of a float64; 0 stands for 1
	mitigations atomic.Uint64
	unrecorded  atomic.Uint64
	cause       atomic.Uint64 // a Cause
}

// Table is one view of a region. It is safe for concurrent use and allocates nothing after New.
type Table struct {
	cfg    Config
	header *header
	sets   []set
	key    [2]uint64
	burst  int64 // nanoseconds that a client may be ahead of the full rate
}

// Errors of New.
var (
	ErrRegion = errors.New("limiter: region too small, not aligned to 8 bytes, or of another layout")
	ErrConfig = errors.New("limiter: configuration out of range, or without a key")
)

// Size is the number of bytes of a region for at least so many clients.
func Size(clients int) int {
	sets := max(1, (clients+ways-1)/ways)
	return headSize + setSize<<bits.Len(uint(sets-1))
}

// New makes a view of region. A region of zeros is set up; one that is set up is joined with all
// that is in it, if it has the same size. The first New must have returned before another process
// calls its own. The region stays the caller's and must outlive the Table.
func New(region []byte, cfg Config) (*Table, error) {
	sets := (len(region) - headSize) / setSize
	if sets < 1 || uintptr(unsafe.Pointer(unsafe.SliceData(region)))%uintptr(alignment) != 0 {
		return nil, ErrRegion
	}
	if !cfg.valid() {
		return nil, ErrConfig
	}
	sets = 1 << (bits.Len(uint(sets)) - 1)
	h := (*header)(unsafe.Pointer(unsafe.SliceData(region)))
	if h.magic.Load() == 0 {
		if cfg.Key == [2]uint64{} {
			return nil, ErrConfig
		}
		h.sets.Store(uint64(sets))
		h.key[0].Store(cfg.Key[0])
		h.key[1].Store(cfg.Key[1])
		h.magic.Store(magic)
	}
	if h.magic.Load() != magic || h.sets.Load() != uint64(sets) {
		return nil, ErrRegion
	}
	return &Table{
		cfg:    cfg,
		header: h,
		sets:   unsafe.Slice((*set)(unsafe.Pointer(&region[headSize])), sets),
		key:    [2]uint64{h.key[0].Load(), h.key[1].Load()},
		burst:  cfg.burst(),
	}, nil
}

func (c *Config) valid() bool {
	return c.IPv6Prefix >= 1 && c.IPv6Prefix <= 128 && c.MaxConns >= 0 && c.Ban >= 0 &&
		c.BanAfter >= 0 && c.BanAfter <= MaxBanAfter &&
		(c.Rate == 0 || c.Rate > 0 && c.Rate <= second && c.Burst >= 1 && c.Burst <= 1e6)
}

// burst is the time that the requests of a burst take at the full rate, in nanoseconds.
func (c *Config) burst() int64 {
	if c.Rate == 0 {
		return 0
	}
	return int64(second/float64(c.Rate)) * int64(c.Burst)
}

// identify names the client that addr belongs to, or says that there is nothing to limit: it is
// exempt, or there is no address because it came by a Unix socket. IPv4 written as IPv6 (RFC 4291
// 2.5.5.2) is IPv4; a zone does not count. Behind an address that a translator writes there is one
// of IPv4, whatever the prefix is.
func (t *Table) identify(addr netip.Addr) (identity, bool) {
	addr = addr.Unmap().WithZone("")
	if t.Exempt(addr) {
		return 0, false
	}
	if addr.Is6() && !translated.Contains(addr) {
		p, _ := addr.Prefix(t.cfg.IPv6Prefix) // cannot fail: valid has seen the number of bits
		addr = p.Addr()
	}
	id := identity(siphash(t.key, addr.As16()))
	if id>>idShift == 0 {
		id |= 1 << idShift
	}
	return id, true
}

// Exempted is the clients for whom nothing here is. It must not be changed.
func (t *Table) Exempted() []netip.Prefix { return t.cfg.Exempt }

// Exempt reports whether nothing here is for that client. It does not change, so a caller may ask
// once for many requests.
func (t *Table) Exempt(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() {
		return true
	}
	for _, p := range t.cfg.Exempt {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func (t *Table) set(id identity) *set { return &t.sets[int(id)&(len(t.sets)-1)] }

// interval is the time between two requests at the rate that holds now, in nanoseconds.
func (t *Table) interval() int64 {
	return int64(second / (float64(t.cfg.Rate) * t.Factor()))
}

// SetFactor makes every view use f times its Rate from now on; f is brought into the range 1/1024
// to 1.
func (t *Table) SetFactor(f float64) {
	if !(f > minFactor) { // so written, NaN is small too
		f = minFactor
	}
	t.header.factor.Store(math.Float64bits(min(f, 1)))
}

// Factor is what SetFactor set, 1 at first.
func (t *Table) Factor() float64 {
	if b := t.header.factor.Load(); b != 0 {
		return math.Float64frombits(b)
	}
	return 1
}

// Mitigations is the number of bans since the region was set up.
func (t *Table) Mitigations() uint64 { return t.header.mitigations.Load() }

// Unrecorded is how often a client was let in without an entry because its set was full, since the
// region was set up.
func (t *Table) Unrecorded() uint64 { return t.header.unrecorded.Load() }

// Cause is why the factor is below 1.
type Cause uint64

const (
	NoCause  Cause = iota // it is 1
	Lateness              // the server is late with its own work
	Pressure              // the machine's threads wait for its processors
	Load                  // too many are runnable
	numCauses
)

// Causes are all that there are.
var Causes = []Cause{Lateness, Pressure, Load}

func (c Cause) String() string {
	return [...]string{"none", "lateness", "pressure", "load"}[c%numCauses]
}

// SetCause says to all views why the factor is what it is.
func (t *Table) SetCause(c Cause) { t.header.cause.Store(uint64(c)) }

// Cause is what SetCause said.
func (t *Table) Cause() Cause { return Cause(t.header.cause.Load()) }
