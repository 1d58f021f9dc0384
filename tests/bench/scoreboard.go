//go:build linux

package main

// The scoreboard: what the conformance suite finds at each server, by topic, for the README.
//
// The suite is the command judge, which is started for one server after the other. Each serves the
// suite's own site by the configuration that is measured, ours as they come. What must not be done:
// a server must not be left out because it does badly.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"fourways/tests/words"
)

const (
	scoreFile = "conformance.json"
	scoreMark = "conformance" // of the part of the README
	everyone  = "in every answer"
)

// scores is the file.
type scores struct {
	Date     string            `json:"date"`
	Commit   string            `json:"commit"`
	Command  string            `json:"command"`
	Versions map[string]string `json:"versions"`
	Servers  []score           `json:"servers"`
}

// score is what was found at a server.
type score struct {
	Server string       `json:"server"`
	Why    string       `json:"not_judged,omitempty"`
	Topics []topicScore `json:"topics,omitempty"`
	Broken []string     `json:"broken,omitempty"` // cases in which a MUST was, and what every answer breaks
}

// topicScore counts the cases of a topic by the heaviest fault of each.
type topicScore struct {
	Topic  string `json:"topic"`
	Played int    `json:"played"`
	Must   int    `json:"must"`
	Should int    `json:"should"`
}

// judgement is what is read of judge's JSON.
type judgement struct {
	Everywhere []struct{ Level, Text, RFC string }
	Cases      []struct{ Case, Outcome string }
}

// scoreboard judges all servers that serve files, and writes what it found.
func scoreboard(ctx context.Context, o *options, dir string) (int, error) {
	tests := source(ctx)
	if tests == "" {
		return failed, errors.New("-scoreboard wants the project's source, where it writes docs/results")
	}
	judge := filepath.Join(dir, binDir, "judge")
	if compile(ctx, tests, "./judge", judge); ctx.Err() != nil {
		return failed, ctx.Err()
	}
	all := scores{
		Date: time.Now().UTC().Format("2006-01-02"), Commit: readOr(filepath.Join(dir, commitFile)),
		Command: "go run ./tests/bench -scoreboard", Versions: map[string]string{},
	}
	for _, s := range servers(o, dir) {
		if isFloor(s.name) || !slices.Contains(s.duties, serving) || s.absent != "" {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: judging %s\n", s.name)
		if text := versionOf(ctx, s); text != "" && len(s.line) == 0 {
			all.Versions[s.name] = text
		}
		found := score{Server: s.name, Why: s.noPlain}
		if s.noPlain == "" {
			j, err := s.judged(ctx, judge, dir)
			if ctx.Err() != nil {
				return failed, errors.New("interrupted; nothing is written")
			}
			if err != nil {
				found.Why = err.Error()
			} else {
				found.Topics, found.Broken = j.count()
			}
		}
		all.Servers = append(all.Servers, found)
	}
	root := filepath.Dir(tests)
	if err := all.write(root); err != nil {
		return failed, err
	}
	all.print(os.Stdout)
	return measured, nil
}

// scoreAgain writes what was found before.
func scoreAgain(ctx context.Context, file string) (int, error) {
	var all scores
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	tests := source(ctx)
	switch {
	case err != nil:
		return failed, err
	case tests == "" || len(all.Servers) == 0:
		return failed, errors.New("-scoreboard wants the project's source, and a file with scores")
	}
	all.print(os.Stdout)
	return measured, all.write(filepath.Dir(tests))
}

// judged has judge play the suite.
func (s *server) judged(ctx context.Context, judge, dir string) (j judgement, err error) {
	file := filepath.Join(dir, "judged-"+s.name+".json")
	args := []string{"-zero-copy", "-json", file}
	switch {
	case s.config != nil:
		site := filepath.Join(dir, "site-"+s.name)
		if out, err := exec.CommandContext(ctx, judge, "-write-site", site).CombinedOutput(); err != nil {
			return j, fmt.Errorf("%w: %s", err, out)
		}
		port, err := freePort()
		if err != nil {
			return j, err
		}
		w, _ := chooseWorks("small")
		at := place{port: port, root: site, dir: filepath.Join(dir, "run-"+s.name)}
		r, err := s.start(ctx, w[0], at, 0)
		if err != nil {
			return j, err
		}
		defer r.stop()
		args = append(args, "-addr", r.addr, "-site", site)
	case len(s.line) > 0:
		args = append(args, "-cmd", oneLine(append([]string{s.path}, fillWords(s.line[1:], "{workers}", "1")...)))
	default:
		line := []string{s.path, "-listen", "127.0.0.1:{port}", "-root", "{root}"}
		if s.name == uringName {
			line = append(line, "-io", "uring")
		}
		args = append(args, "-cmd", oneLine(line))
	}
	cmd := exec.CommandContext(ctx, judge, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it has a server to stop
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &said
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) { // 1: it breaks something
		return j, fmt.Errorf("%w: %s", err, strings.TrimSpace(said.String()))
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return j, err
	}
	return j, json.Unmarshal(text, &j)
}

// oneLine is a command as one text, which judge takes apart again.
func oneLine(command []string) string {
	quoted := make([]string, len(command))
	for i, word := range command {
		quoted[i] = words.Word(word)
	}
	return strings.Join(quoted, " ")
}

// count sums up by topic. What every answer breaks is a topic of its own.
func (j *judgement) count() (topics []topicScore, broken []string) {
	every := topicScore{Topic: everyone}
	for _, k := range j.Everywhere {
		every.add(k.Level)
		if k.Level == "MUST" {
			broken = append(broken, k.Text+" (RFC "+k.RFC+")")
		}
	}
	for _, c := range j.Cases {
		topic, _, _ := strings.Cut(c.Case, "/")
		if len(topics) == 0 || topics[len(topics)-1].Topic != topic {
			topics = append(topics, topicScore{Topic: topic})
		}
		topics[len(topics)-1].add(c.Outcome)
		if c.Outcome == "MUST" {
			broken = append(broken, c.Case)
		}
	}
	every.Played = 0 // they are no cases
	return append(topics, every), broken
}

func (t *topicScore) add(outcome string) {
	switch outcome {
	case "skipped":
		return
	case "MUST":
		t.Must++
	case "SHOULD":
		t.Should++
	}
	t.Played++
}

// write writes the file, and the README's part.
func (all *scores) write(root string) error {
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(root, resultsDir), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, resultsDir, scoreFile), append(text, '\n'), 0o644); err != nil {
		return err
	}
	return rewrite(filepath.Join(root, readmeFile), scoreMark, all.readme())
}

// sum is a server's whole score.
func (s *score) sum() (all topicScore) {
	for _, t := range s.Topics {
		all.Played, all.Must, all.Should = all.Played+t.Played, all.Must+t.Must, all.Should+t.Should
	}
	return all
}

// topics are those of all servers, in the order of the suite.
func (all *scores) topics() (names []string) {
	for _, s := range all.Servers {
		for _, t := range s.Topics {
			if t.Topic != everyone && !slices.Contains(names, t.Topic) {
				names = append(names, t.Topic)
			}
		}
	}
	return append(names, everyone)
}

// table has a row for each topic, and a column for each server that was judged.
func (all *scores) table() [][]string {
	head := []string{"topic"}
	sums := [][]string{{"cases played"}, {"a MUST is broken"}, {"a SHOULD is not met"}}
	var rows [][]string
	for _, name := range all.topics() {
		rows = append(rows, []string{name})
	}
	for _, s := range all.Servers {
		if s.Why != "" {
			continue
		}
		head = append(head, shortName(s.Server))
		sum := s.sum()
		for i, n := range []int{sum.Played, sum.Must, sum.Should} {
			sums[i] = append(sums[i], strconv.Itoa(n))
		}
		for i := range rows {
			cell := "–"
			for _, t := range s.Topics {
				if t.Topic == rows[i][0] && (t.Played > 0 || t.Topic == everyone) {
					cell = t.text()
				}
			}
			rows[i] = append(rows[i], cell)
		}
	}
	return slices.Concat([][]string{head}, sums, rows)
}

// text is a cell: cases in which a MUST is broken, and those in which only a SHOULD is not met.
func (t topicScore) text() string {
	switch {
	case t.Must+t.Should == 0:
		return "✓"
	case t.Should == 0:
		return strconv.Itoa(t.Must)
	}
	return fmt.Sprintf("%d + %d", t.Must, t.Should)
}

// readme is the part of the README about the scoreboard.
func (all *scores) readme() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nOn %s, at commit %s, with %s. A cell counts the cases of a topic in which a MUST is broken, and after a plus those in which only a SHOULD is not met.\n\n",
		all.Date, shortCommit(all.Commit), strings.Join(versionsOf(all.Versions), ", "))
	for i, row := range all.table() {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			b.WriteString("| ---" + strings.Repeat(" | ---:", len(row)-1) + " |\n")
		}
	}
	for _, s := range all.Servers {
		if s.Why != "" {
			fmt.Fprintf(&b, "\n%s: %s.", shortName(s.Server), s.Why)
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n\n"
}

func (all *scores) print(out io.Writer) {
	printCells(out, all.table())
	for _, s := range all.Servers {
		if s.Why != "" {
			say(out, "%s is not judged: %s", s.Server, s.Why)
		}
	}
}
