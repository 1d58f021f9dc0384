package behaviour

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// Many is what stages must do in which a thread serves many connections. It opens n of
// them at once; each of the four workers should get its share, within spread of it, where
// /health tells its connections under the name of workers. What one loop does with its connections
// is not for stage 4, whose workers have that of stage 3.
func Many(t *testing.T, n int, workers string, spread float64) {
	t.Run("Connections", func(t *testing.T) { manyConnections(t, n, workers, spread) })
	inALoop := func(name string, run func(*testing.T)) {
		t.Run(name, func(t *testing.T) {
			perDriver("loop").skipElsewhere(t, name)
			run(t)
		})
	}
	inALoop("IdleProxiedClients", idleProxiedClients)
	inALoop("SlowAndGreedyReaders", func(t *testing.T) { slowAndGreedyReaders(t) })
	inALoop("SlowAndGreedyReadersOfChunks", func(t *testing.T) { slowAndGreedyReaders(t, "-chunked") })
	inALoop("ReusedDescriptors", func(t *testing.T) { reusedDescriptors(t, workers) })
	inALoop("QuietAfterADownload", quietAfterADownload)
	inALoop("Uploads", manyUploads)
}

// manyConnections: a burst of them is taken whole, each is answered, and the workers
// share them evenly. Then they are idle, and cost little.
func manyConnections(t *testing.T, clients int, name string, spread float64) {
	const workers = 4
	s := harness.Start(t, "-workers", fmt.Sprint(workers), "-idle-timeout", "600")
	s.Get(t, "/about.html")
	before := s.Memory(t)
	conns := make([]net.Conn, clients)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < clients; i += 8 {
				c, err := net.DialTimeout("tcp", s.Addr, harness.Patience)
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
				c.SetDeadline(time.Now().Add(time.Minute))
				conns[i] = c
			}
		})
	}
	wg.Wait()
	require.False(t, t.Failed())
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for w := range 64 { // several at a time share the cost of a poll
		wg.Go(func() {
			for i := w; i < clients; i += 64 {
				if status, err := Exchange(conns[i], "/about.html"); err != nil || status != 200 {
					t.Errorf("connection %d: %d %v", i, status, err)
				}
			}
		})
	}
	wg.Wait()
	share := float64(clients / workers)
	for i, n := range loads(t, s, name) {
		require.InDelta(t, share, n, share*spread, "%s %d", name, i)
	}
	if !harness.Race() {
		require.Less(t, (s.Memory(t)-before)*1024/clients, 1024, "bytes grown for each idle connection")
	}
	idleServerSleeps(t, s)
}

// idleProxiedClients: a client whose request was passed on costs little while it asks for nothing.
func idleProxiedClients(t *testing.T) {
	up := startBackend(t, "tcp", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	IdleClients(t, 5000, 400, "-proxy", "/="+up.addr)
}

// IdleClients are so many that have had an answer each, and cost so many bytes of the process's
// memory at most while they ask for nothing. Other things can only add to it, so the least of a few
// tries counts, each with a server of its own.
func IdleClients(t *testing.T, clients, most int, flags ...string) {
	if harness.Race() {
		t.Skip("the race detector needs memory of its own")
	}
	least := math.MaxInt
	for range tries {
		if least = min(least, grownByIdleClients(t, clients, flags...)); least <= most {
			break
		}
	}
	t.Logf("an idle client costs %d bytes", least)
	require.LessOrEqual(t, least, most, "bytes of an idle client")
}

// grownByIdleClients is by how many bytes a server grows for each of so many clients that have had
// an answer.
func grownByIdleClients(t *testing.T, clients int, flags ...string) int {
	cmd := exec.Command(harness.Binary(), append([]string{"-listen", "127.0.0.1:0", "-workers", "1", "-idle-timeout", "600"}, flags...)...)
	cmd.Env = append(os.Environ(), "GOGC=10") // what is counted is what is in use, and little else
	s := harness.StartCommand(t, cmd)
	ask := func(n int) (conns []net.Conn) {
		conns = make([]net.Conn, n)
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := w; i < n; i += 8 {
					c, err := net.DialTimeout("tcp", s.Addr, harness.Patience)
					if err != nil {
						t.Errorf("connection %d: %v", i, err)
						return
					}
					c.SetDeadline(time.Now().Add(harness.Patience))
					conns[i] = c
					if status, err := Exchange(c, "/about.html"); err != nil || status != 200 {
						t.Errorf("connection %d: %d %v", i, status, err)
						return
					}
				}
			})
		}
		wg.Wait()
		require.False(t, t.Failed())
		return conns
	}
	for _, c := range ask(200) { // buffers that are used again
		defer c.Close()
	}
	before := s.Memory(t)
	for _, c := range ask(clients) {
		defer c.Close()
	}
	return (s.Memory(t) - before) * 1024 / clients
}

// idleServerSleeps: however many connections are open, nothing to do means nothing done.
func idleServerSleeps(t *testing.T, s *harness.Server) {
	before, began := s.CPU(t), time.Now()
	time.Sleep(2 * time.Second) // there is no event in nothing happening
	busy := time.Duration(s.CPU(t)-before) * harness.ClockTick
	require.Less(t, busy, time.Since(began)/20, "processor time spent on being idle")
}

// loads is how many connections each worker has, by /health.
func loads(t *testing.T, s *harness.Server, name string) (list []int) {
	_, body := s.Get(t, "/health")
	var all map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(body, &all))
	var workers []struct{ Connections int }
	require.NoError(t, json.Unmarshal(all[name], &workers))
	require.NotEmpty(t, workers)
	for _, w := range workers {
		list = append(list, w.Connections)
	}
	return list
}

// slowAndGreedyReaders: a client that reads a large file slowly, and one that reads another as fast
// as it can, share the one thread with small requests, which do not have to wait for either.
func slowAndGreedyReaders(t *testing.T, flags ...string) {
	const size = 256 << 20
	root := rootWith(t, "big.txt", size)
	require.NoError(t, os.WriteFile(filepath.Join(root, "small.txt"), []byte("small"), 0o644))
	s := harness.Start(t, append(flags, "-workers", "1", "-root", root, "-min-rate", "0")...)
	ask := func() *http.Response {
		c := s.Dial(t)
		fmt.Fprintf(c, "GET /big.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		return resp
	}
	slow, greedy := ask(), ask()
	defer slow.Body.Close()
	done := make(chan error, 1)
	go func() {
		n, err := io.Copy(io.Discard, greedy.Body)
		if err == nil && n != size {
			err = fmt.Errorf("%d bytes of %d", n, size)
		}
		done <- err
	}()
	for served := 0; ; served++ {
		status, body := s.Get(t, "/small.txt")
		require.Equal(t, 200, status)
		require.Equal(t, "small", string(body))
		_, err := io.CopyN(io.Discard, slow.Body, 100)
		require.NoError(t, err)
		select {
		case err := <-done:
			require.NoError(t, err)
			require.Greater(t, served, 10, "small requests served during one large download")
			return
		default:
		}
	}
}

// reusedDescriptors: numbers come back within microseconds of being closed: a connection must never
// get what was meant for the one that had its number before.
func reusedDescriptors(t *testing.T, workers string) {
	s := harness.Start(t, "-workers", "2")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 500 {
				c, err := net.DialTimeout("tcp", s.Addr, harness.Patience)
				if err != nil {
					t.Error(err)
					return
				}
				c.SetDeadline(time.Now().Add(harness.Patience))
				if i%3 == 0 {
					fmt.Fprintf(c, "GET /photo.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n") // and gone
				} else if status, err := Exchange(c, "/about.html"); err != nil || status != 200 {
					t.Errorf("%d %v", status, err)
				}
				c.Close()
			}
		})
	}
	wg.Wait()
	harness.Eventually(t, "the workers have one connection among them, the one that asks", func() bool {
		sum := 0
		for _, n := range loads(t, s, workers) {
			sum += n
		}
		return sum == 1
	})
}

// quietAfterADownload: a connection that had to wait until it could write is not watched
// for that any more when it is idle, for it can always be written to.
func quietAfterADownload(t *testing.T) {
	const size = 64 << 20
	s := harness.Start(t, "-root", rootWith(t, "big.txt", size))
	c := s.Dial(t)
	status, err := Exchange(c, "/big.txt")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	idleServerSleeps(t, s)
}

// manyUploads: what the disk makes wait runs beside the thread, and comes back to it.
func manyUploads(t *testing.T) {
	root := rootWithUploads(t)
	s := harness.Start(t, "-workers", "1", "-root", root)
	const clients = 50
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			c := s.Dial(t)
			body := fmt.Sprintf(`{"client":%d}`, i)
			fmt.Fprintf(c, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || resp.StatusCode != 201 {
				t.Errorf("%v %v", resp, err)
				return
			}
			kept, err := os.ReadFile(filepath.Join(root, resp.Header.Get("Location")))
			if err != nil || string(kept) != body {
				t.Errorf("%q %v", kept, err)
			}
		})
	}
	wg.Wait()
	files, err := os.ReadDir(filepath.Join(root, "uploads"))
	require.NoError(t, err)
	require.Len(t, files, clients)
}
