//go:build linux

package main

// Several servers after a balancer, replaced one by one while clients ask.
//
// Clients send GETs and POSTs, on connections that they keep. A POST has a number, and writes a
// file: so it is known of each how often it was done. What must not be done: no request may be
// without an ending, and no client may send a request again.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"fourways/tests/group"
)

var rolling = lab{
	name:    "rolling",
	seconds: 90,
	asks: "Two servers after a balancer, and eight clients that get and post without a rest. Each server is stopped by TERM and started again, " +
		"then killed with -9, then replaced by USR2. How many requests are lost in all?",
	unit: "requests",
	run:  runRolling,
}

const (
	rollers   = 8                    // clients
	rollPause = 8 * time.Millisecond // between a client's requests: the machine has other things to do
	lameDuck  = "3"                  // seconds: more than the balancer needs to notice, however busy the machine is
)

// traffic is clients and what has become of their requests.
type traffic struct {
	url   string
	ids   atomic.Int64
	stop  chan struct{}
	once  sync.Once
	group sync.WaitGroup

	mu         sync.Mutex
	done, lost int64
	posts      map[int64]bool // by number, and whether it was answered
}

// travel has clients begin.
func travel(addr string) *traffic {
	t := &traffic{url: "http://" + addr, stop: make(chan struct{}), posts: map[int64]bool{}}
	for i := range rollers {
		t.group.Go(func() {
			// No request is sent again: not by Go's client either, as it would a GET.
			client := &http.Client{Transport: &http.Transport{}, Timeout: answerTime}
			defer client.CloseIdleConnections()
			for n := i; ; n++ {
				select {
				case <-t.stop:
					return
				case <-time.After(rollPause):
				}
				t.one(client, n%4 == 0)
			}
		})
	}
	return t
}

// one sends one request and notes its ending.
func (t *traffic) one(client *http.Client, post bool) {
	want, id := http.StatusOK, t.ids.Add(1)
	req, err := http.NewRequest(http.MethodGet, t.url+"/page.txt", nil)
	if post {
		want = http.StatusCreated
		req, err = http.NewRequest(http.MethodPost, t.url+"/upload", io.NopCloser(strings.NewReader(fmt.Sprintf(`{"id":%d}`, id))))
		req.Header.Set("Content-Type", "application/json")
	}
	status := 0
	if err == nil {
		status, err = exchange(client, req)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	whole := err == nil && status == want
	if post {
		t.posts[id] = whole
	}
	if whole {
		t.done++
	} else {
		t.lost++
	}
}

// exchange is the status of an answer that has come whole.
func exchange(client *http.Client, req *http.Request) (int, error) {
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// losses is how many were lost so far.
func (t *traffic) losses() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost
}

// more waits until so many further requests were answered.
func (t *traffic) more(r *rig, n int64) error {
	answers := func() int64 {
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.done
	}
	want := answers() + n
	return r.until("more requests are answered", func() bool { return answers() >= want })
}

func (t *traffic) end() {
	t.once.Do(func() { close(t.stop) })
	t.group.Wait()
}

// farm is servers after a balancer.
type farm struct {
	*balancer
	rig     *rig
	flags   []string
	addrs   []string
	servers []*server
	uploads string
}

// farm starts n servers and a balancer.
func (r *rig) farm(n int) (f *farm, err error) {
	root, err := r.folder("page.txt", 1000)
	if err != nil {
		return nil, err
	}
	f = &farm{rig: r, uploads: filepath.Join(root, "uploads")}
	if err := os.Mkdir(f.uploads, 0o755); err != nil {
		return nil, err
	}
	f.flags = []string{"-root", root, "-workers", "2", "-host", "*", "-drain-delay", lameDuck, "-max-requests", "0"}
	for i := range n {
		addr, err := port()
		if err != nil {
			return nil, err
		}
		f.addrs, f.servers = append(f.addrs, addr), append(f.servers, nil)
		if err := f.start(i); err != nil {
			return nil, err
		}
	}
	f.balancer, err = r.balance(f.addrs...)
	return f, err
}

// start starts a server where it was.
func (f *farm) start(i int) (err error) {
	f.servers[i], err = f.rig.start("stage4-prefork", append([]string{"-listen", f.addrs[i]}, f.flags...)...)
	return err
}

// again replaces a server after it has ended, and waits until the balancer has noticed both.
func (f *farm) again(i int, how syscall.Signal) error {
	s := f.servers[i]
	if err := syscall.Kill(s.cmd.Process.Pid, how); err != nil {
		return err
	}
	if err := f.rig.until("the balancer leaves it alone", func() bool { return f.state(i) == "DOWN" }); err != nil {
		return err
	}
	if err := f.rig.until("it has ended", func() bool { return group.Gone(s.cmd.Process.Pid, 0) }); err != nil {
		return err
	}
	if err := f.start(i); err != nil {
		return err
	}
	return f.rig.until("the balancer has found it", func() bool { return f.state(i) == "UP" })
}

// handOver has a server's program replaced by a new one, on the same sockets.
func (f *farm) handOver(i int) error {
	s := f.servers[i]
	if err := syscall.Kill(s.cmd.Process.Pid, syscall.SIGUSR2); err != nil {
		return err
	}
	select {
	case <-s.done: // the new one goes on in the same process group
		return nil
	case <-time.After(patience):
		return fmt.Errorf("it has not handed over: %s", s.said())
	}
}

// done is how often each POST was done, by its number.
func (f *farm) done() (map[int64]int, error) {
	files, err := filepath.Glob(filepath.Join(f.uploads, "*.json"))
	if err != nil {
		return nil, err
	}
	times := map[int64]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var post struct{ ID int64 }
		if err := json.Unmarshal(text, &post); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		times[post.ID]++
	}
	return times, nil
}

func runRolling(r *rig) (res result, err error) {
	res = result{Unit: "requests", Learnt: "A server that is told to stop says so first (/readyz is 503) and serves on until the balancer has noticed. So a stop in order loses\n" +
		"nothing, whoever is next takes over its sockets loses nothing either, and a death costs what was in its hands. The balancer sends\n" +
		"only what has not been sent yet to another server: never a POST twice."}
	for _, n := range either(r, []int{2}, []int{2, 4}) {
		if err := r.roll(&res, n); err != nil {
			return res, err
		}
	}
	return res, nil
}

// roll replaces n servers in each of the three ways.
func (r *rig) roll(res *result, n int) error {
	f, err := r.farm(n)
	if err != nil {
		return err
	}
	defer f.close()
	t := travel(f.addr)
	defer t.end()
	var killed int64
	for _, how := range []struct {
		name    string
		replace func(i int) error
	}{
		{"TERM", func(i int) error { return f.again(i, syscall.SIGTERM) }},
		{"kill -9", func(i int) error { return f.again(i, syscall.SIGKILL) }},
		{"USR2", f.handOver},
	} {
		before := t.losses()
		for i := range n {
			r.say("%d servers: %s to number %d", n, how.name, i+1)
			if err := errors.Join(t.more(r, 100), how.replace(i), t.more(r, 100)); err != nil {
				return err
			}
		}
		lost := t.losses() - before
		res.add(fmt.Sprintf("%d servers, %s", n, how.name), float64(lost))
		if how.name == "kill -9" {
			killed = lost
		} else {
			res.claims(lost == 0, "%d servers: nothing is lost by %s", n, how.name)
		}
	}
	t.end()
	res.claims(killed <= int64(n*rollers), "%d servers: a kill costs at most what that server had in its hands", n)
	res.Answer += float64(killed)
	times, err := f.done()
	if err != nil {
		return err
	}
	missing, twice := 0, 0
	for id, answered := range t.posts {
		if answered && times[id] != 1 {
			missing++
		}
		if times[id] > 1 {
			twice++
		}
	}
	res.claims(missing == 0 && twice == 0, "%d servers: of %d POSTs, each that was answered was done once, and none twice", n, len(t.posts))
	return nil
}
