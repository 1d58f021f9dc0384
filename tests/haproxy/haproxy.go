// Package haproxy reads what a running HAProxy says of its servers.
package haproxy

import (
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// patience is how long HAProxy may take to accept a question.
const patience = time.Second

// Row is what the HAProxy with the Unix socket admin (its `stats socket`) says of a server now: the
// line of `show stat` by its headings, as status and check_status. It is nil where it says nothing.
func Row(admin, server string) map[string]string {
	c, err := net.DialTimeout("unix", admin, patience)
	if err != nil {
		return nil
	}
	defer c.Close()
	fmt.Fprintln(c, "show stat")
	text, _ := io.ReadAll(c)
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(text), "# "))).ReadAll()
	if err != nil || len(rows) == 0 {
		return nil
	}
	for _, row := range rows[1:] {
		if row[1] != server {
			continue
		}
		found := map[string]string{}
		for i, heading := range rows[0] {
			found[heading] = row[i]
		}
		return found
	}
	return nil
}
