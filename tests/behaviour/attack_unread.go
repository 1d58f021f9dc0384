package behaviour

// Clients that do not read their answers, or read them slowly but steadily.
//
// Each function is a behaviour that every stage has. A slow reader is cut, and a steady one is not;
// so nothing here may depend on how large the kernel makes its buffers.

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

var _ = test("AnAnswerInTheKernelIsNotRead", anAnswerInTheKernelIsNotRead, perDriver("sockets"))

// anAnswerInTheKernelIsNotRead: an answer that fits into the socket's buffer is sent at once, and
// its client may still take no byte of it. However the connection goes on, it ends as that of
// any slow reader: it is not closed politely, which would leave the bytes to the kernel.
func anAnswerInTheKernelIsNotRead(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "large.txt"), make([]byte, 512<<10), 0o644))
	for _, tt := range []struct {
		name, fields string
		halfClose    bool
	}{
		{"while nothing else is asked", "", false},
		{"before a close", "Connection: close\r\n", false},
		{"before a close, of one that has half-closed", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// The buffers of both ends are the test's, so that the server's takes all and the
			// client's hardly any.
			s := harness.Start(t, "-root", root, "-sock-buf", fmt.Sprint(2<<20), "-min-rate", "100000", "-idle-timeout", "1")
			c, err := connect(s.Addr, "127.66.0.40", receiveBuffer(4<<10))
			require.NoError(t, err)
			defer c.Close()
			_, err = io.WriteString(c, "GET /large.txt HTTP/1.1\r\nHost: localhost\r\n"+tt.fields+"\r\n")
			require.NoError(t, err)
			if tt.halfClose {
				require.NoError(t, c.(*net.TCPConn).CloseWrite())
			}
			harness.Eventually(t, "it is reset", func() bool { return s.Log.Count("reason=reader-too-slow ") == 1 })
			_, err = io.Copy(io.Discard, c)
			require.Error(t, err, "the rest is not offered any more")
		})
	}
}

var _ = test("SteadyReadersAreNotCut", steadyReadersAreNotCut)

// steadyReadersAreNotCut: whoever reads a hundred times as fast as the least that is asked is
// served, although the client's kernel takes a good deal at once and then nothing for seconds.
func steadyReadersAreNotCut(t *testing.T) {
	const readers, pace, lasts = 6, 24_000, 12 * time.Second // bytes a second
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "large.txt"), nil, 0o644))
	require.NoError(t, os.Truncate(filepath.Join(root, "large.txt"), 64<<20))
	s := harness.Start(t, "-root", root, "-min-rate", fmt.Sprint(pace/100))
	var all sync.WaitGroup
	for range readers {
		c := s.Dial(t)
		fmt.Fprintf(c, "GET /large.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
		all.Go(func() {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for range lasts / time.Second {
				<-tick.C
				if _, err := io.CopyN(io.Discard, c, pace); err != nil {
					t.Errorf("cut: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	require.Zero(t, s.Log.Count("reader-too-slow"))
}
