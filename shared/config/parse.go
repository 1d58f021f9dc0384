package config

// From the command line, the environment and the file to a Config. The parser first writes down
// what each source says, then picks the highest source for each setting, and only then judges the
// value.
//
// A parser belongs to one call of Parse. What must not be done: no source may judge a value by
// itself, or the same value would mean different things in different places. A value that is
// outranked is not judged at all. Nothing is printed: mistakes and texts are returned.

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
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
	path     string // of the file, empty for none
	text     []byte // of it, nil for none
	said     sources
	warnings []string
}

// sources is what each rank says of each setting, by its name.
type sources [byFlag + 1]map[string][]entry

// Parse reads args, without the program's name, and environ, in the form of os.Environ. The error
// is a *UsageError or a *Notice.
func Parse(stage Stage, args, environ []string) (*Config, error) {
	return settle(stage, args, environ, nil, nil)
}

// settle is Parse, with the text of the file where that was read already, and what is to be changed
// of what the sources say, if anything.
func settle(stage Stage, args, environ []string, text []byte, change func(*parser)) (*Config, error) {
	c := &Config{}
	p := &parser{stage: stage, flags: table(stage, c), text: text}
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
	if change != nil {
		change(p)
	}
	if err := p.apply(positionals); err != nil {
		return nil, err
	}
	if err := p.resolve(c, positionals); err != nil {
		return nil, err
	}
	if err := checkTLS(c); err != nil {
		return nil, err
	}
	if err := checkRelays(stage, c); err != nil {
		return nil, err
	}
	if err := checkProxied(c); err != nil {
		return nil, err
	}
	if err := checkPages(c); err != nil {
		return nil, err
	}
	if c.Group != "" && c.User == "" {
		return nil, usage("-%s: it is the group of -%s, which is missing; give both", flagGroup, flagUser)
	}
	c.File, c.FileText, c.said = p.path, p.text, p.said
	c.Warnings = append(p.warnings, doubts(c)...)
	return c, nil
}

// recorder is one flag.Value. It only writes down what was said, so that the standard package does
// the splitting and the values are judged in one place, whichever way they came.
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

// commandLine returns the arguments that are not flags. The standard package stops at the first of
// those; we go on after it, so that `8080 -chunked` means what it seems to.
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

// environment takes FOURWAYS_MAX_HEAD for -max-head. A name that is not ours is a warning and no
// error: the other three stages read the same environment and have flags that this one has not. An
// empty value is as none: whoever writes a file for containers cannot leave a variable out, only
// leave it empty.
func (p *parser) environment(environ []string) {
	for _, pair := range environ {
		variable, value, _ := strings.Cut(pair, "=")
		upper, ours := strings.CutPrefix(variable, envPrefix)
		if !ours || value == "" {
			continue
		}
		name := strings.ReplaceAll(strings.ToLower(upper), "_", "-")
		if orchestrated(value) {
			p.warnings = append(p.warnings, fmt.Sprintf("the environment variable %q was ignored: %q is what an orchestrator tells of a service of that name", variable, value))
			continue
		}
		if _, known := p.lookup(name); !known || ofCommandLine(name) || envName(name) != variable {
			p.warnings = append(p.warnings, fmt.Sprintf("the environment variable %q is no setting of this program and was ignored", variable))
			continue
		}
		p.say(byEnv, entry{name: name, value: value, where: variable})
	}
}

// orchestrated reports whether a value is an address in the form in which Kubernetes, and Docker's
// links, tell every program of a service: for one named fourways,
// FOURWAYS_PORT=tcp://10.0.0.1:8080. No setting has a value like that.
func orchestrated(value string) bool {
	scheme, _, found := strings.Cut(value, "://")
	return found && slices.Contains([]string{"tcp", "udp", "sctp"}, scheme)
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
	p.path = said[len(said)-1].value
	if p.text == nil {
		var err error
		if p.text, err = readFile(p.path); err != nil {
			return err
		}
	}
	entries, err := parseFile(p.path, p.text)
	if err != nil {
		return err
	}
	for _, e := range entries {
		f, known := p.lookup(e.name)
		switch {
		case !known || e.name == flagConfig || ofCommandLine(e.name):
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

// ofCommandLine reports whether a flag is none of a server's settings, but asks for something else
// than a server.
func ofCommandLine(name string) bool { return name == flagVersion || name == flagCheck }

func (p *parser) lookup(name string) (Flag, bool) {
	i := slices.IndexFunc(p.flags, func(f Flag) bool { return f.Name == name })
	if i < 0 {
		return Flag{}, false
	}
	return p.flags[i], true
}

// best returns what the highest source says about a setting.
func (p *parser) best(name string) (rank, []entry) { return p.said.best(name) }

func (s *sources) best(name string) (rank, []entry) {
	for by := byFlag; by > byDefault; by-- {
		if said := s[by][name]; len(said) > 0 {
			return by, said
		}
	}
	return byDefault, nil
}

// apply hands every setting its values, or its default. Of several values for a setting that holds
// one, the last stays, but a mistake in an earlier one is still a mistake. What is outranked is not
// judged: it may be meant for another program.
func (p *parser) apply(positionals []string) error {
	for _, f := range p.flags {
		by, said := p.best(f.Name)
		if by < p.outrankedBy(f.Name, positionals) {
			by, said = byDefault, nil
		}
		if by == byDefault && f.Default != "" && !p.needless(f.Name) {
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

// needless reports whether a setting's default is left out: with an address for TLS and none for
// plain HTTP, only TLS is wanted.
func (p *parser) needless(name string) bool {
	listen, _ := p.best(flagTLSListen)
	redirect := false
	if _, said := p.best(flagRedirect); len(said) > 0 {
		redirect, _ = strconv.ParseBool(said[len(said)-1].value)
	}
	return name == flagListen && listen != byDefault && !redirect
}

// outrankedBy is the rank of what says the same as a setting by another name: -port, -listen and
// the short form.
func (p *parser) outrankedBy(name string, positionals []string) rank {
	port, _ := p.best(flagPort)
	listen, _ := p.best(flagListen)
	switch {
	case name == flagListen && len(positionals) > 0, name == flagWorkers && len(positionals) == maxPositionals:
		return byFlag
	case name == flagListen:
		return port
	case name == flagPort && len(positionals) > 0:
		return byFlag
	case name == flagPort:
		return listen
	}
	return byDefault
}

// resolve joins the short form and -port with -listen and -workers. Both say where to listen, so
// the higher source wins, and within one source there may be only one of them.
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

// checkProxied says what is missing for -proxy-protocol.
func checkProxied(c *Config) error {
	for _, a := range c.Proxied {
		if !a.among(c.Listen) && !a.among(c.TLS.Listen) && !relays(c, a) {
			return usage("-%s: nothing listens on %v; give an address as it stands in -listen, -tls-listen or -relay", flagProxied, a)
		}
	}
	if len(c.Proxied) > 0 && len(c.Clients.TrustedProxies) == 0 && !c.Clients.TrustUnix {
		return usage("-%s: nobody is trusted to send the header; name the proxy with -trusted-proxy", flagProxied)
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
	doubts = append(doubts, doubtsOfPages(c)...)
	doubts = append(doubts, doubtsOfTLS(&c.TLS)...)
	return append(doubts, doubtsOfProxy(&c.Proxy)...)
}

func usage(format string, args ...any) error {
	return &UsageError{text: fmt.Sprintf(format, args...)}
}
