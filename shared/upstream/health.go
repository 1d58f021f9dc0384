package upstream

// What is known of a target's health. All processes of the server share it, in the target's row.
//
// Any thread may call these; each word is an atomic of its own. What must not be done: nothing here
// may stay behind when a process is killed. So whoever probes holds no lock; it notes when it
// began.

import (
	"fmt"

	"fourways/shared/clock"
	"fourways/shared/sysnet"
)

// available reports whether a target may get a request. One that rests gets none. When its rest
// is over, one request is let through, and what becomes of it decides.
func (s *State) available(now clock.Time) bool {
	until := clock.Time(s.row.restUntil.Load())
	return !s.down() && (until == 0 || now >= until && now-clock.Time(s.row.probed.Load()) >= probeTime)
}

// admit notes that a target that is available gets the request, which is not sent elsewhere. It
// reports false where the one that was to be let through is another thread's.
func (s *State) admit(now clock.Time) bool {
	if s.row.restUntil.Load() == 0 {
		return true
	}
	last := s.row.probed.Load()
	return now-clock.Time(last) >= probeTime && s.row.probed.CompareAndSwap(last, int64(now))
}

// down reports whether the target fails its checks. Where it is not checked any more nobody could
// find it well again, so what checks of other settings have found says nothing.
func (s *State) down() bool { return s.set.opt.Check != "" && s.row.down.Load() != 0 }

// Resting reports whether the target gets no requests now, as long as there are others.
func (s *State) Resting() bool { return s.down() || s.row.restUntil.Load() != 0 }

// succeeded notes that the target has answered.
func (s *State) succeeded() {
	if s.row.failed.Load() != 0 {
		s.row.failed.Store(0)
	}
	if s.row.restUntil.Load() != 0 && s.row.restUntil.Swap(0) != 0 {
		s.set.log("The upstream %s answers again", s.Name)
	}
}

// failed notes that the target has failed, and tells why, now and then. random is any number: it
// spreads the ends of the rests, so that not all threads of all servers come back at once.
func (s *State) failed(now clock.Time, random uint64, why Loss, detail any) {
	if clock.Seldom(&s.row.told, now, tellEvery) {
		text := why.Fault().Reason.String()
		if detail != nil {
			text += fmt.Sprintf(" (%v)", detail)
		}
		s.set.log("The upstream %s has failed: %s", s.Name, text)
	}
	if s.row.failed.Add(1) < failuresToRest {
		return
	}
	rest := restTime - restTime/10 + clock.Time(random%uint64(restTime/5))
	if s.row.restUntil.Swap(int64(now+rest)) == 0 {
		s.set.log("The upstream %s has failed %d times in a row, and rests for a while", s.Name, failuresToRest)
	}
}

// checked notes what a check has found.
func (s *State) checked(err error) {
	if err == nil {
		s.row.checksFailed.Store(0)
		if s.row.down.Swap(0) != 0 {
			s.set.log("The upstream %s passes its check again", s.Name)
		}
		s.succeeded()
		return
	}
	if sysnet.IsBusy(err) { // we had no descriptor for it, which says nothing of the target
		return
	}
	if s.row.checksFailed.Add(1) >= failuresToRest && s.row.down.Swap(1) == 0 {
		s.set.log("The upstream %s does not pass its check: %v", s.Name, err)
	}
}

func (s *Set) log(format string, a ...any) {
	if s.opt.Log != nil {
		s.opt.Log(format, a...)
	}
}
