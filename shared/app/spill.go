package app

// Queues for slow readers: what all connections of a process share of them, and what is told.

import (
	"fmt"

	"fourways/shared/figures"
	"fourways/shared/spill"
)

// openSpill checks that files can be made where they are to be, once before anything is served.
func (a *App) openSpill() error {
	if a.relays == nil && len(a.Config.Proxy.Rules) == 0 {
		return nil
	}
	s := &a.Config.Spill
	own := a.Stats.Process(a.stage.Process)
	all, err := spill.New(spill.Config{
		Memory: s.Memory, File: s.File, Total: s.Total, Dir: s.Folder,
		OnDisk: &own.Spilled, InMemory: &own.Queued, All: a.Stats.Spilled,
		Failed: func(err error) {
			a.Log.Warn("The disk takes nothing for slow readers: their senders have to wait", "error", err)
		},
	})
	if err != nil {
		return fmt.Errorf("%w; give another -proxy-spill-dir, or -proxy-spill 0 for memory alone", err)
	}
	a.queues = all
	if a.relays != nil {
		for _, r := range a.relays.servers {
			r.Queues = all
		}
	}
	return nil
}

// ofSpill tells of what waits for slow readers.
func (a *App) ofSpill(l *figures.List) {
	if a.queues == nil {
		return
	}
	l.Add(
		figures.Row{JSON: "queues.memory", Name: "fourways_queued_memory_bytes", Help: "Memory that holds what slow readers have not taken yet.", Unit: figures.Bytes, Value: a.Stats.Queued()},
		figures.Row{JSON: "queues.disk", Name: "fourways_queued_disk_bytes", Help: "What is on the disk of it.", Unit: figures.Bytes, Value: a.Stats.Spilled()},
	)
}
