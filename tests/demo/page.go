package main

// The page with the four panels, and the server that has it.
//
// The server looks at the stages twice a second, whoever watches, and each browser asks it what the
// panels show now: so a page never asks a stage, which would be another site's. What must not be
// done: it must not listen beyond 127.0.0.1, and what it answers is for reading only.

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// alone is for how long the busy clients have the stages for themselves: then the crowd comes.
const alone = 3 * time.Second

// policy lets the page ask for nothing but itself.
const policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// panel is a stage on the page.
type panel struct {
	Look   look     `json:"look"`
	Layers []string `json:"layers"`
}

// panels are what the page asks for.
func (s *running) panels() (all []panel) {
	for _, w := range s.watches {
		l := w.last()
		all = append(all, panel{Look: l, Layers: layers(w.stage, l)})
	}
	return all
}

// view is a panel as the page begins.
type view struct {
	Number       int
	Title, Stats string
	Layers       []template.HTML // of our own drawing
}

func (s *running) answer(o options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		var views []view
		for i, p := range s.panels() {
			v := view{Number: stages[i].number, Title: stages[i].title, Stats: "http://" + s.servers[i].addr + "/stats.html"}
			for _, l := range p.Layers {
				v.Layers = append(v.Layers, template.HTML(l))
			}
			views = append(views, v)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		pageTemplate.Execute(w, map[string]any{"Style": template.CSS(style), "Views": views, "Idle": o.idle, "Busy": o.busy, "Wide": panelWidth, "High": panelHeight})
	})
	mux.HandleFunc("GET /panels", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		json.NewEncoder(w).Encode(s.panels())
	})
	return mux
}

// serve has the page until the context or the time ends.
func (s *running) serve(ctx context.Context, o options, out io.Writer) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(o.port)))
	if err != nil {
		return err
	}
	if o.last > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.last)
		defer cancel()
	}
	server := &http.Server{Handler: s.answer(o), ReadHeaderTimeout: answerTime}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.Serve(listener)
	}()
	defer func() {
		server.Close()
		<-ended
	}()
	fmt.Fprintf(out, "\nFour ways to wait, side by side: http://%s/\n\n", listener.Addr())
	for _, v := range s.servers {
		fmt.Fprintf(out, "  stage %d: http://%s/stats.html\n", v.number, v.addr)
	}
	fmt.Fprintf(out, "\nEach has %d clients that come for a page again and again, and after %v gets %d that stay. Ctrl+C stops everything.\n", o.busy, alone, o.idle)
	return s.keepLooking(ctx, func(begun time.Time, before time.Duration) {
		if before < alone && time.Since(begun) >= alone {
			s.crowd(o)
		}
	})
}

// crowd has the silent clients come, to all stages at once.
func (s *running) crowd(o options) {
	for _, v := range s.servers {
		s.clients.crowd(v.addr, o.idle)
	}
}

// keepLooking looks at all stages until the context ends, and tells after each time when it began,
// and how long after that the time before was.
func (s *running) keepLooking(ctx context.Context, looked func(begun time.Time, before time.Duration)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	begun := time.Now()
	for before := time.Duration(0); ; {
		if err := s.lookAtAll(); err != nil {
			return err
		}
		now := time.Since(begun)
		looked(begun, before)
		before = now
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *running) lookAtAll() error {
	errs := make([]error, len(s.watches))
	var all sync.WaitGroup
	for i, w := range s.watches {
		all.Go(func() { errs[i] = w.look() })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
