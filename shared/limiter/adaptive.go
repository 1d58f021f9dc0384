package limiter

// The adaptive factor: how much of the rate holds while the machine is busy. Here is only the
// decision; the caller reads the machine's load, and gives the factor to Table.SetFactor.
//
// What is decided feeds back into what is read. A lower rate turns a flood away, the machine
// becomes calm, and a rate that followed at once would let the flood in again: the two would swing
// against one another for as long as it lasts. Hence the way down is quick and the way back slow.
// The factor falls as soon as one reading is over a mark. It rises one step at a time, and only
// when every reading of calmTime was under the mark by a quarter.

// Marks are the readings above which the factor is 3/4, 1/2 and 1/4.
type Marks [len(factors) - 1]float64

var factors = [...]float64{1, 3.0 / 4, 1.0 / 2, 1.0 / 4}

// Marks for the readings that there are.
var (
	LatenessMarks = Marks{50, 100, 200} // milliseconds that ready work waits; from a tenth of a second on people notice
	LoadMarks     = Marks{2, 5, 10}     // the load average of one minute, in runnable threads (getloadavg(3))
	PressureMarks = Marks{20, 40, 60}   // of the last ten seconds, percent in which some thread waited for a processor
)

const (
	calmShare = 3.0 / 4     // of a mark: below it a reading counts as calm
	calmTime  = 30 * second // nanoseconds of calm that one step back takes: three times the window of the pressure
	notCalm   = int64(-1)   // no time
)

// Adaptive turns readings into a factor. It belongs to one thread.
type Adaptive struct {
	marks Marks
	level int   // index into factors
	calm  int64 // nanoseconds: since when all readings are calm, or notCalm
}

// NewAdaptive begins with the factor 1.
func NewAdaptive(marks Marks) *Adaptive { return &Adaptive{marks: marks, calm: notCalm} }

// Look takes a reading, made at now in nanoseconds of any clock that does not go back, and returns
// the factor that holds from then on.
func (a *Adaptive) Look(reading float64, now int64) float64 {
	for a.level < len(a.marks) && reading > a.marks[a.level] {
		a.level, a.calm = a.level+1, notCalm
	}
	switch {
	case a.level == 0:
	case !(reading < a.marks[a.level-1]*calmShare): // so written, NaN changes nothing
		a.calm = notCalm
	case a.calm == notCalm:
		a.calm = now
	case now-a.calm >= calmTime:
		a.level, a.calm = a.level-1, notCalm // whether it is calm below the next mark too is for the next reading to say
	}
	return factors[a.level]
}
