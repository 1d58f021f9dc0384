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

// settings is what the command line and the configuration file have said, and what was
// opened by it.
type settings struct {
	stage app.Stage
	opt   *options // the stage's own
	app   *app.App
	text  *os.File // the configuration file's, nil for none
}

// giveWay closes what nobody needs when the others hold.
func (s settings) giveWay(to settings) {
	drop(app.Without(s.app.Listeners, to.app.Listeners))
	s.app.Close()
	if s.text != nil {
		s.text.Close()
	}
}

// reload is a reload under way.
type reload struct {
	before  settings
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
	now := &reload{before: m.settings, began: sysnet.Now()}
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
	before := m.settings
	m.text = nil
	m.stage, m.opt = newStage()
	m.stage.Inherited = before.stage.Inherited
	m.stage.Listeners = before.app.Listeners
	cfg, err := app.Configure(m.stage, os.Args[1:], os.Stdout)
	if err == nil && m.activated {
		adopt(cfg, before.app.Listeners)
	}
	var next *app.App
	if err == nil {
		next, err = m.open(cfg)
	}
	if err != nil {
		if next != nil {
			settings{app: next}.giveWay(before)
		}
		m.settings = before
		return err
	}
	if next.Config.Clients.Entries != before.app.Config.Clients.Entries {
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
	r.before.giveWay(m.settings)
	m.shrink()
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
	failed := m.settings
	m.settings = r.before
	m.reloading = nil
	m.follow()
	failed.giveWay(m.settings)
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
