package main

// The demonstration as a whole, with few clients: what the page is told, what is drawn of it, and
// that nothing is left.

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/group"
	"fourways/tests/mutants"
)

var pageAddress = regexp.MustCompile(`side by side: (http://\S+)`)

// announced gets the page's address once it is said.
type announced chan string

func (a announced) Write(p []byte) (int, error) {
	if m := pageAddress.FindSubmatch(p); m != nil {
		a <- string(m[1])
	}
	return len(p), nil
}

// All of it is one test, since the stages have to be built for it.
func TestTheDemoShowsAllFour(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	o := options{idle: 30, busy: 2, last: 3 * every, picture: filepath.Join(t.TempDir(), "demo.svg")}
	s, err := start(t.Context(), o, io.Discard)
	require.NoError(t, err)
	defer s.close()
	require.NoError(t, s.record(t.Context(), o, io.Discard))
	text, err := os.ReadFile(o.picture)
	require.NoError(t, err)
	isPicture(t, string(text))

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.last = 0
	said := make(announced, 1)
	ended := make(chan error, 1)
	go func() { ended <- s.serve(ctx, o, said) }()
	var address string
	select {
	case address = <-said:
	case err := <-ended:
		require.Fail(t, "the page is not served", "%v", err)
	}
	require.Equal(t, len(stages), strings.Count(get200(t, address), `<svg viewBox`))
	showsAll(t, address+"panels", o)
	cancel()
	require.NoError(t, <-ended)

	s.close()
	for _, v := range s.servers {
		require.True(t, group.Gone(v.cmd.Process.Pid, 0), "%s is still there", v.folder)
	}
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, left)
}

// showsAll wants the page to be told what is so of all four, once the crowd has come.
func showsAll(t *testing.T, url string, o options) {
	t.Helper()
	var all []panel
	for end := time.Now().Add(patience); ; time.Sleep(every) {
		all = nil
		require.NoError(t, json.Unmarshal([]byte(get200(t, url)), &all))
		if here(all, o.idle) {
			break
		}
		require.True(t, time.Now().Before(end), "the crowd does not come: %+v", all)
	}
	require.Len(t, all, len(stages))
	for i, p := range all {
		l := p.Look
		require.Equal(t, i+1, l.Stage)
		require.Equal(t, stages[i].workers, l.All)
		require.LessOrEqual(t, l.Waiting, l.All)
		require.GreaterOrEqual(t, l.Rate, 0.0)
		require.Len(t, p.Layers, len(layers(stages[i], l)))
	}
	pool := all[0].Look
	require.Len(t, pool.Threads, 10)
	require.LessOrEqual(t, pool.Queue, pool.QueueLimit)
	if runtime.GOOS == "linux" {
		require.NotZero(t, all[3].Look.Master)
	}
}

// here is whether so many clients are with those who wait in each stage but the first, which
// takes no more than it has threads and places in its queue.
func here(all []panel, n int) bool {
	for _, p := range all[1:] {
		clients := 0
		for _, u := range p.Look.Units {
			clients += u.Clients
		}
		if p.Look.Connections < n || clients < n {
			return false
		}
	}
	return true
}

func get200(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode)
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return string(text)
}

// isPicture wants an SVG that a page may show as an image: well-formed, small, whole in itself.
func isPicture(t *testing.T, text string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			require.NoError(t, err)
		}
	}
	require.Less(t, len(text), 1<<20)
	require.NotContains(t, text, "<script")
	require.NotContains(t, text, "href")
	require.Equal(t, 1, strings.Count(text, "://"), "only the name of SVG itself")
	for _, s := range stages {
		require.Contains(t, text, s.title)
	}
}

func TestTheReadmesPictureIsOne(t *testing.T) {
	root, err := mutants.Root()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "docs", "pictures", "demo.svg"))
	require.NoError(t, err)
	isPicture(t, string(text))
}

// A picture shows each look in its place, and what stood for long is there once.
func TestWhatStoodForSeveralLooksIsDrawnOnce(t *testing.T) {
	var b strings.Builder
	writeLayer(&b, []string{"a", "a", "b", "", "c", "c"}, 6)
	require.Equal(t, `<g class="k k2" style="animation-delay:-3s">a</g><g class="k k1" style="animation-delay:-2s">b</g><g class="k k2 l" style="animation-delay:-1s">c</g>`, b.String())
	b.Reset()
	writeLayer(&b, []string{"a", "a"}, 2)
	require.Equal(t, "a", b.String())
	motion := film{{{"a", "a", "b"}}}.motion(3)
	require.Contains(t, motion, "@keyframes k2{0%{visibility:visible}66.667%,100%{visibility:hidden}}")
	require.NotContains(t, motion, "k3")
}

// What moves by itself would jump if its layer were replaced, and a picture counts its layers: in
// whatever state the stage is, with a worker too many or none.
func TestAPanelHasAlwaysTheSameLayers(t *testing.T) {
	for _, s := range stages {
		none := layers(s, look{Stage: s.number})
		for n := range 4 {
			l := look{Stage: s.number, Connections: 7, Threads: []string{"reading", "free", "working"}, QueueLimit: 50, Queue: 3}
			for range n {
				l.Units = append(l.Units, shown{Clients: 120 * n, Wakes: 9, Ready: 2})
			}
			some := layers(s, l)
			require.Equal(t, none[0], some[0])
			require.Len(t, some, len(none))
		}
	}
}

// A stage may close the connection by which it is asked, as after the machine has slept.
func TestAWatchThatIsCutOffAsksAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 1024))
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n{\"connections\":{\"active\": 8}}")
			c.Close()
		}
	}()
	v := &server{stage: stages[2], addr: l.Addr().String(), done: make(chan struct{})}
	w, err := newWatch(v)
	require.NoError(t, err)
	defer func() { w.close() }()
	require.Equal(t, 7, w.last().Connections)
	require.NoError(t, w.look(), "it was cut off")
	require.NoError(t, w.look())
	require.Equal(t, 2, w.turn)
	close(v.done)
	require.Error(t, w.look(), "nobody is there to be asked again")
}

func TestWrongCommandLines(t *testing.T) {
	for _, args := range []string{"now", "-port -1", "-port 65533", "-idle 5000", "-busy 100", "-for -1s", "-what"} {
		var out bytes.Buffer
		require.Equal(t, exitUsage, command(t.Context(), strings.Fields(args), &out), args)
		require.NotEmpty(t, out.String())
	}
}

func TestTimesAreForPeople(t *testing.T) {
	for s, want := range map[float64]string{0.00042: "0.4 ms", 0.0123: "12 ms", 3.21: "3.2 s"} {
		require.Equal(t, want, seconds(s))
	}
}

// A page that was refused is still waited for: from the first try on.
func TestAWaitGoesOnOverRefusals(t *testing.T) {
	w := &wait{}
	require.Zero(t, w.look())
	w.begin()
	first := w.since
	time.Sleep(time.Millisecond)
	w.begin()
	require.Equal(t, first, w.since)
	require.GreaterOrEqual(t, w.look(), time.Millisecond)
	w.end()
	require.True(t, w.since.IsZero())
	require.GreaterOrEqual(t, w.look(), time.Millisecond)
}
