package main

// The help text, read, and what is made of it: a man page, and completions for three shells.
//
// The text of -h is the only source: a flag that is new is in all of them. What must not be done:
// nothing may depend on the machine that it is made on, such as how many processors it has.

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// help is the text of -h.
type help struct {
	title  string // Four Ways to Wait, stage 3: epoll
	name   string // of the program
	usage  string // what comes after it
	groups []group
	notes  []string // paragraphs at the end
}

// group is the flags below one heading.
type group struct {
	name  string
	flags []option
}

// option is one flag.
type option struct {
	name, value string // value is empty for a switch
	text        string
}

// ofTheMachine is a default that is the machine's, and what else stands beside it.
var ofTheMachine = regexp.MustCompile(`(one per processor) \(default \d+(?:\)|, (.*\)))$`)

// portable is a flag's text without that.
func portable(text string) string {
	found := ofTheMachine.FindStringSubmatchIndex(text)
	switch {
	case found == nil:
		return text
	case found[4] < 0:
		return text[:found[3]]
	}
	return text[:found[3]] + " (" + text[found[4]:]
}

// parseHelp reads what a stage says.
func parseHelp(text string) (h help, err error) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) < 3 {
		return h, fmt.Errorf("%q is no help text", text)
	}
	h.title = lines[0]
	h.name, h.usage, _ = strings.Cut(strings.TrimPrefix(lines[2], "Usage: "), " ")
	first := false // after an empty line
	for i, line := range lines {
		last := len(h.groups) - 1
		switch {
		case i < 3:
			continue
		case line == "":
			first = true
			continue
		case strings.HasPrefix(line, "        ") && last >= 0:
			flags := h.groups[last].flags
			flags[len(flags)-1].text = portable(strings.TrimSpace(line))
		case strings.HasPrefix(line, "  -") && last >= 0:
			name, value, _ := strings.Cut(strings.TrimPrefix(line, "  -"), " ")
			h.groups[last].flags = append(h.groups[last].flags, option{name: name, value: value})
		case first && i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  -"):
			h.groups = append(h.groups, group{name: line})
		case first:
			h.notes = append(h.notes, line)
		case len(h.notes) > 0:
			h.notes[len(h.notes)-1] += " " + line
		default:
			return h, fmt.Errorf("what is %q?", line)
		}
		first = false
	}
	return h, nil
}

// roff has text taken as it is.
var roff = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`)

// man is the man page.
func (h help) man(version string, made time.Time) []byte {
	var b strings.Builder
	_, says, _ := strings.Cut(h.title, ": ")
	fmt.Fprintf(&b, ".TH %s 1 %s \"fourways %s\" \"Four Ways to Wait\"\n", strings.ToUpper(roff.Replace(h.name)), made.Format(time.DateOnly), roff.Replace(version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- an HTTP/1.1 server (%s)\n", roff.Replace(h.name), roff.Replace(says))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n%s\n", roff.Replace(h.name), roff.Replace(h.usage))
	b.WriteString(".SH DESCRIPTION\nServes a folder by HTTP and HTTPS, passes requests and connections on to other servers, and\n" +
		"tells of itself at /health, /stats.html and /metrics. Without flags it serves a site of its own.\n")
	b.WriteString(".SH OPTIONS\n")
	for _, g := range h.groups {
		fmt.Fprintf(&b, ".SS %s\n", roff.Replace(g.name))
		for _, f := range g.flags {
			fmt.Fprintf(&b, ".TP\n.B \\-%s", roff.Replace(f.name))
			if f.value != "" {
				fmt.Fprintf(&b, " \\fI%s\\fP", roff.Replace(f.value))
			}
			fmt.Fprintf(&b, "\n%s\n", roff.Replace(f.text))
		}
	}
	b.WriteString(".SH NOTES\n")
	for _, note := range h.notes {
		fmt.Fprintf(&b, ".PP\n%s\n", roff.Replace(note))
	}
	b.WriteString(".SH EXIT STATUS\n0 after a stop in order, 1 where the server could not start or left something behind, 2 for a\n" +
		"command line or settings that cannot be used.\n")
	b.WriteString(".SH SIGNALS\nINT and TERM stop in order, a second one at once. HUP has settings, certificates and the root read\n" +
		"again, USR1 the log files opened again. Stage 4 hands over to a new program on USR2.\n")
	b.WriteString(".SH FILES\n.TP\n.I /etc/fourways/fourways.conf\nthe settings of the service\n")
	return []byte(b.String())
}

// path reports whether a flag wants a file or a folder.
func (f option) path() bool { return f.value == "FILE" || f.value == "FOLDER" }

// choices are the values that a flag has, where its help names them all.
func (f option) choices() []string {
	if regexp.MustCompile(`^[a-z]+(\|[a-z]+)+$`).MatchString(f.value) {
		return strings.Split(f.value, "|")
	}
	return nil
}

// flags are all flags.
func (h help) flags() (all []option) {
	for _, g := range h.groups {
		all = append(all, g.flags...)
	}
	return all
}

// bash completes flags, their values where they are known, and files.
func (h help) bash() []byte {
	var names, paths, choices strings.Builder
	for _, f := range h.flags() {
		names.WriteString(" -" + f.name)
		if f.path() {
			paths.WriteString("|-" + f.name)
		}
		if c := f.choices(); c != nil {
			fmt.Fprintf(&choices, "\t-%s) COMPREPLY=($(compgen -W '%s' -- \"$cur\")) ;;\n", f.name, strings.Join(c, " "))
		}
	}
	function := "_" + strings.ReplaceAll(h.name, "-", "_")
	return fmt.Appendf(nil, `# bash completion of %[1]s
%[2]s() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	case $prev in
%[4]s	%[3]s) COMPREPLY=($(compgen -f -- "$cur")) ;;
	*) COMPREPLY=($(compgen -W '%[5]s' -- "$cur")) ;;
	esac
}
complete -o filenames -F %[2]s %[1]s %[6]s
`, h.name, function, strings.TrimPrefix(paths.String(), "|"), choices.String(), strings.TrimSpace(names.String()), service)
}

// zsh completes by _arguments.
func (h help) zsh() []byte {
	quoted := strings.NewReplacer("'", `'\''`, "[", `\[`, "]", `\]`, ":", `\:`)
	var b strings.Builder
	fmt.Fprintf(&b, "#compdef %s %s\n_arguments", h.name, service)
	for _, f := range h.flags() {
		fmt.Fprintf(&b, " \\\n\t'*-%s[%s]", f.name, quoted.Replace(f.text))
		switch c := f.choices(); {
		case c != nil:
			fmt.Fprintf(&b, ":%s:(%s)", quoted.Replace(f.value), strings.Join(c, " "))
		case f.path():
			fmt.Fprintf(&b, ":%s:_files", f.value)
		case f.value != "":
			fmt.Fprintf(&b, ":%s:", quoted.Replace(f.value))
		}
		b.WriteByte('\'')
	}
	b.WriteByte('\n')
	return []byte(b.String())
}

// fish completes flags of one dash, which it calls old.
func (h help) fish() []byte {
	quoted := strings.NewReplacer(`\`, `\\`, "'", `\'`)
	var b strings.Builder
	for _, f := range h.flags() {
		fmt.Fprintf(&b, "complete -c %s -o %s -d '%s'", h.name, f.name, quoted.Replace(f.text))
		switch c := f.choices(); {
		case c != nil:
			fmt.Fprintf(&b, " -x -a '%s'", strings.Join(c, " "))
		case f.path():
			b.WriteString(" -r -F")
		case f.value != "":
			b.WriteString(" -x")
		}
		b.WriteByte('\n')
	}
	return []byte(b.String())
}
