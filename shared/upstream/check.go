package upstream

// Asking a target now and then how it is. A target that has failed its check three times in a row
// gets no requests, as long as another one does not fail it.
//
// One process of the server asks each target: whoever is the first to note in the shared region
// that it does. So a process that is killed takes nothing with it.

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"fourways/shared/clock"
)

// maxCheckBody is how much of the answer to a check is read, in bytes.
const maxCheckBody = 64 << 10

// checkAgainAndAgain checks the target until ctx ends.
func (s *State) checkAgainAndAgain(ctx context.Context) {
	client := s.checker()
	ticker := time.NewTicker(time.Duration(checkEvery / 5))
	defer ticker.Stop()
	for {
		if s.turnToCheck(s.set.opt.Now()) {
			if err := s.check(ctx, client); ctx.Err() == nil {
				s.checked(err)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// turnToCheck reports whether the target is to be checked, by this process.
func (s *State) turnToCheck(now clock.Time) bool {
	last := s.row.looked.Load()
	return (last == 0 || now-clock.Time(last) >= checkEvery) && s.row.looked.CompareAndSwap(last, int64(now))
}

// checker makes a connection for each check: it is to tell whether the target takes new ones.
func (s *State) checker() *http.Client {
	return &http.Client{
		Timeout: time.Duration(checkTimeout),
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return s.dial(ctx) },
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dial connects to the first of the target's addresses that can be reached, as requests do. Each
// gets its part of the time.
func (s *State) dial(ctx context.Context) (c net.Conn, err error) {
	addrs := s.where.Addrs()
	err = errUnknown
	for _, a := range addrs {
		network, at := "tcp", a.IP.String()
		if a.Path != "" {
			network, at = "unix", a.Path
		}
		d := net.Dialer{Timeout: time.Duration(checkTimeout) / time.Duration(len(addrs)+1)}
		if c, err = d.DialContext(ctx, network, at); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// check asks once. An answer of 2xx or 3xx says that the target is well.
func (s *State) check(ctx context.Context, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Authority()+s.set.opt.Check, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "fourways-check")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	io.CopyN(io.Discard, resp.Body, maxCheckBody)
	if resp.StatusCode >= 400 {
		return fmt.Errorf("it answers %d", resp.StatusCode)
	}
	return nil
}
