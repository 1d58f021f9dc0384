package limiter

// Several processes on one table, some of which are killed in the middle of a call. The processes
// are this test's own program, started again.

import (
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/shared/shm"
)

// childKey makes this test binary play a worker, which inherits the region as its first extra
// descriptor and obeys orders on its standard input.
const (
	childKey = "LIMITER_TEST_CHILD"
	childFD  = 3
)

// shared is what the parent and its children have for a configuration.
func shared() Config {
	cfg := small()
	cfg.MaxConns, cfg.Burst, cfg.BanAfter = 1500, 1200, 3000
	return cfg
}

// order is what a child is told to do: so many calls, and then to release what they got, if it says
// so.
type order struct {
	Addr              netip.Addr
	Accepts, Requests int
	Release           bool
	Return            []Ticket // of anybody, to be released
	Now               int64
}

// result is what came of it.
type result struct {
	Accepted, Requested [Banned + 1]int // by Kind
	NewBans             int
	Tickets             []Ticket // that were not released
}

func TestMain(m *testing.M) {
	if os.Getenv(childKey) == "" {
		os.Exit(m.Run())
	}
	region, err := shm.Attach(os.NewFile(childFD, "inherited"))
	if err != nil {
		panic(err)
	}
	cfg := shared()
	cfg.Key = [2]uint64{} // the parent's is in the region
	table, err := New(region.Bytes(), cfg)
	if err != nil {
		panic(err)
	}
	orders, results := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var o order
		if err := orders.Decode(&o); err == io.EOF {
			os.Exit(0)
		} else if err != nil {
			panic(err)
		}
		results.Encode(o.obey(table))
	}
}

func (o order) obey(table *Table) (r result) {
	for range o.Accepts {
		v := table.Accept(o.Addr, o.Now)
		r.Accepted[v.Kind]++
		if v.Kind == Allowed && o.Release {
			table.Release(v.Ticket)
		} else if v.Kind == Allowed {
			r.Tickets = append(r.Tickets, v.Ticket)
		}
	}
	for range o.Requests {
		v := table.Request(o.Addr, o.Now)
		r.Requested[v.Kind]++
		if v.NewBan {
			r.NewBans++
		}
	}
	for _, ticket := range o.Return {
		table.Release(ticket)
	}
	return r
}

// child is a process that uses the region.
type child struct {
	cmd  *exec.Cmd
	tell *json.Encoder
	hear *json.Decoder
}

func startChild(t *testing.T, region *shm.Region) *child {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childKey+"=1")
	cmd.ExtraFiles = []*os.File{region.File()}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return &child{cmd, json.NewEncoder(in), json.NewDecoder(out)}
}

func (c *child) result(t *testing.T) (r result) {
	t.Helper()
	require.NoError(t, c.hear.Decode(&r))
	return r
}

// both has two children obey at once.
func both(t *testing.T, children [2]*child, o order) (a, b result) {
	t.Helper()
	for _, c := range children {
		require.NoError(t, c.tell.Encode(o))
	}
	return children[0].result(t), children[1].result(t)
}

func TestProcessesCountTogether(t *testing.T) {
	region, err := shm.Create("limiter-test", Size(64))
	require.NoError(t, err)
	defer region.Close()
	table, err := New(region.Bytes(), shared())
	require.NoError(t, err)
	children := [2]*child{startChild(t, region), startChild(t, region)}
	// Two that meet a new client in one instant may make two entries; so each is known before.
	known := func(s string) netip.Addr {
		a := ip(s)
		table.Release(table.Accept(a, 0).Ticket)
		return a
	}

	t.Run("connections opened by both are limited as one client's", func(t *testing.T) {
		a := known("192.0.2.1")
		x, y := both(t, children, order{Addr: a, Accepts: 1000})
		assert.Equal(t, 1500, x.Accepted[Allowed]+y.Accepted[Allowed])
		assert.Equal(t, 500, x.Accepted[TooManyConnections]+y.Accepted[TooManyConnections])

		require.NoError(t, children[0].tell.Encode(order{Return: y.Tickets}))
		require.NoError(t, children[1].tell.Encode(order{Return: x.Tickets}))
		children[0].result(t)
		children[1].result(t)
		all := order{Addr: a, Accepts: 1501}.obey(table)
		assert.Equal(t, 1500, all.Accepted[Allowed], "each has given back what the other opened")
	})
	t.Run("connections that come and go in both leave nothing", func(t *testing.T) {
		a := known("192.0.2.2")
		x, y := both(t, children, order{Addr: a, Accepts: 100_000, Release: true})
		assert.Equal(t, 200_000, x.Accepted[Allowed]+y.Accepted[Allowed])
		all := order{Addr: a, Accepts: 1501}.obey(table)
		assert.Equal(t, 1500, all.Accepted[Allowed])
	})
	t.Run("a burst is spent by both together", func(t *testing.T) {
		a := known("192.0.2.3")
		x, y := both(t, children, order{Addr: a, Requests: 1000})
		assert.Equal(t, 1200, x.Requested[Allowed]+y.Requested[Allowed])
		x, y = both(t, children, order{Addr: a, Requests: 1000, Now: 1000 * ms})
		assert.Equal(t, 10, x.Requested[Allowed]+y.Requested[Allowed], "and so is what comes back in a second")
	})
	t.Run("refusals of both make the ban, once, and both keep to it", func(t *testing.T) {
		a := known("192.0.2.4")
		order{Addr: a, Requests: 1200}.obey(table)
		x, y := both(t, children, order{Addr: a, Requests: 1400})
		assert.Equal(t, 2800, x.Requested[Limited]+y.Requested[Limited])
		before := table.Mitigations()
		x, y = both(t, children, order{Addr: a, Requests: 300})
		assert.Equal(t, 199, x.Requested[Limited]+y.Requested[Limited])
		assert.Equal(t, 1, x.NewBans+y.NewBans)
		assert.Equal(t, before+1, table.Mitigations())
		x, y = both(t, children, order{Addr: a, Accepts: 1, Requests: 1, Now: 999 * ms})
		assert.Equal(t, [2]int{1, 1}, [2]int{x.Accepted[Banned], x.Requested[Banned]})
		assert.Equal(t, [2]int{1, 1}, [2]int{y.Accepted[Banned], y.Requested[Banned]})
	})
	t.Run("what a killed process held is given back by who knows its tickets", func(t *testing.T) {
		a := known("192.0.2.5")
		doomed := startChild(t, region)
		require.NoError(t, doomed.tell.Encode(order{Addr: a, Accepts: 1500}))
		held := doomed.result(t).Tickets
		require.NoError(t, doomed.cmd.Process.Kill())
		doomed.cmd.Wait()
		assert.Equal(t, TooManyConnections, table.Accept(a, 0).Kind)
		for _, ticket := range held {
			table.Release(ticket)
		}
		assert.Equal(t, 1500, order{Addr: a, Accepts: 1501}.obey(table).Accepted[Allowed])
	})
}
