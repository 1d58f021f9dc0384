package site

import (
	"strings"
	"testing"

	"fourways/shared/machine"
)

// browser is what a browser sends beside Host.
const browser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Connection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\n" +
	"Sec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\nPriority: u=0, i\r\n"

// BenchmarkGet is a kept-alive request for a cached file from the bytes that arrive to
// those that leave: all that a server does beside its system calls.
func BenchmarkGet(b *testing.B) {
	for _, bb := range []struct{ name, in string }{
		{"small", "GET /index.html HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"browser", "GET /index.html HTTP/1.1\r\nHost: localhost\r\n" + browser + "\r\n"},
		{"not modified", "GET /index.html HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: *\r\n\r\n"},
		{"refused", "GET /../x HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"pipelined 16", strings.Repeat("GET /index.html HTTP/1.1\r\nHost: localhost\r\n\r\n", 16)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			r := newRig(b, nil)
			r.loc.Server.HTTP.Requests = 0
			s := &r.s
			b.ReportAllocs()
			for b.Loop() {
				s.Received(copy(s.Recv(), bb.in))
				for want := s.Step(); want != machine.WantRead; want = s.Step() {
					if want == machine.WantWake {
						s.Work()
						continue
					}
					s.Out().Ack(s.Out().Len())
				}
			}
		})
	}
}
