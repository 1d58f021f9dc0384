package http1test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// ReadAnswers is what net/http finds in the answers to one request, in the form of [Answer.Want],
// and whether there was at least one and nothing but whole ones.
func ReadAnswers(method string, in []byte) (found []string, whole bool) {
	for r := bufio.NewReader(bytes.NewReader(in)); ; {
		if _, err := r.Peek(1); err == io.EOF {
			return found, len(found) > 0
		}
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return found, false
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return found, false
		}
		if resp.StatusCode < 200 && resp.StatusCode != 101 {
			found = append(found, fmt.Sprint(resp.StatusCode))
		} else {
			found = append(found, fmt.Sprintf("%d %q", resp.StatusCode, body))
		}
	}
}
