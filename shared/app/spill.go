package app

// Queues for slow readers: what all connections of a process share of them, how many files they may
// have, and what is told.
//
// The queues belong to the threads of the process, what is shared here to the App. What must not be
// done: the number of files must not change once there are queues, nor be so large that connections
// which were let in find no descriptor.

import (
	"fmt"

	"fourways/shared/figures"
	"fourways/shared/session"
	"fourways/shared/spill"
	"fourways/shared/sysnet"
)

// openSpill checks that files can be made where they are to be, once before anything is passed on.
func (a *App) openSpill() error {
	s := &a.Config.Spill
	own := a.Stats.Process(a.stage.Process)
	settings := spill.Config{
		Memory: s.Memory, MemoryTotal: memoryOfQueues(s.Most), File: s.File, Total: s.Total, Dir: s.Folder,
		OnDisk: &own.Spilled, All: a.Stats.Spilled, InMemory: &own.Queued, AllMemory: a.Stats.Queued,
		Failed: func(err error) {
			a.Log.Warn("The disk takes nothing for slow readers: their senders have to wait", "error", err)
		},
	}
	all, err := spill.New(settings)
	if err != nil && a.stage.Revived {
		settings.Failed(err)
		settings.File = 0
		all, err = spill.New(settings)
	}
	if err != nil {
		return unusableSpill(err)
	}
	if s.File > 0 && a.stage.Process == 0 && sysnet.InMemory(s.Folder) {
		a.Log.Warn(fmt.Sprintf("-proxy-spill-dir %q is in memory: up to %d MiB that wait there count as the server's; name a folder on a disk, or say -proxy-spill 0", s.Folder, s.Total>>20))
	}
	a.queues.Store(all)
	if a.relays != nil {
		for _, r := range a.relays.servers {
			r.Queues = all
		}
	}
	return nil
}

// memoryShare is what part of the memory that there is the queues may have, where nobody says
// otherwise: one of so many.
const memoryShare = 4

// memoryOfQueues is how much memory all queues may have: as much as somebody says, or a part of
// what there is.
func memoryOfQueues(said int64) int64 {
	if said > 0 {
		return said
	}
	return sysnet.Memory() / memoryShare
}

// spillShare is what part of the descriptors that are left for connections may be files for slow
// readers: one of so many.
const spillShare = 8

// forFiles is how many of so many descriptors are kept for such files, and sees to it that there
// are no more of them. Most readers are fast, and need none; where there are too many that are slow
// their senders wait.
func (a *App) forFiles(free int) int {
	queues := a.queues.Load()
	if queues == nil || a.Config.Spill.File == 0 {
		return 0
	}
	n := max(free/spillShare, 1)
	queues.LimitFiles(int64(n))
	return n
}

// pipesEach is how many pipes a thread may have at most. What is in one leaves in the turn in which
// it came, so these are for the sockets of one turn. For one of them there must be pipeShare files
// that may be open.
const (
	pipesEach = 16
	pipeShare = 64
)

// givePipes gives a thread pipes for what it passes on, also where that begins later: none is open
// before it is needed.
func (a *App) givePipes(l *session.Thread) {
	if !a.stage.Pipes {
		return
	}
	threads := a.Config.Workers / a.processes()
	n := min(pipesEach, a.files/(pipeShare*threads))
	if pipes := sysnet.NewPipes(n); pipes != nil {
		l.Pipes = pipes
		a.pipes = append(a.pipes, pipes)
		a.inPipes += 2 * n
	}
}

// forPipes is how many descriptors are kept for them. Where nothing is passed on it is none.
func (a *App) forPipes() int {
	if a.queues.Load() == nil {
		return 0
	}
	return a.inPipes
}

// ofSpill tells of what waits for slow readers.
func (a *App) ofSpill(l *figures.List) {
	if a.queues.Load() == nil {
		return
	}
	l.Add(
		figures.Row{JSON: "queues.memory", Name: "fourways_queued_memory_bytes", Help: "Memory that holds what slow readers have not taken yet.", Unit: figures.Bytes, Value: a.Stats.Queued()},
		figures.Row{JSON: "queues.disk", Name: "fourways_queued_disk_bytes", Help: "What is on the disk of it.", Unit: figures.Bytes, Value: a.Stats.Spilled()},
	)
}
