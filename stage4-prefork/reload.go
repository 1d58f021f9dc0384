//go:build linux

package main

// Changing the settings while serving (HUP), and the number of workers (TTIN, TTOU).
//
// The workers are replaced one by one: the new one first, and when it serves, the old one
// is retired. The sockets stay open throughout, so nobody is refused. Where the first new
// worker cannot start, all stays as it was.

import (
	"fmt"
	"os"

	"fourways/shared/app"
	"fourways/shared/clock"
	"fourways/shared/sysnet"
)

// reload is a reload under way.
type reload struct {
	before  *app.App  // as it was
	text    *os.File  // its configuration file's text, nil for none
	opt     *options  // its own settings
	stage   app.Stage // with them
	began   clock.Time
	left    []*position // still to be replaced
	changed bool        // a new worker has taken an old one's place: there is no way back
}

// reload reads the configuration anew, and begins to replace the workers.
func (m *master) reload() {
	switch {
	case m.stopping || m.replaced:
		return
	case m.successor != nil:
		m.app.Log.Warn("Not reloaded: a new program takes over, and reads the settings itself")
		return
	case m.reloading != nil || !m.begun:
		m.again = true
		return
	}
	m.notifyReloading()
	now := &reload{before: m.app, text: m.text, opt: m.opt, stage: m.stage, began: sysnet.Now()}
	if err := m.renew(); err != nil {
		m.app.Log.Error(fmt.Sprintf("Not reloaded, all stays as it was: %v", err))
		m.notifyReady()
		return
	}
	m.app.Log.Info("Reloading: the workers are replaced one by one")
	m.reloading = now
	m.follow()
	m.reopen() // what those still log who are replaced is not to follow a renamed file
	m.grow()
	now.left = append(now.left, m.positions[:m.app.Config.Workers]...)
	m.replaceNext()
}

// renew makes the master one of the settings as they are now. The memory and the sockets
// stay; the sockets that only the new settings want are opened. Where it fails nothing has
// changed.
func (m *master) renew() error {
	before, text, opt, stage := m.app, m.text, m.opt, m.stage
	m.text = nil
	fresh, freshOpt := newStage()
	fresh.Inherited = stage.Inherited
	fresh.Listeners = before.Listeners
	m.stage, m.opt = fresh, freshOpt
	cfg, err := app.Configure(m.stage, os.Args[1:], os.Stdout)
	if err == nil && m.activated {
		adopt(cfg, before.Listeners)
	}
	var next *app.App
	if err == nil {
		next, err = m.open(cfg)
	}
	if err != nil {
		if next != nil {
			drop(app.Without(next.Listeners, before.Listeners))
			next.Close()
		}
		m.app, m.text, m.opt, m.stage = before, text, opt, stage
		return err
	}
	if next.Config.Clients.Entries != before.Config.Clients.Entries {
		next.Log.Warn("-clients stays as it was until the server is started anew: the table is in use")
	}
	m.app = next
	return nil
}

// grow makes as many positions as the configuration wants workers, if there are fewer.
func (m *master) grow() {
	for len(m.positions) < m.app.Config.Workers {
		p := &position{number: len(m.positions) + 1}
		m.positions = append(m.positions, p)
		p.current = m.start(p)
	}
}

// shrink retires the workers that the configuration does not want. Their sockets, if they
// have some of their own, are closed here before: then theirs are the last, and who waits
// there is taken before they close them.
func (m *master) shrink() {
	want := m.app.Config.Workers
	for _, p := range m.positions[want:] {
		p.gone = true
		if p.current != nil {
			m.retire(p.current)
		}
	}
	m.positions = m.positions[:want]
	m.account()
}

// replaceNext starts the successor of the next worker, or ends the reload after the last.
func (m *master) replaceNext() {
	r := m.reloading
	if r == nil || m.stopping || m.replaced {
		return
	}
	for len(r.left) > 0 {
		p := r.left[0]
		r.left = r.left[1:]
		if p.gone || p.current == nil || p.current.started > r.began {
			continue // who is to be started, or has been since, goes by the new settings
		}
		if p.next = m.start(p); p.next == nil {
			m.rollBack()
		}
		return
	}
	m.reloaded()
}

// reloaded ends a reload. The sockets that nobody wants any more are closed.
func (m *master) reloaded() {
	r := m.reloading
	m.reloading = nil
	drop(app.Without(r.before.Listeners, m.app.Listeners))
	m.shrink()
	r.before.Close()
	if r.text != nil {
		r.text.Close()
	}
	m.app.Log.Info("Reloaded: all workers go by the settings as they are now. Log files reopened")
	m.notifyReady()
	m.catchUp()
}

// catchUp begins the reload that was asked for meanwhile.
func (m *master) catchUp() {
	if m.again {
		m.again = false
		m.reload()
	}
}

// rollBack ends a reload that has failed: a new worker did not come up. If it was the first
// one, the settings are to blame, and those from before are taken back.
func (m *master) rollBack() {
	r := m.reloading
	if r == nil {
		return
	}
	if r.changed {
		m.app.Log.Error("A new worker did not come up; the old one stays until the next reload")
		m.replaceNext()
		return
	}
	m.app.Log.Error("Not reloaded, all stays as it was: the first new worker did not come up")
	next, text := m.app, m.text
	m.app, m.text, m.opt, m.stage = r.before, r.text, r.opt, r.stage
	m.reloading = nil
	m.follow()
	drop(app.Without(next.Listeners, m.app.Listeners))
	next.Close()
	if text != nil {
		text.Close()
	}
	m.grow()
	m.shrink()
	for _, p := range m.positions {
		if w := p.current; w != nil && w.started > r.began { // it goes by the settings that failed
			p.current = m.start(p)
			m.retire(w)
		}
	}
	m.notifyReady()
	m.catchUp()
}

// drop closes sockets that no settings want any more, and removes those names in the file
// system that were theirs.
func drop(listeners []app.Listener) {
	app.CloseAll(listeners)
	for _, l := range listeners {
		if l.Addr.Path != "" {
			os.Remove(l.Addr.Path)
		}
	}
}

// resize changes the number of workers by one.
func (m *master) resize(by int) {
	want := m.app.Config.Workers + by
	if m.stopping || m.replaced || m.reloading != nil || m.successor != nil || want < 1 || want > maxWorkers {
		m.app.Log.Warn(fmt.Sprintf("The number of workers stays %d", m.app.Config.Workers))
		return
	}
	dropped, err := m.app.Resize(want)
	if err != nil {
		m.app.Log.Error("The number of workers stays as it is", "error", err)
		return
	}
	m.app.Log.Info(fmt.Sprintf("%d workers", want))
	app.CloseAll(dropped)
	m.grow()
	m.shrink()
}
