package app

// Descriptors, of which a process has only so many: what is kept free for other things than
// connections, and for how many connections that leaves room.
//
// The room is known once the driver is made, as it opens what it needs for itself.

import (
	"fmt"

	"fourways/shared/config"
	"fourways/shared/session"
	"fourways/shared/sysnet"
)

const (
	// cachedFiles is how many large files stay open for the next request.
	cachedFiles = 128
	// reservedFiles is how many descriptors are kept free for other things than connections
	// that are served: those that are being refused, cached files, and 128 for files that are
	// sent and for uploads. Where there are few in all, it is a quarter of those that are free.
	reservedFiles = session.MaxRefused + cachedFiles + 128
	// leastReserved is how many that is at least: one to read the machine's load, one for a
	// file, two for refusals.
	leastReserved = 4
)

// mostFiles stands for a limit of open files that is "unlimited".
const mostFiles = 1 << 30

// reserve raises the limit of open descriptors, and decides how many of those that are free
// are kept for other things than connections.
func (a *App) reserve() {
	limit, err := sysnet.RaiseFileLimit()
	if err != nil {
		a.Log.Warn("Limit of open files not raised", "error", err)
	}
	a.files = int(min(limit, mostFiles))
	free := a.files - sysnet.OpenDescriptors(a.files)
	a.reserved = min(max(free/4, leastReserved), reservedFiles)
}

// reservedFor is a use's part of the reserve, where that is of the whole one when nothing is
// short.
func (a *App) reservedFor(part int) int { return a.reserved * part / reservedFiles }

// fitConns lowers -max-conns to what the limit of open descriptors leaves: to each
// process, where workers are processes. The server has opened by now what it keeps open.
func (a *App) fitConns() error {
	own := sysnet.OpenDescriptors(a.files)
	free := a.files - own - a.reserved
	files := a.forFiles(free) + a.forPipes()
	a.room = free - files
	if a.room < a.descriptors() {
		return fmt.Errorf("%d open files are too few to serve anybody; allow %d or more (ulimit -n)", a.files, own+a.reserved+files+a.descriptors())
	}
	a.most = a.mostConns(a.Config, a.upstreams.Load())
	a.Server.MaxConns = a.fitting(a.Config, true)
	return nil
}

// mostConns is how many connections there are descriptors for, beside those to the servers behind
// this one.
func (a *App) mostConns(cfg *config.Config, up *upstreams) int {
	all := a.room / a.descriptors()
	return (all - forUpstreams(all, up, &cfg.Proxy)) * a.processes()
}

// fitting lowers -max-conns to what there are descriptors for, and its default to what there is
// memory for, and says so if that is news.
func (a *App) fitting(cfg *config.Config, news bool) int64 {
	wanted, why := &cfg.Limits.Conns, ""
	said, memory := *wanted, sysnet.Memory()
	if most := a.connsIn(memory); said == config.DefaultConns && 0 < most && most < said {
		*wanted, why = most, fmt.Sprintf("there are %d MiB of memory", memory>>20)
	}
	if *wanted > a.most {
		*wanted, why = a.most, fmt.Sprintf("%d files may be open in a process (RLIMIT_NOFILE)", a.files)
	}
	if news && why != "" && a.stage.Process <= 1 { // one of them says so
		a.Log.Info(fmt.Sprintf("max-conns lowered from %d to %d: %s", said, *wanted, why))
	}
	return int64(*wanted)
}

// Room is how many sockets of connections this process has descriptors for: those of clients, and
// those of the servers that these are passed on to. It is known once the driver is made.
func (a *App) Room() int { return a.room }
