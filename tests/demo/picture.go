package main

// The picture: what the panels have shown for some seconds, as an SVG that moves by itself.
//
// It has no script and asks nothing of anybody. Each layer of a panel that was the same for several
// looks is there once, and is shown for as long as it was so, by animations of CSS. Without them,
// or where the reader wants nothing to move, it shows the last look. What must not be done: nothing
// in it may be made up; each frame is what the stages have said.

import (
	"context"
	"fmt"
	"html"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	// recorded is how long a recording is, where -for does not say.
	recorded = 10 * time.Second
	// gap is between and around panels, and foot below them, in pixels.
	gap  = 14
	foot = 18
)

// film is what the panels have shown: by panel, layer and look.
type film [][][]string

// add is one more look.
func (f *film) add(now []panel) {
	if *f == nil {
		*f = make(film, len(now))
	}
	for i, p := range now {
		for len((*f)[i]) < len(p.Layers) {
			(*f)[i] = append((*f)[i], nil)
		}
		for k, layer := range p.Layers {
			(*f)[i][k] = append((*f)[i][k], layer)
		}
	}
}

// record records, and writes the picture. The crowd comes when a quarter of the time is over.
func (s *running) record(ctx context.Context, o options, out io.Writer) error {
	length := recorded
	if o.last > 0 {
		length = o.last
	}
	fmt.Fprintf(out, "Recording for %v …\n", length)
	frames := max(int(length/every), 2)
	quarter := frames / 4
	var f film
	recording, stop := context.WithCancel(ctx)
	defer stop()
	n := -window // looks before the first frame, for rates need some
	err := s.keepLooking(recording, func(time.Time, time.Duration) {
		if n++; n <= 0 {
			return
		}
		if n == quarter+1 {
			s.crowd(o)
		}
		f.add(s.panels())
		if n == frames {
			stop()
		}
	})
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	picture := f.svg(o, s.panels(), time.Now())
	fmt.Fprintf(out, "%s: %d bytes\n", o.picture, len(picture))
	return os.WriteFile(o.picture, []byte(picture), 0o644)
}

// svg is the picture.
func (f film) svg(o options, last []panel, when time.Time) string {
	const columns, across, down = 2, panelWidth + gap, panelHeight + gap
	frames := len(f[0][0])
	wide, high := columns*across+gap, (len(f)+columns-1)/columns*down+gap+foot
	says := html.EscapeString(inWords(o, last))
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s"><title>%s</title><style>%s%s</style>`+"\n",
		wide, high, says, says, style, f.motion(frames))
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="16" class="back"/>`+"\n", wide, high)
	for i, panel := range f {
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`, gap+i%columns*across, gap+i/columns*down)
		for _, layer := range panel {
			writeLayer(&b, layer, frames)
		}
		b.WriteString("</g>\n")
	}
	b.WriteString(text(wide-gap-2, high-gap, "s d e", fmt.Sprintf("recorded %s: %d clients at each that come for a page ten times a second, then %d more that stay and are silent",
		when.UTC().Format(time.DateOnly), o.busy, o.idle)) + "</svg>\n")
	return b.String()
}

// inWords is what the picture shows at its end, for those who cannot see it.
func inWords(o options, last []panel) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Four servers, each with %d busy clients and %d silent ones.", o.busy, o.idle)
	for i, p := range last {
		fmt.Fprintf(&b, " %s: %d connections, %.0f requests a second, %s for a page.", stages[i].title, p.Look.Connections, p.Look.Rate, seconds(p.Look.Wait))
	}
	return b.String()
}

// writeLayer writes what a layer has shown, each once for as long as it stood.
func writeLayer(b *strings.Builder, looks []string, frames int) {
	for from := 0; from < len(looks); {
		to := from + 1
		for to < len(looks) && looks[to] == looks[from] {
			to++
		}
		switch {
		case looks[from] == "":
		case to-from == frames:
			b.WriteString(looks[from])
		default:
			class := fmt.Sprintf("k k%d", to-from)
			if to == frames {
				class += " l"
			}
			fmt.Fprintf(b, `<g class="%s" style="animation-delay:-%gs">%s</g>`, class, float64(frames-from)*every.Seconds(), looks[from])
		}
		from = to
	}
}

// motion is the animations: k3 shows what stood for three looks, and begins where its delay says.
func (f film) motion(frames int) string {
	var long []int
	for _, panel := range f {
		for _, looks := range panel {
			for from, to := 0, 0; from < len(looks); from = to {
				for to = from; to < len(looks) && looks[to] == looks[from]; to++ {
				}
				long = append(long, to-from)
			}
		}
	}
	slices.Sort(long)
	var b strings.Builder
	fmt.Fprintf(&b, ".k{visibility:hidden}.l{visibility:visible}@media(prefers-reduced-motion:no-preference){.k{animation:%gs step-end infinite}", float64(frames)*every.Seconds())
	for _, n := range slices.Compact(long) {
		if n < frames {
			fmt.Fprintf(&b, ".k%d{animation-name:k%d}", n, n)
		}
	}
	b.WriteString("}\n")
	for _, n := range slices.Compact(long) {
		if n < frames {
			fmt.Fprintf(&b, "@keyframes k%d{0%%{visibility:visible}%.3f%%,100%%{visibility:hidden}}", n, 100*float64(n)/float64(frames))
		}
	}
	return b.String()
}
