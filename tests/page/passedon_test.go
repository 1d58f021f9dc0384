package page

// What a browser gets through a stage that passes requests on: events and WebSocket messages of
// another server. They are skipped where there is no browser, and those of WebSocket where Node.js
// or its package ws is missing.
//
// Order proves that nothing is held back: each event, and each message, is sent only once the
// browser has the one before.

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// passing starts a stage that passes all on to another server, and answers its addresses: that of
// plain HTTP, and that of https.
func passing(t *testing.T, stage, upstream string) (origins []string) {
	t.Helper()
	args := []string{"-listen", "127.0.0.1:0", "-tls-listen", "127.0.0.1:0", "-tls-self-signed", "-proxy", "/=" + upstream}
	if stage == stages[0] {
		args = append(args, "-workers", "32") // a browser keeps many connections, and each needs a thread
	}
	cmd := exec.Command(build(t, stage), args...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir()) // where the certificate is kept
	s := harness.StartCommand(t, cmd)
	return []string{s.URL(""), s.Log.Await(t, byHTTPS)[0]}
}

// eventsPage listens to events, and says of each that it is there.
const eventsPage = `<!doctype html><title>Events</title><script>
window.seen = []; window.late = []; window.over = false;
const source = new EventSource("/events");
source.onmessage = (e) => {
	const [number, sent] = e.data.split(" ").map(Number);
	seen.push(number);
	late.push(Date.now() - sent);
	fetch("/seen?" + number);
};
source.addEventListener("last", () => { source.close(); window.over = true; });
</script>`

// eventServer sends each client so many events, each when the client has said that it has the one
// before.
func eventServer(t *testing.T, events int) *httptest.Server {
	seen := make(chan bool)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, eventsPage)
		case "/events":
			w.Header().Set("Content-Type", "text/event-stream")
			for i := range events {
				fmt.Fprintf(w, "data: %d %d\n\n", i, time.Now().UnixMilli())
				w.(http.Flusher).Flush()
				select {
				case <-seen:
				case <-r.Context().Done():
					return
				}
			}
			fmt.Fprint(w, "event: last\ndata:\n\n")
		case "/seen":
			select {
			case seen <- true:
			case <-r.Context().Done():
			}
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(up.Close)
	return up
}

// Each event reaches the page as it is sent, through every stage, by TLS too.
func TestEventsReachABrowserOneByOne(t *testing.T) {
	const events = 50
	tab := browser(t)
	for _, stage := range stages {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			up := eventServer(t, events)
			for _, origin := range passing(t, stage, up.URL) {
				v := open(t, tab, origin+"/", 1200)
				v.await("all events are there", `window.over`)
				require.True(t, eval[bool](v, fmt.Sprintf(`seen.length === %d && seen.every((n, i) => n === i)`, events)))
				late := eval[[]float64](v, `late.sort((a, b) => a - b)`)
				t.Logf("%s: an event takes %v ms, at worst %v", origin, late[len(late)/2], late[len(late)-1])
			}
		})
	}
}

// webSocketServer is one of Node.js, with the package ws. It sends text and bytes back, compressed
// where the client agrees, sends pings, and ends with the code that it is asked to.
const webSocketServer = `
const http = require("http"), { WebSocketServer } = require("ws");
const page = ` + "`" + `<!doctype html><title>WebSocket</title><script>
window.result = null;
const said = [], small = ["a", "b".repeat(125), "c".repeat(126), "d".repeat(65535), "e".repeat(65536)];
const large = new Uint8Array(3 << 20).map((_, i) => i * 31 + (i >> 8));
const socket = new WebSocket(location.href.replace("http", "ws") + "echo", ["other", "chat"]);
socket.binaryType = "arraybuffer";
let next = 0, same = true;
const send = () => {
	if (next < small.length) socket.send(small[next]);
	else if (next === small.length) socket.send(large);
	else socket.send("close");
};
socket.onopen = send;
socket.onmessage = (e) => {
	if (typeof e.data === "string") same &&= e.data === small[next];
	else same &&= e.data.byteLength === large.length && new Uint8Array(e.data).every((b, i) => b === large[i]);
	next++;
	send();
};
socket.onclose = (e) => { window.result = {next, same, code: e.code, reason: e.reason, clean: e.wasClean, protocol: socket.protocol, extensions: socket.extensions}; };
</script>` + "`" + `;
const server = http.createServer((req, res) => { res.setHeader("Content-Type", "text/html"); res.end(page); });
const sockets = new WebSocketServer({ server, perMessageDeflate: true, maxPayload: 8 << 20, handleProtocols: (all) => all.has("chat") && "chat" });
let pongs = 0;
sockets.on("connection", (ws) => {
	ws.on("pong", () => { pongs++; });
	ws.on("message", (data, binary) => {
		if (!binary && data.toString() === "close") return ws.close(4001, "as asked");
		ws.ping("are you there");
		ws.send(data, { binary });
	});
	ws.on("close", (code) => { console.log("closed " + code + " after " + pongs + " pongs"); pongs = 0; });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
`

// fetching is how long the package may take to come.
const fetching = time.Minute

// theSockets is a folder with the package, for all tests.
var theSockets = sync.OnceValues(func() (dir string, err error) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("no %s: install Node.js", tool)
		}
	}
	dir = filepath.Join(programs, "node")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetching)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "install", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--fetch-retries=0", "ws@8")
	npm.WaitDelay = time.Second
	if out, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm's package ws cannot be fetched: %w: %s", err, out)
	}
	return dir, os.WriteFile(filepath.Join(dir, "server.js"), []byte(webSocketServer), 0o644)
})

// webSockets starts the server, and answers its address and its further lines.
func webSockets(t *testing.T) (url string, says *bufio.Scanner) {
	t.Helper()
	dir, err := theSockets()
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command("node", "server.js")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	says = bufio.NewScanner(out)
	require.True(t, says.Scan(), "node says its port")
	return "http://127.0.0.1:" + says.Text(), says
}

// Messages of every kind of length, pings, and the code of the close pass between a browser and a
// server of WebSocket, through every stage, by TLS too.
func TestABrowserSpeaksWebSocketThroughAProxy(t *testing.T) {
	tab := browser(t)
	for _, stage := range stages {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			up, says := webSockets(t)
			for _, origin := range passing(t, stage, up) {
				v := open(t, tab, origin+"/", 1200)
				v.await("the connection has ended", `window.result !== null`)
				type result struct {
					Next        int
					Same, Clean bool
					Code        int
					Reason      string
					Protocol    string
					Extensions  string
				}
				got := eval[result](v, `window.result`)
				require.Equal(t, result{Next: 6, Same: true, Clean: true, Code: 4001, Reason: "as asked", Protocol: "chat", Extensions: "permessage-deflate"}, got, origin)
				require.True(t, says.Scan())
				require.Equal(t, "closed 4001 after 6 pongs", says.Text(), "what the server saw")
			}
		})
	}
}
