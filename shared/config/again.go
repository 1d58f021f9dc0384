package config

// Settings read again by a process that runs: those that it can change, and those that it keeps.
//
// A process has its command line and its environment for good, so only the file can say something
// else than before. What must not be done: a mistake must not pass because it is in a setting that
// is kept anyway, since the next start would stumble over it.

import (
	"fmt"
	"slices"
	"strings"
)

// Changes is what settings say otherwise than those before, by their names in the order of -h.
type Changes struct {
	Taken []string // that the process goes by from now on
	Kept  []string // that it cannot change while it runs
}

// Again reads the settings once more for a process that goes by before. What such a process cannot
// change has its value from before in the Config. The stage must be another one than before was
// read with, since its flags write into variables of its own.
func Again(stage Stage, args, environ []string, before *Config) (*Config, Changes, error) {
	var changes Changes
	next, err := Parse(stage, args, environ)
	if err != nil {
		return nil, changes, err
	}
	for _, f := range table(stage, &Config{}) {
		switch same := slices.EqualFunc(said(next, f.Name), said(before, f.Name), sameValue); {
		case same || f.Name == flagConfig:
		case f.Fixed:
			changes.Kept = append(changes.Kept, f.Name)
		default:
			changes.Taken = append(changes.Taken, f.Name)
		}
	}
	if len(changes.Kept) == 0 {
		return next, changes, nil
	}
	next, err = settle(stage, args, environ, next.FileText, func(p *parser) {
		for _, name := range changes.Kept {
			p.said[byFile][name] = before.said[byFile][name]
		}
	})
	if err != nil {
		return nil, changes, fmt.Errorf("%w (while it runs the server keeps -%s)", err, strings.Join(changes.Kept, ", -"))
	}
	return next, changes, nil
}

// said is the values of a setting, none for its default.
func said(c *Config, name string) []entry {
	_, values := c.said.best(name)
	return values
}

func sameValue(a, b entry) bool { return a.value == b.value }
