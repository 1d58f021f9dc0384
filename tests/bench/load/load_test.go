package load

// Reading what wrk and hey print. The texts are those of real runs; a changed format must be an
// error and not a zero.

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const wrkText = `Running 3s test @ http://127.0.0.1:8080/1k.html
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   322.12us  101.40us   4.10ms   91.31%
    Req/Sec   190.20k     5.31k  199.13k    80.65%
  Latency Distribution
     50%  298.00us
     75%  350.00us
     90%  401.00us
     99%    1.02ms
  586512 requests in 3.10s, 689.12MB read
Requests/sec: 189197.41
Transfer/sec:    222.30MB
`

const heyText = `
Summary:
  Total:	3.0021 secs
  Slowest:	0.0203 secs
  Fastest:	0.0001 secs
  Average:	0.0012 secs
  Requests/sec:	41932.1100
  

Response time histogram:
  0.000 [1]	|
  0.002 [119000]	|■■■■

Latency distribution:
  50%% in 0.0011 secs
  99%% in 0.0053 secs

Details (average, fastest, slowest):
  DNS+dialup:	0.0000 secs, 0.0001 secs, 0.0203 secs

Status code distribution:
  [200]	125000 responses
  [503]	884 responses

Error distribution:
  [7]	Get "http://127.0.0.1:8080/": EOF
`

func TestParseWrk(t *testing.T) {
	want := Result{
		Requests: 586512, Elapsed: 3100 * time.Millisecond, Rate: 189197.41,
		P50: 298 * time.Microsecond, P99: 1020 * time.Microsecond,
	}
	r, err := ParseWrk(wrkText)
	require.NoError(t, err)
	assert.Equal(t, want, r)

	want.Errors = 1 + 2 + 3 + 4 + 5
	r, err = ParseWrk(strings.Replace(wrkText, "Requests/sec", "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 5\nRequests/sec", 1))
	require.NoError(t, err)
	assert.Equal(t, want, r, "errors of every kind are counted")
}

func TestParseHey(t *testing.T) {
	want := Result{
		Requests: 125884, Errors: 891, Elapsed: 3002100 * time.Microsecond, Rate: 41932.11,
		P50: 1100 * time.Microsecond, P99: 5300 * time.Microsecond,
	}
	r, err := ParseHey(heyText)
	require.NoError(t, err)
	assert.Equal(t, want, r)

	r, err = ParseHey(strings.Replace(heyText, "  99%% in 0.0053 secs\n", "", 1))
	require.NoError(t, err)
	assert.Equal(t, want.P50, r.P99, "too few answers for a 99th percentile")
}

func TestAChangedFormatIsAnError(t *testing.T) {
	for _, line := range []string{"586512 requests", "Requests/sec", "50%", "99%"} {
		_, err := ParseWrk(strings.Replace(wrkText, line, "other", 1))
		assert.Error(t, err, "wrk without %q", line)
	}
	for _, line := range []string{"Total:", "Requests/sec", "50%", "responses\n  [503]\t884 responses"} {
		_, err := ParseHey(strings.Replace(heyText, line, "other", 1))
		assert.Error(t, err, "hey without %q", line)
	}
	_, err := ParseWrk("unable to connect to 127.0.0.1:8080 Connection refused")
	assert.Error(t, err)
	_, err = ParseHey("")
	assert.Error(t, err)
}
