package children

// Who a child is. There is no fork in Go: a child starts from the beginning, and finds in its
// environment what its parent has written there.

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"fourways/shared/shm"
)

// longest is the longest role, in bytes, that is written into the variable itself: the system takes
// one of 128 KiB (execve(2), MAX_ARG_STRLEN). A longer one is passed as a text, and the variable
// holds its descriptor's number behind textMark, with which no JSON begins.
const (
	longest  = 100 << 10
	textMark = "@"
	// closedMark is before that where other processes of our user cannot look inside us, because we
	// were root's: with execve(2) that ends, and what root alone may read would be theirs.
	closedMark = "!"
)

// Give writes a child's role, as JSON, into an environment variable, beside our own environment
// without what was meant for this process alone. It comes after all that is passed.
func (c *Command) Give(variable string, role any, without ...string) error {
	text, err := json.Marshal(role)
	if err != nil {
		return err
	}
	if len(text) > longest {
		number := First + len(c.files)
		if err = c.PassText(number, "role", text); err != nil {
			return err
		}
		text = fmt.Append(nil, textMark, number)
	}
	if open, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err == nil && open != 1 {
		text = append([]byte(closedMark), text...)
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
	text, closed := strings.CutPrefix(text, closedMark)
	if closed {
		unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	}
	whole, err := wholeRole(text)
	if err == nil {
		err = json.Unmarshal(whole, role)
	}
	if err != nil {
		return false, fmt.Errorf("%s is for the program's own use: %w; unset it", variable, err)
	}
	return true, nil
}

// wholeRole is what the variable holds, or stands for.
func wholeRole(text string) ([]byte, error) {
	number, passed := strings.CutPrefix(text, textMark)
	if !passed {
		return []byte(text), nil
	}
	fd, err := strconv.Atoi(number)
	if err != nil {
		return nil, err
	}
	return shm.Kept(fd)
}

// Keep keeps the descriptors that the parent has given, up to last, from those whom this process
// starts.
func Keep(last int) {
	for fd := First; fd <= last; fd++ {
		unix.CloseOnExec(fd)
	}
}
