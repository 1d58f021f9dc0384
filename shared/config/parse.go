package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

const (
	envPrefix      = "FOURWAYS_"
	maxPositionals = 3 // PORT HOST WORKERS
)

// rank is where a setting was said. A higher one wins.
type rank int

const (
	byDefault rank = iota
	byFile
	byEnv
	byFlag
)

// parser holds what was said about each setting until the best source of each is known.
type parser struct {
	stage    Stage
	flags    []Flag
	text     []byte                         // of the file, nil for none
	said     [byFlag + 1]map[string][]entry // by rank, then by name
	warnings []string
}

// Parse reads args, without the program's name, and environ, in the form of os.Environ. The error is a *UsageError or a
// *Notice.
func Parse(stage Stage, args, environ []string) (*Config, error) {
	c := &Config{}
	p := &parser{stage: stage, flags: table(stage, c)}
	for i := range p.said {
		p.said[i] = make(map[string][]entry)
	}
	positionals, err := p.commandLine(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil, &Notice{Text: help(stage, p.flags)}
	case err != nil:
		return nil, err
	case len(p.said[byFlag][flagVersion]) > 0:
		return nil, &Notice{Text: version(stage)}
	}
	p.environment(environ)
	if err := p.file(); err != nil {
		return nil, err
	}
	if err := p.apply(); err != nil {
		return nil, err
	}
	if err := p.resolve(c, positionals); err != nil {
		return nil, err
	}
	c.FileText = p.text
	c.Warnings = append(p.warnings, doubts(c)...)
	return c, nil
}

// recorder is one flag.Value. It only writes down what was said, so that the standard package does the splitting and
// the values are judged in one place, whichever way they came.
type recorder struct {
	p    *parser
	flag Flag
}

func (r recorder) String() string   { return "" }
func (r recorder) IsBoolFlag() bool { return r.flag.Unit == "" }
func (r recorder) Set(value string) error {
	r.p.say(byFlag, entry{name: r.flag.Name, value: value, where: "-" + r.flag.Name})
	return nil
}

func (p *parser) say(by rank, e entry) { p.said[by][e.name] = append(p.said[by][e.name], e) }

// commandLine returns the arguments that are not flags. The standard package stops at the first of those; we go on behind
// it, so that `8080 -chunked` means what it seems to.
func (p *parser) commandLine(args []string) ([]string, error) {
	set := flag.NewFlagSet("", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, f := range p.flags {
		set.Var(recorder{p, f}, f.Name, f.Help)
	}
	var positionals []string
	for {
		err := set.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		if err != nil {
			return nil, usage("%v; -h lists the flags", err)
		}
		if set.NArg() == 0 {
			break
		}
		positionals = append(positionals, set.Arg(0))
		args = set.Args()[1:]
	}
	if len(positionals) > maxPositionals {
		return nil, usage("%q is one argument too many; give PORT HOST WORKERS and say the rest by flags", positionals[maxPositionals])
	}
	return positionals, nil
}

// environment takes FOURWAYS_MAX_HEAD for -max-head. A name that is not ours is a warning and no error: the other three
// stages read the same environment and have flags that this one has not.
func (p *parser) environment(environ []string) {
	for _, pair := range environ {
		variable, value, _ := strings.Cut(pair, "=")
		upper, ours := strings.CutPrefix(variable, envPrefix)
		if !ours {
			continue
		}
		name := strings.ReplaceAll(strings.ToLower(upper), "_", "-")
		if _, known := p.lookup(name); !known || name == flagVersion || envName(name) != variable {
			p.warnings = append(p.warnings, fmt.Sprintf("the environment variable %q is no setting of this program and was ignored", variable))
			continue
		}
		p.say(byEnv, entry{name: name, value: value, where: variable})
	}
}

func envName(name string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// file reads the settings of -config, if there is one.
func (p *parser) file() error {
	said := p.said[byFlag][flagConfig]
	if len(said) == 0 {
		said = p.said[byEnv][flagConfig]
	}
	if len(said) == 0 {
		return nil
	}
	path := said[len(said)-1].value
	var err error
	if p.text, err = readFile(path); err != nil {
		return err
	}
	entries, err := parseFile(path, p.text)
	if err != nil {
		return err
	}
	for _, e := range entries {
		f, known := p.lookup(e.name)
		switch {
		case !known || e.name == flagConfig || e.name == flagVersion:
			return usage("%s is no setting of this program; -h lists them, write the name without a dash", e.where)
		case !f.Repeat && len(p.said[byFile][e.name]) > 0:
			return usage("%s stands there twice; keep one of them", e.where)
		case f.Unit == "" && e.value == "":
			e.value = "true"
		}
		p.say(byFile, e)
	}
	return nil
}

func (p *parser) lookup(name string) (Flag, bool) {
	i := slices.IndexFunc(p.flags, func(f Flag) bool { return f.Name == name })
	if i < 0 {
		return Flag{}, false
	}
	return p.flags[i], true
}

// best returns what the highest source says about a setting.
func (p *parser) best(name string) (rank, []entry) {
	for by := byFlag; by > byDefault; by-- {
		if said := p.said[by][name]; len(said) > 0 {
			return by, said
		}
	}
	return byDefault, nil
}

// apply hands every setting its values, or its default. Of several values for a setting that holds one, the last stays,
// but a mistake in an earlier one is still a mistake.
func (p *parser) apply() error {
	for _, f := range p.flags {
		by, said := p.best(f.Name)
		if by == byDefault && f.Default != "" {
			said = []entry{{value: f.Default, where: "default of -" + f.Name}}
		}
		for _, e := range said {
			if err := f.Set(e.value); err != nil {
				return usage("%s: %v", e.where, err)
			}
		}
	}
	return nil
}

// resolve joins the short form and -port with -listen and -workers. Both say where to listen, so the higher source wins,
// and within one source there may be only one of them.
func (p *parser) resolve(c *Config, positionals []string) error {
	portBy, portSaid := p.best(flagPort)
	listenBy, _ := p.best(flagListen)
	host, number := defaultHost, ""
	if len(portSaid) > 0 {
		number = portSaid[len(portSaid)-1].value
	}
	if len(positionals) > 0 {
		if portBy == byFlag {
			return usage("the port is given twice; leave out %q or -port", positionals[0])
		}
		portBy, number = byFlag, positionals[0]
	}
	if len(positionals) > 1 {
		host = positionals[1]
	}
	if portBy == listenBy && portBy != byDefault {
		return usage("the address is given twice; say it by -listen alone, or by the port and host alone")
	}
	if portBy > listenBy {
		a, err := join(host, number)
		if err != nil {
			return usage("PORT HOST: %v", err)
		}
		c.Listen = []Address{a}
	}
	if len(positionals) == maxPositionals {
		return p.shortWorkers(c, positionals[maxPositionals-1])
	}
	return nil
}

func (p *parser) shortWorkers(c *Config, value string) error {
	if len(p.said[byFlag][flagWorkers]) > 0 {
		return usage("the workers are given twice; leave out %q or -workers", value)
	}
	if err := Int(&c.Workers, 1, p.stage.maxWorkers())(value); err != nil {
		return usage("WORKERS: %v", err)
	}
	return nil
}

// doubts names settings that are legal and do not do what they seem to.
func doubts(c *Config) []string {
	var doubts []string
	if c.Limits.RequestLine > c.Limits.Head {
		doubts = append(doubts, fmt.Sprintf("-max-request-line %d is more than -max-head %d, which counts the request line too: a line over %d bytes is refused",
			c.Limits.RequestLine, c.Limits.Head, c.Limits.Head))
	}
	if c.Limits.CacheItem > c.Limits.CacheSize {
		doubts = append(doubts, "-cache-item is more than -cache-size: the largest files will not stay in memory")
	}
	return doubts
}

func usage(format string, args ...any) error {
	return &UsageError{text: fmt.Sprintf(format, args...)}
}
