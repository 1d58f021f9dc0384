package children

// Who a child is. There is no fork in Go: a child starts from the beginning, and finds in its
// environment what its parent has written there.

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Give writes a child's role, as JSON, into an environment variable, beside our own environment
// without what was meant for this process alone.
func (c *Command) Give(variable string, role any, without ...string) error {
	text, err := json.Marshal(role)
	if err != nil {
		return err
	}
	c.Env = slices.DeleteFunc(os.Environ(), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return name == variable || slices.Contains(without, name)
	})
	c.Env = append(c.Env, variable+"="+string(text))
	return nil
}

// Role reads what the parent has given. It reports false where there is nothing: somebody else has
// started this process. The variable goes: whoever this process starts gets one of its own.
func Role(variable string, role any) (bool, error) {
	text := os.Getenv(variable)
	if text == "" {
		return false, nil
	}
	os.Unsetenv(variable)
	if err := json.Unmarshal([]byte(text), role); err != nil {
		return false, fmt.Errorf("%s is for the program's own use: %w; unset it", variable, err)
	}
	return true, nil
}

// Keep keeps the descriptors that the parent has given, up to last, from those whom this process
// starts.
func Keep(last int) {
	for fd := First; fd <= last; fd++ {
		unix.CloseOnExec(fd)
	}
}
