//go:build linux

package main

// A server of one's own, started by a command, in whatever language it is written.
//
// What must not be done: a server that breaks HTTP must not be measured without a word. Whoever
// leaves out work is faster.

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"fourways/tests/conformance"
	"fourways/tests/words"
)

const (
	shownFaults  = 8 // broken rules that are named
	playedAtOnce = 8 // cases
)

// ownName is what a server may be called: it becomes part of a file's name.
var ownName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// addOwn takes NAME=COMMAND.
func (o *options) addOwn(text string) error {
	name, command, ok := strings.Cut(text, "=")
	if !ok || !ownName.MatchString(name) {
		return errors.New("give a name of letters and digits and a command, as 'mine=./mine --port {port} --root {root}'")
	}
	known := slices.Concat(ourNames, peerNames, []string{floorCopy, floorSplice}, installedNames)
	if slices.Contains(known, name) || slices.ContainsFunc(o.own, func(s *server) bool { return s.name == name }) {
		return fmt.Errorf("there is a server %q already", name)
	}
	line, err := words.Split(command)
	if err != nil {
		return err
	}
	if !strings.Contains(command, "{port}") {
		return errors.New("the command has no {port} to listen on")
	}
	path, err := exec.LookPath(line[0])
	if err != nil {
		return err
	}
	s := &server{name: name, path: path, most: maxConns, duties: []duty{serving}, noTLS: "a server of -server speaks no TLS here", line: line}
	s.command = func(_ *work, at place) ([]string, []string, error) {
		return fillWords(line[1:], "{port}", strconv.Itoa(at.port), "{root}", at.root, "{workers}", "1"), nil, nil
	}
	o.own = append(o.own, s)
	return nil
}

// fillWords replaces in each word. The pairs are as those of strings.NewReplacer.
func fillWords(words []string, pairs ...string) (filled []string) {
	by := strings.NewReplacer(pairs...)
	for _, word := range words {
		filled = append(filled, by.Replace(word))
	}
	return filled
}

// gate plays the conformance suite against the servers of -server, and refuses those that break a
// MUST of the RFCs.
func gate(ctx context.Context, o *options) error {
	if o.ungated {
		return nil
	}
	var refused []string
	for _, s := range o.own {
		line := append([]string{s.path}, fillWords(s.line[1:], "{workers}", "1")...)
		broken, err := breaks(ctx, s.name, line)
		if err != nil {
			return err
		}
		if len(broken) > 0 {
			refused = append(refused, refusal(s, line, broken))
		}
	}
	if len(refused) > 0 {
		return errors.New(strings.Join(refused, "\n"))
	}
	return nil
}

// breaks says which MUSTs a server breaks, up to one more than are shown.
func breaks(ctx context.Context, name string, line []string) (broken []string, err error) {
	suite, err := conformance.New(conformance.Target{Name: name, Cmd: line, RFCOnly: true, WholeOnly: true})
	if err != nil {
		return nil, err
	}
	defer suite.Close()
	defer context.AfterFunc(ctx, suite.Close)()
	if err := suite.Reach(true); err != nil {
		return nil, fmt.Errorf("%w; to measure it all the same: -ungated", err)
	}
	var lock sync.Mutex
	left := conformance.Cases()
	next := func() *conformance.Case {
		lock.Lock()
		defer lock.Unlock()
		if len(left) == 0 || len(broken) > shownFaults || ctx.Err() != nil {
			return nil
		}
		c := &left[0]
		left = left[1:]
		return c
	}
	var all sync.WaitGroup
	for range playedAtOnce {
		all.Go(func() {
			for c := next(); c != nil; c = next() {
				if r := suite.Play(c); r.Level() == conformance.MUST {
					lock.Lock()
					broken = append(broken, fmt.Sprintf("%s: %s (RFC %s)", c.ID, c.Says, c.RFC))
					lock.Unlock()
				}
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return nil, errors.New("interrupted")
	}
	slices.Sort(broken)
	return broken, nil
}

// refusal says what is wrong, and how to measure all the same.
func refusal(s *server, line, broken []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is not measured: of what HTTP/1.1 demands it breaks\n", s.name)
	for i, rule := range broken {
		if i == shownFaults {
			fmt.Fprint(&b, "  and more; the suite was left there\n")
			break
		}
		fmt.Fprintf(&b, "  %s\n", rule)
	}
	quoted := make([]string, len(line))
	for i, word := range line {
		quoted[i] = word
		if !strings.Contains(word, "{") { // which no shell sees
			quoted[i] = words.Word(word)
		}
	}
	fmt.Fprintf(&b, "The bytes of each: go run ./tests/judge -cmd %s\n", words.Quote(strings.Join(quoted, " ")))
	fmt.Fprint(&b, "To measure it all the same: -ungated")
	return b.String()
}
