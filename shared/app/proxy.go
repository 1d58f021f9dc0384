package app

// The servers behind this one, and what is told of them.
//
// The region of what all processes know of them is inherited like the others, so it is there in any
// case where there are several. Names are looked up, and the servers checked, by each process that
// serves, from Start to Close.

import (
	"fmt"
	"strings"

	"fourways/shared/clock"
	"fourways/shared/config"
	"fourways/shared/figures"
	"fourways/shared/proxy"
	"fourways/shared/session"
	"fourways/shared/site"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
	"fourways/shared/upstream"
)

// UpstreamsMemory is the region of what is known of the servers behind this one.
const UpstreamsMemory = "upstreams"

// openUpstreams readies what passes requests on, where the configuration says so.
func (a *App) openUpstreams() error {
	c := &a.Config.Proxy
	shared := a.stage.Memory != nil
	if len(c.Rules) == 0 && !shared {
		return nil
	}
	l := upstream.Layout{Targets: upstream.MaxTargets, Processes: max(a.stage.Processes, 1), Slots: a.stage.Slots(a.Config)}
	var alive func(int) bool
	if shared {
		alive = func(process int) bool { return a.Stats.Process(process).State() != stats.Free }
	} else {
		l.Targets = distinct(c.Rules)
	}
	mem, err := a.memory(UpstreamsMemory, upstream.Size(l))
	if err != nil {
		return err
	}
	region, err := upstream.Open(mem, l, alive)
	if err != nil || len(c.Rules) == 0 {
		return err
	}
	var groups [][]upstream.Target
	for _, rule := range c.Rules {
		var group []upstream.Target
		for _, u := range rule.Upstreams {
			group = append(group, upstream.Target(u))
		}
		groups = append(groups, group)
	}
	a.upstreams, err = upstream.New(upstream.Options{
		Timeout:       clock.Time(c.Timeout),
		Connect:       clock.Time(a.Config.Relay.ConnectTimeout),
		TunnelTimeout: clock.Time(a.Config.Relay.TunnelTimeout),
		Conns:         c.Conns,
		Idle:          c.Idle,
		Check:         c.Check,
		Region:        region,
		Process:       a.stage.Process,
		Now:           sysnet.Now,
		Log:           func(format string, args ...any) { a.Log.Warn(fmt.Sprintf(format, args...)) },
	}, groups)
	if err != nil {
		return fmt.Errorf("-proxy: %w", err)
	}
	return nil
}

// passingOn passes requests on, and has the site answer the rest.
func (a *App) passingOn(cfg *config.Config, s *site.Site) session.Handler {
	c := &cfg.Proxy
	opt := proxy.Options{Set: a.upstreams, Strip: c.Strip, TargetHost: c.TargetHost, Queues: a.queues, Site: s}
	for _, h := range cfg.Headers {
		opt.Added = append(opt.Added, proxy.Added{Name: strings.ToLower(h.Name), Line: fieldLines([]config.Header{h})})
	}
	for i, rule := range c.Rules {
		opt.Rules = append(opt.Rules, proxy.Rule{Prefix: rule.Prefix, Group: a.upstreams.Groups[i]})
	}
	return proxy.New(opt)
}

// distinct is how many servers the rules name, each once.
func distinct(rules []config.ProxyRule) int {
	names := map[string]bool{}
	for _, rule := range rules {
		for _, u := range rule.Upstreams {
			names[u.Name] = true
		}
	}
	return len(names)
}

// forUpstreams is how many of so many descriptors are kept for connections to the servers behind
// this one: as many as there may be requests under way, and at most half.
func (a *App) forUpstreams(room int) int {
	if a.upstreams == nil {
		return 0
	}
	c := &a.Config.Proxy
	most := room / 2
	if c.Conns == 0 || c.Conns > int64(most) {
		return most
	}
	return min(most, len(a.upstreams.States())*int(c.Conns))
}

// tellRules says where requests go.
func (a *App) tellRules() {
	for _, rule := range a.Config.Proxy.Rules {
		var names []string
		for _, u := range rule.Upstreams {
			names = append(names, u.Name)
		}
		a.Log.Info(fmt.Sprintf("Passing on what is below %q to %s", rule.Prefix, strings.Join(names, ", ")))
	}
}

// ofUpstreams tells of the servers behind this one.
func (a *App) ofUpstreams(l *figures.List) {
	if a.upstreams == nil {
		return
	}
	for _, s := range a.upstreams.States() {
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
