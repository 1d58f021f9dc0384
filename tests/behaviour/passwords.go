package behaviour

// Passwords: who is let in, where one is asked for, and what guessing costs. The hashes are made
// beforehand, with the lowest cost.

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// Names, and hashes of the password "secret", as `htpasswd -B` makes them.
const (
	annIsIn   = "ann:$2a$04$BwsvRGz7/DOlLQ6WynTvQufsxzS46LbAkzb1MOLvEc3nCUt2oOAju\n"
	costsMore = "ann:$2y$11$RTNKDxe3xYRJFNYCDwHtf.f3/kKH/tdZZVNw8Zh8wiJMXVh9tZj.q\n" // a tenth of a second
	bobIsIn   = "bob:$2a$04$gvk36fgaU5wIsZ7oPvn0XuGiJVveCI5PsPNOqaTn8Qp8UJtPM5zvy\n"
)

// users is a file with these lines.
func users(t *testing.T, lines string) string {
	file := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(file, []byte(lines), 0o600))
	return file
}

func basic(text string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(text)) + "\r\n"
}

// tell sends a request with some fields on a connection of its own, and returns the head of the
// answer.
func tell(t *testing.T, c net.Conn, method, path, fields string) *http.Response {
	defer c.Close()
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", method, path, fields)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	resp.Body.Close()
	return resp
}

var _ = test("Passwords", passwords, perProcess("auth"))

// passwords: who knows one gets everything, also what is passed on, and who does not gets nothing,
// and is not asked where others could listen.
func passwords(t *testing.T) {
	file := users(t, annIsIn)
	s := harness.Start(t, "-auth", file, "-listen", "127.0.0.1:0", "-tls-listen", "127.0.0.1:0", "-tls-self-signed", "-proxy", "/app=http://127.0.0.1:9", "-cors", "https://app.example")
	secure := s.Log.Await(t, regexp.MustCompile(`https://([^,\s"]+)`))[1]
	const forwarded = "X-Forwarded-For: 192.0.2.1\r\n"
	const preflight = "Origin: https://app.example\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization\r\n"
	for _, tt := range []struct {
		name, method, path, fields string
		tls                        bool
		status                     int
	}{
		{"nothing said", "GET", "/about.html", "", false, 401},
		{"a right password", "GET", "/about.html", basic("ann:secret"), false, 200},
		{"a right password again", "GET", "/index.html", basic("ann:secret"), false, 200},
		{"a wrong password", "GET", "/about.html", basic("ann:wrong"), false, 401},
		{"somebody else", "GET", "/about.html", basic("bob:secret"), false, 401},
		{"two passwords", "GET", "/about.html", basic("ann:secret") + basic("ann:secret"), false, 401},
		{"what is not there", "GET", "/not-there.html", "", false, 401},
		{"what is passed on", "GET", "/app/x", "", false, 401},
		{"what is passed on, with a password", "GET", "/app/x", basic("ann:secret"), false, 502},
		{"an upload", "POST", "/upload", "Content-Type: application/json\r\nContent-Length: 0\r\n", false, 401},
		{"a probe", "GET", "/livez", "", false, 200},
		{"a report", "GET", "/health", "", false, 200},
		{"a report for somebody else", "GET", "/health", forwarded, false, 403},
		{"a token of a certificate authority", "GET", "/.well-known/acme-challenge/x", forwarded, false, 404},
		{"the question of another origin", "OPTIONS", "/about.html", preflight, false, 204},
		{"such a question that would be passed on", "OPTIONS", "/app/x", preflight, false, 401},
		{"such a question with a query", "OPTIONS", "/about.html?r=admin", preflight, false, 204},
		{"such a question with a body", "OPTIONS", "/about.html", preflight + "Content-Length: 1\r\n", false, 401},
		{"such a question for a tunnel", "OPTIONS", "/about.html", preflight + "Connection: x, Upgrade\r\nUpgrade: websocket\r\n", false, 401},
		{"such a question that is taken for more", "OPTIONS", "/about.html", preflight + "X_HTTP-Method-override: POST\r\n", false, 401},
		{"a token that an upstream takes for more", "GET", "/.well-known/acme-challenge/x", "X-HTTP-Method: DELETE\r\n", false, 401},
		{"what an upstream could decode twice", "GET", "/.well-known/acme-challenge/..%252f..%252fadmin", "", false, 401},
		{"a name that is no token", "GET", "/.well-known/acme-challenge/x.html", "", false, 401},
		{"what lies deeper than a token", "GET", "/.well-known/acme-challenge/x/y", "", false, 401},
		{"the tokens' folder", "GET", "/.well-known/acme-challenge/", "", false, 401},
		{"a token that would be a tunnel", "GET", "/.well-known/acme-challenge/x", "Connection: upgrade\r\nUpgrade: websocket\r\n", false, 401},
		{"a token that one script answers by its query", "GET", "/.well-known/acme-challenge/x?r=admin", "", false, 401},
		{"a token that is asked for with a body", "GET", "/.well-known/acme-challenge/x", "Content-Length: 1\r\n", false, 401},
		{"OPTIONS otherwise", "OPTIONS", "/about.html", "", false, 401},
		{"from elsewhere by plain HTTP", "GET", "/about.html", forwarded + basic("ann:secret"), false, 403},
		{"from elsewhere by TLS", "GET", "/about.html", forwarded + basic("ann:secret"), true, 200},
		{"from elsewhere by TLS, nothing said", "GET", "/about.html", forwarded, true, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := s.Dial(t)
			if tt.tls {
				dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: harness.Patience}, Config: &tls.Config{InsecureSkipVerify: true}}
				var err error
				c, err = dialer.DialContext(t.Context(), "tcp", secure)
				require.NoError(t, err)
				require.NoError(t, c.SetDeadline(time.Now().Add(harness.Patience)))
			}
			resp := tell(t, c, tt.method, tt.path, tt.fields)
			require.Equal(t, tt.status, resp.StatusCode)
			want := ""
			if tt.status == 401 {
				want = `Basic realm="this site", charset="UTF-8"`
			}
			require.Equal(t, want, resp.Header.Get("WWW-Authenticate"))
		})
	}
	s.Log.Await(t, regexp.MustCompile(`wrong-password`))
	s.Log.Await(t, regexp.MustCompile(`password-in-the-open`))

	require.NoError(t, os.WriteFile(file, []byte(bobIsIn), 0o600))
	s.Signal(t, syscall.SIGHUP)
	harness.Eventually(t, "the new file counts", func() bool {
		return tell(t, s.Dial(t), "GET", "/about.html", basic("bob:secret")).StatusCode == 200
	})
	harness.Eventually(t, "what was remembered is forgotten", func() bool {
		return tell(t, s.Dial(t), "GET", "/about.html", basic("ann:secret")).StatusCode == 401
	})
}

var _ = test("APasswordIsCheckedOnceForAll", aPasswordIsCheckedOnceForAll)

// aPasswordIsCheckedOnceForAll: who comes with many connections at once and a right password, as
// every browser does after a restart of the server, is let in on all of them.
func aPasswordIsCheckedOnceForAll(t *testing.T) {
	s := harness.Start(t, append(room(20), "-auth", users(t, costsMore), "-rate-exempt", "none")...)
	var conns []net.Conn
	for range 16 {
		c := s.Dial(t)
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\n%s\r\n", basic("ann:secret"))
		conns = append(conns, c)
	}
	for _, c := range conns {
		status, err := readAll(c)
		require.NoError(t, err)
		require.Equal(t, 200, status)
	}
}

var _ = test("GuessingIsLimited", guessingIsLimited, perProcess("limiter"))

// guessingIsLimited: a password that has to be checked costs as much as many requests, one that was
// right before no more than any.
func guessingIsLimited(t *testing.T) {
	file := users(t, annIsIn)
	s := harness.Start(t, "-auth", file, "-rate-exempt", "none", "-rate", "1", "-burst", "200", "-ban-after", "0", "-workers", "1")
	for range 20 { // 41 are the first one's
		require.Equal(t, 200, tell(t, s.Dial(t), "GET", "/about.html", basic("ann:secret")).StatusCode)
	}
	var got []int
	for i := range 6 {
		got = append(got, tell(t, s.Dial(t), "GET", "/about.html", basic(fmt.Sprintf("ann:guess%d", i))).StatusCode)
	}
	require.Equal(t, 401, got[0])
	require.Equal(t, 429, got[5])
	require.Equal(t, 200, tell(t, s.Dial(t), "GET", "/about.html", basic("ann:secret")).StatusCode, "whoever is known has what is left")
}
