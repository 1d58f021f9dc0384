//go:build darwin || freebsd

package loop

import "errors"

var errNoUring = errors.New("this system has none")

func probe() error { return errNoUring }

func openUring(*Loop) (completions, error) { return nil, errNoUring }
