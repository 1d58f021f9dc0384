package main

// Drawing a stage: one panel, as layers of SVG.
//
// A panel is drawn by the same code for the page, which puts a layer in place of its predecessor
// when it has changed, and for the picture, which shows layer after layer. So what moves by itself
// stands in the first layer, which never changes. In the style of the course: a client is a dot,
// who waits is hatched, and each stage has its colour. What must not be done: a layer must not
// depend on anything but its look.

import (
	"fmt"
	"html"
	"math"
	"strings"

	"fourways/shared/plural"
)

// Measures of a panel, in pixels.
const (
	panelWidth  = 400
	panelHeight = 248
	edge        = 16
	half        = (panelWidth - 2*edge) / 2
)

// style is the colours of the panels, and what moves by itself.
const style = `
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#1d2433}
.d{fill:#566073}.b{font-weight:650}.t{font-size:17px;font-weight:650}.n{font-size:19px;font-weight:650}.s{font-size:12px}.o{fill:#fbfaf7;font-size:16px;font-weight:700}
.c{font-family:ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:12px}.m{text-anchor:middle}.e{text-anchor:end}
.back{fill:#fbfaf7}.card{fill:#fff;stroke:#dedad0}.box{fill:#fff;stroke:#566073;stroke-width:1.3}.thin{fill:none;stroke:#dedad0;stroke-width:1.3}.hatch{stroke:#566073;stroke-width:1.4;opacity:.4}
.dots{fill:none;stroke:#a9afba;stroke-linecap:round}.lit{fill:none;stroke-linecap:round}.hand{fill:none;stroke-width:3;stroke-linecap:round}.sweep{opacity:.3}
.f1{fill:#2563d9}.f2{fill:#0b7566}.f3{fill:#9a5600}.f4{fill:#ab2b57}.s1{stroke:#2563d9}.s2{stroke:#0b7566}.s3{stroke:#9a5600}.s4{stroke:#ab2b57}
@media(prefers-color-scheme:dark){text{fill:#e6e8ee}.d{fill:#a4adbd}.o{fill:#11141b}.back{fill:#11141b}.card{fill:#191e29;stroke:#2c3342}.box{fill:#191e29;stroke:#a4adbd}.thin{stroke:#2c3342}.hatch{stroke:#a4adbd}.dots{stroke:#5d6677}
.f1{fill:#7aa5ff}.f2{fill:#43cdb7}.f3{fill:#f3ad55}.f4{fill:#f07ba3}.s1{stroke:#7aa5ff}.s2{stroke:#43cdb7}.s3{stroke:#f3ad55}.s4{stroke:#f07ba3}}
@media(prefers-reduced-motion:no-preference){.hand{animation:turn 3s linear infinite}.sweep{animation:sweep 1.6s linear infinite}}
@keyframes turn{to{transform:rotate(360deg)}}@keyframes sweep{to{transform:translateX(271px)}}
`

// layers are a panel's: always as many, of which the first never changes.
func layers(s stage, l look) []string {
	out := []string{s.frame(), text(edge, 66, "d", sentence(s, l))}
	if s.number == 1 {
		return append(append(out, queue(l), threads(l)), figures(s, l)...)
	}
	for i := range s.workers { // a worker that is being replaced is there twice, or not at all
		var u shown
		if i < len(l.Units) {
			u = l.Units[i]
		}
		if s.number == 2 {
			dots, lit := lane(i, u, l.turn)
			out = append(out, dots, lit)
		} else {
			dots, lit := ring(s, i, u, l.turn)
			out = append(out, dots, lit, facts(s, i, u))
		}
	}
	if s.number == 4 {
		out = append(out, text(edge+12, 93, "s", fmt.Sprintf("master, process %d", l.Master)))
	}
	return append(out, figures(s, l)...)
}

// who waits in a stage.
var who = map[int]string{1: "threads wait", 2: "runners wait", 3: "loops wait", 4: "workers wait"}

// frame is what is always there.
func (s stage) frame() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<defs><pattern id="h%d" width="7" height="7" patternUnits="userSpaceOnUse"><path d="M0 7 7 0" class="hatch"/></pattern></defs>`, s.number)
	fmt.Fprintf(&b, `<rect x=".5" y=".5" width="%d" height="%d" rx="12" class="card"/>`, panelWidth-1, panelHeight-1)
	fmt.Fprintf(&b, `<rect x="%d" y="16" width="28" height="28" rx="8" class="f%d"/>%s`, edge, s.number, text(edge+14, 36, "o m", fmt.Sprint(s.number)))
	b.WriteString(text(edge+40, 36, "t", s.title) + text(panelWidth-edge, 35, "d c e", "waits in "+s.call))
	switch s.number {
	case 2:
		for i := range s.workers {
			y := laneTop(i)
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="70" height="38" rx="6" class="box"/><rect x="%d" y="%d" width="70" height="38" rx="6" fill="url(#h2)"/>`, edge, y, edge, y)
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="60" height="18" rx="4" class="card" stroke="none"/>%s`, edge+5, y+10, text(edge+35, y+23, "s b m", fmt.Sprintf("runner %d", i+1)))
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="9" height="38" rx="3" class="f2 sweep"/>`, laneLeft, y)
		}
	case 3, 4:
		if s.number == 4 {
			fmt.Fprintf(&b, `<rect x="%d" y="77" width="%d" height="24" rx="6" class="box"/><rect x="%d" y="77" width="150" height="24" rx="6" fill="url(#h4)"/>%s`,
				edge, 2*half, panelWidth-edge-150, "")
			fmt.Fprintf(&b, `<rect x="%d" y="80" width="134" height="18" rx="4" class="card" stroke="none"/>%s`, panelWidth-edge-142, text(panelWidth-edge-75, 93, "s m", "waits for its workers"))
		}
		for i := range s.workers {
			x, y, r := s.center(i)
			if s.number == 4 {
				fmt.Fprintf(&b, `<path d="M%d 101v6" class="box"/><rect x="%d" y="107" width="%d" height="85" rx="8" class="thin"/>`, edge+i*half+half/2, edge+i*(half+4), half-4)
			}
			fmt.Fprintf(&b, `<g transform="translate(%d %d)"><circle r="%d" class="thin"/><path d="M0-%dV-%d" class="hand s%d"/></g>`, x, y, r-15, r-18, r-12, s.number)
		}
	}
	return b.String()
}

// sentence is what goes on, in one line.
func sentence(s stage, l look) string {
	wakes, ready, of := 0.0, 0.0, 0
	for _, u := range l.Units {
		wakes += u.Wakes
		ready += u.Ready * u.Wakes
		of = max(of, u.Clients)
	}
	ready /= max(wakes, 0.1)
	switch {
	case s.number == 1 && l.Queue > 0:
		return fmt.Sprintf("Each thread has one client, %d queue, others get 503.", l.Queue)
	case s.number == 1:
		return "Each thread belongs to one client until that one leaves."
	case wakes < 1:
		return "Nobody asks, so all of them sleep."
	case s.number == 2:
		return fmt.Sprintf("poll(2) goes over a list of %d and finds %.1f ready.", of, ready)
	case s.number == 3:
		return fmt.Sprintf("The kernel names the %.1f that are ready, of %d.", ready, of)
	}
	return "A loop in each process. The master serves nobody."
}

// queue is stage 1's, as far as it is drawn.
func queue(l look) string {
	const columns, pitch, left, top = 10, 11, edge + 4, 104
	taken, free := dots{}, dots{}
	for i := range min(l.QueueLimit, 50) {
		at := &free
		if i < l.Queue {
			at = &taken
		}
		at.add(float64(left+i%columns*pitch), float64(top+i/columns*pitch))
	}
	return text(edge, 92, "s d", fmt.Sprintf("queue: %d of %d", l.Queue, l.QueueLimit)) + free.path("dots", 2) + taken.path("lit s1", 6.5)
}

// threads are stage 1's cells.
func threads(l look) string {
	const columns, wide, high = 5, 48, 54
	var b strings.Builder
	for i, doing := range l.Threads[:min(len(l.Threads), 2*columns)] {
		x, y := 144+i%columns*wide, 80+i/columns*high
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="44" height="49" rx="7" class="box"/>`, x, y)
		word, waits := doing, doing == "reading" || doing == "writing"
		if waits {
			word = map[string]string{"reading": "read", "writing": "write"}[doing]
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="44" height="49" rx="7" fill="url(#h1)"/><rect x="%d" y="%d" width="36" height="16" rx="3" class="card" stroke="none"/>`, x, y, x+4, y+28)
		}
		if doing != "free" {
			fmt.Fprintf(&b, `<circle cx="%d" cy="%d" r="5.5" class="f1"/>`, x+22, y+16)
		}
		if doing == "working" {
			word = "works"
		}
		b.WriteString(text(x+22, y+40, "c m", word))
	}
	return b.String()
}

// Where a runner's list is drawn.
const (
	laneLeft    = 104
	laneColumns = 37
	lanePitch   = 7.5
	laneRows    = 5
)

func laneTop(i int) int { return 82 + 54*i }

// lane is a runner's list, and those in it that are ready.
func lane(i int, u shown, turn int) (all, lit string) {
	var list, found dots
	n := min(u.Clients, laneColumns*laneRows)
	for k := range n {
		x, y := laneLeft+4+float64(k%laneColumns)*lanePitch, float64(laneTop(i))+4+float64(k/laneColumns)*lanePitch
		list.add(x, y)
		if chosen(turn, k, n, u) {
			found.add(x, y)
		}
	}
	return list.path("dots", 4.5), found.path("lit s2", 6.5)
}

// center is where a loop's ring is drawn, and how large.
func (s stage) center(i int) (x, y, r int) {
	if s.number == 4 {
		return edge + 46 + i*(half+4), 150, 38
	}
	return edge + 50 + i*half, 136, 48
}

// ring is a loop's clients around it, and those that are ready.
func ring(s stage, i int, u shown, turn int) (all, lit string) {
	x, y, r := s.center(i)
	var beads, found dots
	n := min(u.Clients, 2*r+2*(r-8))
	outer := min(n, max((n+1)/2, 40))
	for k := range n {
		radius, share := float64(r), float64(k)/float64(max(outer, 1))
		if k >= outer {
			radius, share = radius-7, float64(k-outer)/float64(n-outer)
		}
		sin, cos := math.Sincos(2 * math.Pi * share)
		px, py := float64(x)+radius*sin, float64(y)-radius*cos
		beads.add(px, py)
		if chosen(turn, k, n, u) {
			found.add(px, py)
		}
	}
	return beads.path("dots", 4), found.path(fmt.Sprintf("lit s%d", s.number), 8)
}

// facts stand beside a ring.
func facts(s stage, i int, u shown) string {
	x, y, r := s.center(i)
	name := "loop"
	last := fmt.Sprintf("%.1f ready", u.Ready)
	if s.number == 4 {
		name, last = "worker", fmt.Sprintf("beat %.1f s", u.Beat)
		if u.State != "ready" {
			last = u.State
		}
	}
	at := x + r + 9
	return text(at, y-24, "b", fmt.Sprintf("%s %d", name, i+1)) + text(at, y-6, "s", plural.Of(u.Clients, "client", "clients")) +
		text(at, y+11, "s", fmt.Sprintf("%.0f wakes/s", u.Wakes)) + text(at, y+28, "s", last)
}

// figures are the four numbers below a panel, a layer each.
func figures(s stage, l look) []string {
	return []string{
		figure(0, fmt.Sprint(l.Connections), "connections"),
		figure(1, fmt.Sprintf("%.0f", l.Rate), "requests/s"),
		figure(2, fmt.Sprintf("%d of %d", l.Waiting, l.All), who[s.number]),
		figure(3, seconds(l.Wait), "for a page"),
	}
}

func figure(i int, value, label string) string {
	x := edge + [...]int{0, 94, 184, 288}[i]
	return text(x, 220, "n", value) + text(x, 237, "s d", label)
}

// seconds is a time for people.
func seconds(s float64) string {
	switch {
	case s >= 1:
		return fmt.Sprintf("%.1f s", s)
	case s >= 0.01:
		return fmt.Sprintf("%.0f ms", s*1000)
	}
	return fmt.Sprintf("%.1f ms", s*1000)
}

// chosen is whether the k-th of n lights up in this turn, so that about as many do as were ready.
func chosen(turn, k, n int, u shown) bool {
	if u.Wakes < 1 || n == 0 {
		return false
	}
	lit := max(int(u.Ready+0.5), 1)
	for j := range min(lit, n) {
		if (turn*37+j*61+u.Clients)%n == k {
			return true
		}
	}
	return false
}

// dots are many circles in one path: a round line end at each place.
type dots struct {
	b    strings.Builder
	x, y float64 // where the last one is, as it was written
}

func (d *dots) add(x, y float64) {
	x, y = math.Round(x*10)/10, math.Round(y*10)/10
	fmt.Fprintf(&d.b, "m%s %sh0", short(x-d.x), short(y-d.y))
	d.x, d.y = x, y
}

func (d *dots) path(class string, wide float64) string {
	if d.b.Len() == 0 {
		return ""
	}
	return fmt.Sprintf(`<path class="%s" stroke-width="%g" d="M0 0%s"/>`, class, wide, &d.b)
}

// short is a number with one digit after the point, where that is no zero.
func short(v float64) string {
	return strings.TrimSuffix(strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0"), "-0")
}

func text(x, y int, class, words string) string {
	return fmt.Sprintf(`<text x="%d" y="%d" class="%s">%s</text>`, x, y, class, html.EscapeString(words))
}
