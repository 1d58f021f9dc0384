package figures

// The rows as JSON, for /health and for /stats.
//
// The tree is made for one answer and belongs to it. Members stand in the order of the rows. What
// must not be done: a row must not have a value and be another row's parent, since then only one of
// the two would be written; and a value that encoding/json cannot write is a fault of ours, and
// panics.

import (
	"encoding/json"
	"strings"
)

// AppendHealth appends a JSON object with the members of all rows that are not Long, and a line
// end.
func (l *List) AppendHealth(b []byte) []byte { return append(l.tree(false).append(b), '\n') }

// AppendStats appends a JSON object with the members of all rows. Its member figures is a list of
// every row that has a name, with all that is known of it: for readers that know nothing of the
// single figures, such as the page's table.
func (l *List) AppendStats(b []byte) []byte {
	root := l.tree(true)
	root.member("figures").value = l.told()
	return append(root.append(b), '\n')
}

// node is a value of JSON: an object, a list, or one that encoding/json writes. The members of an
// object keep the order in which they came.
type node struct {
	names   []string
	members map[string]*node
	items   []*node
	value   any
}

func (l *List) tree(long bool) *node {
	root := new(node)
	for _, r := range l.rows {
		if r.JSON == "" || r.Long && !long {
			continue
		}
		at := root
		if r.list != "" {
			at = root.member(r.list).itemAt(r.item)
		}
		for name := range strings.SplitSeq(r.JSON, ".") {
			at = at.member(name)
		}
		at.value = r.Value
	}
	return root
}

func (n *node) member(name string) *node {
	if n.members[name] == nil {
		if n.members == nil {
			n.members = map[string]*node{}
		}
		n.members[name] = new(node)
		n.names = append(n.names, name)
	}
	return n.members[name]
}

func (n *node) itemAt(i int) *node {
	for len(n.items) <= i {
		n.items = append(n.items, new(node))
	}
	return n.items[i]
}

func (n *node) append(b []byte) []byte {
	switch {
	case n.items != nil:
		b = append(b, '[')
		for i, item := range n.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = item.append(b)
		}
		return append(b, ']')
	case n.value != nil:
		return appendValue(b, n.value)
	}
	b = append(b, '{')
	for i, name := range n.names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendValue(b, name), ':')
		b = n.members[name].append(b)
	}
	return append(b, '}')
}

func appendValue(b []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // numbers, strings, and lists and maps of them
	}
	return append(b, text...)
}

// toldFamily is a name's rows in the list of /stats.
type toldFamily struct {
	Name    string       `json:"name"`
	Help    string       `json:"help"`
	Kind    string       `json:"kind"`
	Unit    Unit         `json:"unit,omitempty"`
	Samples []toldSample `json:"samples"`
}

// toldSample has a value, or a histogram's count and sum.
type toldSample struct {
	Labels map[string]string `json:"labels,omitempty"`
	Value  any               `json:"value,omitempty"`
	Count  *uint64           `json:"count,omitempty"`
	Sum    *float64          `json:"sum,omitempty"`
}

func (l *List) told() []toldFamily {
	all := []toldFamily{}
	for _, f := range l.families() {
		t := toldFamily{Name: f.Name, Help: f.Help, Kind: f.Kind.String(), Unit: f.Unit}
		for _, r := range f.rows {
			t.Samples = append(t.Samples, toldRow(r))
		}
		all = append(all, t)
	}
	return all
}

func toldRow(r Row) (s toldSample) {
	for i := 0; i+1 < len(r.Labels); i += 2 {
		if s.Labels == nil {
			s.Labels = map[string]string{}
		}
		s.Labels[r.Labels[i]] = r.Labels[i+1]
	}
	if d, ok := r.Value.(Distribution); ok {
		s.Count, s.Sum = &d.Count, &d.Sum
	} else {
		s.Value = r.Value
	}
	return s
}
