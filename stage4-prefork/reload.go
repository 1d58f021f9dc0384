//go:build linux

package main

// Changing the settings while serving (HUP), and the number of workers (TTIN, TTOU).
//
// The workers are replaced one by one: the new one first, and when it serves, the old one is told
// to go. The sockets stay open throughout, so no client is refused. The first new worker is the
// trial of the settings: it has to serve for a while before an old one goes. Where it does not, the
// old settings stay.

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"fourways/shared/app"
	"fourways/shared/clock"
	"fourways/shared/plural"
	"fourways/shared/sysnet"
)

// trialTime is how long the first new worker has to live after it has reported that it serves.
const trialTime = 100 * time.Millisecond

// openTime is how long it may take to read and open what the new settings want: a file on a
// disk that hangs keeps the master from nothing.
const openTime = 10 * time.Second

var errOpenTime = fmt.Errorf("they could not be read and opened within %v", openTime)

// change is a change of the settings.
type change struct {
	before    settings
	began     clock.Time  // 0 as long as the new ones are being opened
	left      []*position // still to be replaced
	committed bool        // a new worker has taken an old one's place: the old settings cannot be restored
}

// reload reads the configuration again, on another goroutine, because the master must not wait.
func (m *master) reload() {
	m.app.NotifyReloading()
	m.enter(reloading)
	c := &change{before: m.settings}
	m.change = c
	stage, opt := newStage()
	open := m.app.Renewal(stage)
	go func() {
		next, err := open()
		m.inbox <- func() {
			if !m.opened(c, settings{opt, next}, err) && next != nil {
				m.app.Discard(next)
			}
		}
	}()
	m.after(openTime, func() { m.opened(c, settings{}, errOpenTime) })
}

// opened begins to replace the workers, once the new settings are open. It reports false if it does
// not, because the settings are wrong or come too late.
func (m *master) opened(c *change, next settings, err error) bool {
	if m.change != c || c.began != 0 || m.phase != reloading {
		return false
	}
	if err != nil {
		m.app.NoteReload(false)
		m.app.Log.Error(fmt.Sprintf("Not reloaded, all stays as it was: %v", err))
		m.change = nil
		m.enter(serving)
		m.serveOn()
		return false
	}
	m.settings, c.began = next, sysnet.Now()
	m.app.Log.Info("Reloading: the workers are replaced one by one")
	m.app.TellRenewed()
	c.before.app.EndAdapting()
	m.app.Adapt()
	m.reopenLogs() // replaced workers still log, and must not go on in a renamed file
	c.left = append(c.left, m.positions[:min(len(m.positions), m.app.Config.Workers)]...)
	m.replaceNext()
	return true
}

// serveOn follows the start and each reload. It begins the reload that was asked for meanwhile.
func (m *master) serveOn() {
	m.app.Renewed()
	if m.reloadDue {
		m.reloadDue = false
		m.reload()
	}
}

// replaceNext starts the next new worker, or ends the reload after the last. It starts one at once
// even in a position whose workers keep dying: the new settings may have solved that.
func (m *master) replaceNext() {
	for c := m.change; len(c.left) > 0; {
		p := c.left[0]
		c.left = c.left[1:]
		if p.current != nil && p.current.started > c.began {
			continue // it was started since, with the new settings
		}
		var err error
		switch p.next, err = m.start(p); {
		case errors.Is(err, errEntries): // those who are to make room have not gone yet
			c.left = slices.Insert(c.left, 0, p)
			m.after(retryEntry, func() { m.goOn(c) })
		case err != nil:
			m.nextFailed()
		}
		return
	}
	m.grow()
	m.reloaded()
}

// goOn goes on with a change that had to wait, if it is still under way.
func (m *master) goOn(c *change) {
	if m.change == c && m.phase == reloading {
		m.replaceNext()
	}
}

// nextReady goes on when a new worker serves.
func (m *master) nextReady(p *position) {
	if m.change.committed {
		m.takePlace(p)
		return
	}
	w := p.next
	m.after(m.opt.faults.Trial(p.number, trialTime), func() {
		if p.next == w {
			m.takePlace(p)
		}
	})
}

// takePlace puts a new worker in the place of the old one. With the first one the old settings are
// given up, and the master closes the sockets that only they had, before any worker that has them
// goes. So the last process to close one is a worker, which first accepts the connections that wait
// there.
func (m *master) takePlace(p *position) {
	if c := m.change; !c.committed {
		c.committed = true
		c.before.app.LetGo(m.app)
	}
	old := p.current
	p.current, p.next = p.next, nil
	m.dismiss(old)
	if m.phase == reloading {
		m.replaceNext()
	}
}

// reloaded ends a reload.
func (m *master) reloaded() {
	c := m.change
	c.before.app.LetGo(m.app) // its own sockets are open still, if there was no worker to be replaced
	c.before.app.Close()
	m.change = nil
	m.enter(serving)
	m.shrink()
	n := m.older(c.began)
	m.app.NoteReload(n == 0 && len(m.app.KeptSecrets()) == 0)
	if n > 0 {
		m.app.Log.Error(fmt.Sprintf("Reloaded, but for %s: the settings from before hold there until the next reload", plural.Of(n, "worker", "workers")))
	} else {
		m.app.Log.Info("Reloaded: all workers go by the settings as they are now. Log files reopened")
	}
	m.serveOn()
}

// older is how many workers that are wanted were started before a time.
func (m *master) older(than clock.Time) (n int) {
	for _, p := range m.positions {
		if p.current != nil && p.current.started < than {
			n++
		}
	}
	return n
}

// nextFailed goes on when a new worker did not come up. If it was the first one, the settings are
// to blame, and those from before are restored.
func (m *master) nextFailed() {
	c := m.change
	switch {
	case m.phase != reloading:
		m.grow()
		return
	case c.committed:
		m.app.Log.Error("A new worker did not come up; the old one stays until the next reload")
		m.grow()
		m.replaceNext()
		return
	}
	m.app.NoteReload(false)
	m.app.Log.Error("Not reloaded, all stays as it was: the first new worker did not come up")
	failed := m.app
	m.settings, m.change = c.before, nil
	m.enter(serving)
	m.app.Discard(failed)
	m.app.Adapt()
	m.shrink()
	for _, p := range m.positions {
		if p.current != nil && p.current.started > c.began { // it has the settings that failed
			m.dismiss(p.current)
		}
	}
	m.grow()
	m.serveOn()
}

// resize changes the number of workers by one.
func (m *master) resize(by int) {
	want := m.app.Config.Workers + by
	if want < 1 || want > maxWorkers {
		m.keepNumber()
		return
	}
	dropped, err := m.app.Resize(want)
	if err != nil {
		m.app.Log.Error("The number of workers stays as it is", "error", err)
		return
	}
	m.app.Log.Info(plural.Of(want, "worker", "workers"))
	app.CloseForGood(dropped)
	m.grow()
	m.shrink()
	m.judgeStart() // it may have waited for the worker that is not wanted any more
}

// keepNumber logs that a signal cannot be obeyed now.
func (m *master) keepNumber() {
	m.app.Log.Warn(fmt.Sprintf("The number of workers stays %d", m.app.Config.Workers))
}
