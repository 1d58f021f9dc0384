package auth

// What a file of passwords says, and which field is right. How a request fares is in the tests of
// processes.

import (
	"encoding/base64"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/machine"
	"fourways/shared/session"
	"fourways/shared/stats"
)

// hash is one that is quickly checked.
func hash(t testing.TB, password string) string {
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	require.NoError(t, err)
	return string(h)
}

// field is the value of an Authorization field.
func field(text string) []byte {
	return []byte("Basic " + base64.StdEncoding.EncodeToString([]byte(text)))
}

func TestPasswords(t *testing.T) {
	u, err := parse([]byte("# users\n\nann:" + hash(t, "secret") + "\n bob:" + hash(t, "a:b") + " \nümit:" + hash(t, "ü") + "\n"))
	require.NoError(t, err)
	for _, tt := range []struct {
		name  string
		field []byte
		want  bool
	}{
		{"a right one", field("ann:secret"), true},
		{"one with a colon", field("bob:a:b"), true},
		{"one beyond ASCII", field("ümit:ü"), true},
		{"another scheme's case", append([]byte("bASIC "), field("ann:secret")[6:]...), true},
		{"a wrong one", field("ann:Secret"), false},
		{"the right one twice, which to bcrypt is the same", field("ann:secret\x00secret"), false},
		{"none", field("ann:"), false},
		{"somebody else's", field("ann:a:b"), false},
		{"nobody there, by the hash that stands in", field("eve:secret"), false},
		{"no colon", field("annsecret"), false},
		{"no name", field(":secret"), false},
		{"no base64", []byte("Basic ann:secret"), false},
		{"base64 with something behind it", append(field("ann:secret"), " x"...), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.True(t, isBasic(tt.field))
			require.False(t, u.knows(tt.field), "it was not checked yet")
			require.Equal(t, tt.want, u.check(tt.field))
			require.Equal(t, tt.want, u.knows(tt.field), "only what was right is remembered")
		})
	}
	require.False(t, isBasic([]byte("Bearer abc")))
	require.False(t, isBasic([]byte("Basic ")))
	require.False(t, isBasic(append(field("a:b"), make([]byte, maxField)...)))
}

func TestAFileMayBeginWithAByteOrderMark(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(file, []byte("\ufeffann:"+hash(t, "secret")+"\r\n"), 0o600))
	g, err := New(file)
	require.NoError(t, err)
	require.True(t, g.users.Load().check(field("ann:secret")))
}

// A step of cost doubles the time. Whoever is there with a cheap hash, or is not there, costs as
// much as the costliest: 2⁴ + 2⁴ + 2⁵ is 2⁶.
func TestHashesOfSeveralCostsTakeTheSameTime(t *testing.T) {
	h, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost+2)
	require.NoError(t, err)
	u, err := parse([]byte("ann:" + hash(t, "secret") + "\nbob:" + string(h) + "\n"))
	require.NoError(t, err)
	var more []int
	generate = func(_ []byte, cost int) ([]byte, error) { more = append(more, cost); return nil, nil }
	defer func() { generate = bcrypt.GenerateFromPassword }()
	for name, want := range map[string][]int{"ann": {bcrypt.MinCost, bcrypt.MinCost + 1}, "bob": nil, "eve": nil} {
		more = nil
		require.False(t, u.check(field(name+":"+strings.Repeat("x", 80))))
		require.Equal(t, want, more, name)
	}
	require.Equal(t, h, u.nobody)
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	u, err := parse([]byte("ann:" + hash(t, "secret")))
	require.NoError(t, err)
	for i := range remembered {
		u.correct[[32]byte{byte(i), byte(i >> 8)}] = struct{}{}
	}
	require.True(t, u.check(field("ann:secret")))
	require.Len(t, u.correct, 1)
	require.True(t, u.knows(field("ann:secret")))
}

func TestKnowingDoesNotAllocate(t *testing.T) {
	u, err := parse([]byte("ann:" + hash(t, "secret")))
	require.NoError(t, err)
	f := field("ann:secret")
	require.True(t, u.check(f))
	require.Zero(t, testing.AllocsPerRun(100, func() { u.knows(f) }))
}

func TestFilesThatCannotBe(t *testing.T) {
	for text, want := range map[string]string{
		"":                          ": there is nobody in it",
		"# nobody\n":                ": there is nobody in it",
		"ann\n":                     ":1: give NAME:HASH",
		"\n:" + hash(t, "x"):        ":2: give NAME:HASH",
		"ann:secret\n":              ":1: the hash is none of bcrypt",
		"ann:$apr1$abc$def\n":       ":1: the hash is none of bcrypt",
		"ann:" + hash(t, "x")[:59]:  ":1: the hash is none of bcrypt",
		"ann:" + hash(t, "x") + ":": ":1: the hash is none of bcrypt",
		"ann:" + costly[:59] + "=":  ":1: the hash is none of bcrypt",
		"ann:" + costly + "\n":      ":1: the hash takes too long to check; give one with a cost of at most 14",
		twice(hash(t, "x")) + "\n":  ":2: the name stands there twice",
	} {
		_, err := parse([]byte(text))
		require.Error(t, err, text)
		require.Contains(t, err.Error(), want)
	}
	_, err := New(filepath.Join(t.TempDir(), "none"))
	require.ErrorContains(t, err, "-auth: ")
}

func TestAGuessCostsNoMoreThanHalfABurst(t *testing.T) {
	for burst, want := range map[int]int{0: guessCost, 400: guessCost, 80: 40, 20: 10, 3: 1, 1: 1} {
		require.Equal(t, want, (&Gate{Burst: burst}).cost(), burst)
	}
}

const costly = "$2y$15$abcdefghijklmnopqrstuuA.rFgl4v7rHyPZV7pUIgEO9y5yAN0Oe"

func twice(hash string) string { return "ann:" + hash + "\nann:" + hash }

func TestAFileThatGetsWorseChangesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(file, []byte("ann:"+hash(t, "secret")), 0o600))
	g, err := New(file)
	require.NoError(t, err)
	before := g.users.Load()
	require.NoError(t, os.WriteFile(file, []byte("nonsense"), 0o600))
	require.ErrorContains(t, g.Reload(), ":1: give NAME:HASH")
	require.Same(t, before, g.users.Load())
	require.NoError(t, os.WriteFile(file, before.text, 0o600))
	require.NoError(t, g.Reload())
	require.Same(t, before, g.users.Load(), "nobody has to be checked again because of other settings")
	require.NoError(t, os.WriteFile(file, []byte("ann:"+hash(t, "other")), 0o600))
	require.NoError(t, g.Reload())
	require.False(t, g.users.Load().check(field("ann:secret")))
}

// counter is what stands behind a gate, and hears what becomes of requests.
type counter struct{ served, refused int }

func (c *counter) Serve(x *session.Exchange) {
	c.served++
	c.answer(x, 200)
}
func (c *counter) Refuse(x *session.Exchange, f fault.Fault) {
	c.refused++
	c.answer(x, f.Status)
}
func (c *counter) answer(x *session.Exchange, status int) {
	x.Begin(status, 0).End()
	x.Finish()
}
func (c *counter) Done(*session.Exchange)                     {}
func (c *counter) Refused(*session.Exchange, fault.Fault)     {}
func (c *counter) TurnedAway(netip.Addr, fault.Reason)        {}
func (c *counter) Unsecured(netip.Addr, fault.Reason, string) {}
func (c *counter) Broken(*session.Thread, error)              {}
func (c *counter) Panicked(_ *session.Exchange, v any)        { panic(v) }

// Whoever leaves while a password is checked is not served: what would have to be done elsewhere
// would never be done, nor what it holds be given back.
func TestWhoeverLeavesMeanwhileIsNotServed(t *testing.T) {
	for _, tt := range []struct {
		name            string
		password        string
		leaves          bool
		served, refused int
	}{
		{"one who waits", "secret", false, 1, 0},
		{"one who leaves", "secret", true, 0, 0},
		{"one who leaves and was wrong", "wrong", true, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "users")
			require.NoError(t, os.WriteFile(file, []byte("ann:"+hash(t, "secret")+"\n"), 0o600))
			g, err := New(file)
			require.NoError(t, err)
			c := &counter{}
			g.Next = c
			srv := &session.Server{
				HTTP:  http1.Config{Limits: http1.Limits{RequestLine: 512, Head: 2048, Fields: 32, Body: 100}},
				Hosts: guard.NewHosts([]string{guard.AnyHost}, nil), Stats: stats.New(1), Handler: g, Observer: c, MaxConns: 1,
				Timing: session.Timing{Head: clock.Second, Idle: clock.Second},
			}
			thread := session.NewThread(srv, srv.Stats.Slot(0), "loop-1", 7)
			var s session.Session
			s.Open(thread, session.Admission{}, netip.MustParseAddrPort("127.0.0.1:1234"), -1)
			require.Equal(t, machine.WantRead, s.Step())
			s.Received(copy(s.Recv(), "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: "+string(field("ann:"+tt.password))+"\r\n\r\n"))
			require.Equal(t, machine.WantWake, s.Step())
			if tt.leaves {
				s.Leave()
			}
			s.Work()
			if !tt.leaves {
				s.Step()
			}
			s.Close()
			require.Equal(t, tt.served, c.served)
			require.Equal(t, tt.refused, c.refused)
		})
	}
}
