// Package figures is the one form in which the server tells of itself.
//
// A part of the server reports a figure by adding a [Row] to a [List]: its name, its meaning, and
// its value now. From the list come /health and /stats (json.go), /metrics (prometheus.go), and by
// way of /stats the live page, which shows every row in its table. So a new figure is one new row,
// and nothing else.
//
// To add one: count it where it happens (a stats.Counter, say); then add a row to a function of
// shared/app/figures.go, or to the stage's method Figures where only that stage has it. `curl -s
// localhost:8080/metrics | grep NAME` shows it, and so does the table at the bottom of /stats.html.
// tests/behaviour holds the name to Prometheus's conventions, and a counter to growing.
//
// A new list is made for each request for a report, and belongs to its caller; nothing here is
// kept, and nothing is on the path of other requests. Where a figure is counted (package stats,
// mostly) is not this package's business. It imports nothing of ours.
//
// What must not be done: a Counter must never go back, whatever becomes of the process or thread
// that counts; and two rows of one name need different labels. Prometheus takes a fall for a
// restart and refuses a page with a series that is there twice.
package figures

// Kind is how a figure moves.
type Kind uint8

const (
	Gauge     Kind = iota // up and down
	Counter               // up only
	Histogram             // Value is a Distribution
	Fact                  // not at all, or not as a number: a name, a list. It is in JSON only.
)

func (k Kind) String() string {
	return [...]string{"gauge", "counter", "histogram", "fact"}[k]
}

// Unit is what is counted, where it is not things. Prometheus wants the base unit at the end of the
// name; the page shows bytes and seconds as people read them.
type Unit string

const (
	Things  Unit = ""
	Seconds Unit = "seconds"
	Bytes   Unit = "bytes"
	Ratio   Unit = "ratio" // of 1
	Time    Unit = "time"  // a moment: seconds since 1970, and so Prometheus says
)

// Row is one figure at one moment.
type Row struct {
	// JSON is where the figure stands in the answers of /health and /stats: "queue.length" is the
	// member length of the object queue. Empty for none; then /stats has the figure in its list all
	// the same, if it has a Name.
	JSON string
	// Long keeps the member out of /health.
	Long bool

	// Name is what Prometheus calls it (https://prometheus.io/docs/practices/naming/): a unit
	// stands at the end, and after that _total where it is a counter. Empty for what is in JSON
	// only.
	Name string
	Help string // one sentence; rows of one name have the same, or only the first has one
	Kind Kind
	Unit Unit
	// Labels are names and values in turn. They tell rows of one name apart.
	Labels []string

	// Value is an int, int64, uint64 or float64; a Distribution for a Histogram; for a Fact
	// whatever encoding/json takes.
	Value any

	list string // the list in JSON that it is in an item of; empty for none
	item int    // which item
}

// Distribution is how often values of each size were seen.
type Distribution struct {
	Count   uint64
	Sum     float64
	Buckets []Bucket // by Most; the last may be less than all
}

// Bucket is how many of the values were at most so much.
type Bucket struct {
	Most float64
	N    uint64
}

// List is rows in the order in which they are told.
type List struct {
	rows  []Row
	items map[string]int // of each list in JSON
}

// Of is the list of what a source adds.
func Of(sources ...func(*List)) *List {
	l := new(List)
	for _, add := range sources {
		add(l)
	}
	return l
}

// Add appends rows.
func (l *List) Add(rows ...Row) { l.rows = append(l.rows, rows...) }

// Item appends the rows of one of several equal things, such as threads. In JSON they are the next
// object of a list of that name, of which each row's JSON is a member; in Prometheus's format all
// of them have these labels.
func (l *List) Item(list string, labels []string, rows ...Row) {
	if l.items == nil {
		l.items = map[string]int{}
	}
	for _, r := range rows {
		r.list, r.item = list, l.items[list]
		r.Labels = append(labels[:len(labels):len(labels)], r.Labels...)
		l.rows = append(l.rows, r)
	}
	l.items[list]++
}

// family is the rows of one name.
type family struct {
	Row  // the first of them
	rows []Row
}

// families are the rows that have a name, by name, in the order in which the names first come.
func (l *List) families() (all []*family) {
	by := map[string]*family{}
	for _, r := range l.rows {
		if r.Name == "" {
			continue
		}
		f := by[r.Name]
		if f == nil {
			f = &family{Row: r}
			by[r.Name] = f
			all = append(all, f)
		}
		f.rows = append(f.rows, r)
	}
	return all
}
