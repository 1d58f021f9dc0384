package figures

// The rows in Prometheus's text format.
//
// What must not be done: the samples of one name must not be torn apart by another's, or Prometheus
// refuses the page. Help is written as it is, so it must be one line without a backslash; values of
// labels are escaped here. A value of a type that number does not know is a fault of ours, and
// panics.

import (
	"fmt"
	"strconv"
	"strings"
)

// AppendPrometheus appends the rows in Prometheus's text format, version 0.0.4: the samples of a
// name follow its description.
func (l *List) AppendPrometheus(b []byte) []byte {
	for _, f := range l.families() {
		b = fmt.Appendf(b, "# HELP %s %s\n# TYPE %s %s\n", f.Name, f.Help, f.Name, f.Kind)
		for _, r := range f.rows {
			if d, ok := r.Value.(Distribution); ok {
				b = appendDistribution(b, r, d)
				continue
			}
			b = appendSample(b, r.Name, number(r.Value), r.Labels)
		}
	}
	return b
}

func appendDistribution(b []byte, r Row, d Distribution) []byte {
	bucket := func(most string, n uint64) {
		labels := append(r.Labels[:len(r.Labels):len(r.Labels)], "le", most)
		b = appendSample(b, r.Name+"_bucket", number(n), labels)
	}
	for _, k := range d.Buckets {
		bucket(number(k.Most), k.N)
	}
	bucket("+Inf", d.Count)
	b = appendSample(b, r.Name+"_sum", number(d.Sum), r.Labels)
	return appendSample(b, r.Name+"_count", number(d.Count), r.Labels)
}

// labelEscapes are all that the format knows.
var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func appendSample(b []byte, name, value string, labels []string) []byte {
	b = append(b, name...)
	before := byte('{')
	for i := 0; i+1 < len(labels); i += 2 {
		b = append(append(append(b, before), labels[i]...), '=', '"')
		b = append(append(b, labelEscapes.Replace(labels[i+1])...), '"')
		before = ','
	}
	if before == ',' {
		b = append(b, '}')
	}
	return append(append(append(b, ' '), value...), '\n')
}

// number is a value as both formats write it: whole numbers exactly.
func number(v any) string {
	switch v := v.(type) {
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	panic(fmt.Sprintf("figures: a value is a %T", v))
}
