//go:build darwin || freebsd

package loop

import "errors"

func useUring(*Loop) error { return errors.New("this system has none") }
