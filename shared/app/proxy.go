package app

// The servers behind this one, and what is told of them.
//
// The region of what all processes know of them is inherited like the others, so it is there in any
// case where there are several. Names are looked up, and the servers checked, by each process that
// serves, from Start to Close.

import (
	"fmt"
	"reflect"
	"strings"

	"fourways/shared/clock"
	"fourways/shared/config"
	"fourways/shared/figures"
	"fourways/shared/proxy"
	"fourways/shared/site"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
	"fourways/shared/upstream"
)

// UpstreamsMemory is the region of what is known of the servers behind this one.
const UpstreamsMemory = "upstreams"

// upstreams are the servers behind this one, and what looks after them.
type upstreams struct {
	*upstream.Set
	stop func() // ends what looks after them; nil before start
}

// start begins to look after them, which may wait a moment for names.
func (u *upstreams) start() {
	if u != nil {
		u.stop = u.Start()
	}
}

// end has those that begin go by others, and ends what looks after these.
func (u *upstreams) end() {
	if u != nil && u.stop != nil {
		u.Retire()
		u.stop()
	}
}

// openUpstreams readies what passes requests on, where the configuration says so. The region is
// there in any case where processes share it, since it is inherited.
func (a *App) openUpstreams() error {
	slots := a.stage.Slots(a.Config)
	if a.stage.Memory == nil {
		a.targets = upstream.NewRegion(slots)
	} else {
		l := upstream.Layout{Targets: upstream.MaxTargets, Processes: max(a.stage.Processes, 1), Slots: slots}
		mem, err := a.memory(UpstreamsMemory, upstream.Size(l))
		if err != nil {
			return err
		}
		alive := func(process int) bool { return a.Stats.Process(process).State() != stats.Free }
		if a.targets, err = upstream.Open(mem, l, alive); err != nil {
			return err
		}
	}
	u, err := a.upstreamsOf(a.Config)
	a.upstreams.Store(u)
	return err
}

// upstreamsOf are the servers that some settings name, nil for none. They are not looked after yet.
func (a *App) upstreamsOf(cfg *config.Config) (*upstreams, error) {
	c := &cfg.Proxy
	if len(c.Rules) == 0 {
		return nil, nil
	}
	var groups [][]upstream.Target
	for _, rule := range c.Rules {
		var group []upstream.Target
		for _, u := range rule.Upstreams {
			group = append(group, upstream.Target(u))
		}
		groups = append(groups, group)
	}
	set, err := upstream.New(upstream.Options{
		Timeout:       clock.Time(c.Timeout),
		Connect:       clock.Time(cfg.Relay.ConnectTimeout),
		TunnelTimeout: clock.Time(cfg.Relay.TunnelTimeout),
		Conns:         c.Conns,
		Idle:          c.Idle,
		Check:         c.Check,
		Region:        a.targets,
		Process:       a.stage.Process,
		Now:           sysnet.Now,
		Log:           func(format string, args ...any) { a.Log.Warn(fmt.Sprintf(format, args...)) },
	}, groups)
	if err != nil {
		return nil, fmt.Errorf("-proxy: %w", err)
	}
	return &upstreams{Set: set}, nil
}

// otherUpstreams are those of other settings, looked after, or those that are there if they are the
// same.
func (a *App) otherUpstreams(cfg, before *config.Config) (*upstreams, error) {
	have := a.upstreams.Load()
	if reflect.DeepEqual(cfg.Proxy, before.Proxy) {
		return have, nil
	}
	next, err := a.upstreamsOf(cfg)
	if err != nil {
		return nil, err
	}
	if next != nil && a.queues.Load() == nil { // the first ones of this process
		if err := a.openSpill(); err != nil {
			return nil, err
		}
		a.room -= a.forFiles(a.room) + a.forPipes()
	}
	next.start()
	return next, nil
}

// added is the fields as package proxy wants them.
func added(headers []config.Header) (list []proxy.Added) {
	for _, h := range headers {
		list = append(list, proxy.Added{Name: strings.ToLower(h.Name), Line: fieldLines([]config.Header{h})})
	}
	return list
}

// passingOn passes requests on, and has the site answer the rest.
func (a *App) passingOn(cfg *config.Config, s *site.Site, up *upstreams) *proxy.Handler {
	c := &cfg.Proxy
	opt := proxy.Options{Set: up.Set, Strip: c.Strip, TargetHost: c.TargetHost, Queues: a.queues.Load(), Site: s}
	opt.Added, opt.Secured = added(chosen(cfg.Headers, forAll)), added(cfg.Headers)
	for i, rule := range c.Rules {
		opt.Rules = append(opt.Rules, proxy.Rule{Prefix: rule.Prefix, Group: up.Groups[i]})
	}
	return proxy.New(opt)
}

// forUpstreams is how many of so many descriptors are kept for connections to the servers behind
// this one: as many as there may be requests under way, and at most half.
func forUpstreams(room int, up *upstreams, c *config.Proxy) int {
	if up == nil {
		return 0
	}
	most := room / 2
	if c.Conns == 0 || c.Conns > int64(most) {
		return most
	}
	return min(most, len(up.States())*int(c.Conns))
}

// tellRules says where requests go.
func (a *App) tellRules(cfg *config.Config) {
	for _, rule := range cfg.Proxy.Rules {
		var names []string
		for _, u := range rule.Upstreams {
			names = append(names, u.Name)
		}
		a.Log.Info(fmt.Sprintf("Passing on what is below %q to %s", rule.Prefix, strings.Join(names, ", ")))
	}
}

// ofUpstreams tells of the servers behind this one.
func (a *App) ofUpstreams(l *figures.List) {
	up := a.upstreams.Load()
	if up == nil {
		return
	}
	for _, s := range up.States() {
		resting := 0
		if s.Resting() {
			resting = 1
		}
		heads := s.Heads()
		rows := []figures.Row{
			{JSON: "name", Kind: figures.Fact, Value: s.Name},
			{JSON: "resting", Name: "fourways_upstream_resting", Help: "1 while an upstream gets no requests because it has failed, as long as there is another.", Value: resting},
			{JSON: "in_flight", Name: "fourways_upstream_requests_in_flight", Help: "Requests that an upstream has not answered yet, and tunnels.", Value: s.InFlight()},
			{JSON: "tunnels", Name: "fourways_upstream_tunnels", Help: "Of those, the tunnels.", Value: s.Tunnels()},
			{JSON: "connections", Name: "fourways_upstream_connections", Help: "Connections to an upstream that are open.", Value: s.Conns()},
			{JSON: "requests", Name: "fourways_upstream_requests_total", Help: "Requests that an upstream was sent.", Kind: figures.Counter, Value: s.Total(upstream.Requests)},
			{JSON: "connections_opened", Long: true, Name: "fourways_upstream_connections_total", Help: "Connections that were made to an upstream.", Kind: figures.Counter, Value: s.Total(upstream.Opened)},
		}
		for _, f := range upstream.Failures {
			rows = append(rows, figures.Row{JSON: "failures." + f.Name, Name: "fourways_upstream_failures_total", Help: "Requests that an upstream has not answered properly, by what was wrong.", Kind: figures.Counter, Labels: []string{"kind", f.Name}, Value: s.Total(f.Counter)})
		}
		rows = append(rows, figures.Row{Name: "fourways_upstream_response_seconds", Help: "Time from a request to the end of the head of an upstream's response.", Kind: figures.Histogram, Unit: figures.Seconds, Value: distribution(heads)})
		for _, q := range quantiles {
			rows = append(rows, figures.Row{JSON: "head_microseconds." + q.name, Long: true, Value: heads.Quantile(q.perMille)})
		}
		l.Item("upstreams", []string{"upstream", s.Name}, rows...)
	}
}
