//go:build darwin || freebsd

package sysnet

import "errors"

// Pressure would tell how much work waits for a processor; only Linux measures it.
type Pressure struct{}

// OpenPressure fails.
func OpenPressure() (*Pressure, error) { return nil, errors.ErrUnsupported }

// Some is never called: there is no Pressure.
func (*Pressure) Some() (percent float64, err error) { return 0, errors.ErrUnsupported }

// Close does nothing.
func (*Pressure) Close() error { return nil }
