package sysnet

// How much work waits for a processor, as Linux measures it. Not every kernel does, and no other
// system: OpenPressure then fails, and its caller must go on without it.

import (
	"bytes"
	"errors"
	"os"
	"strconv"
)

const pressureFile = "/proc/pressure/cpu"

// Pressure tells how much work waits for a processor: Linux's pressure stall information
// (Documentation/accounting/psi.rst). Unlike the load average it does not depend on how
// many processors there are, and it notices within seconds.
//
// The file stays open, because the moment at which the pressure matters may be one at
// which no descriptor is free. It belongs to one thread.
type Pressure struct {
	file *os.File
	line [128]byte
}

var errPressure = errors.New(pressureFile + ` does not begin with "some avg10="`)

// OpenPressure fails where the kernel does not measure: an old one, or one that was
// started with psi=0, whose file is there and cannot be read.
func OpenPressure() (*Pressure, error) {
	file, err := os.Open(pressureFile)
	if err != nil {
		return nil, err
	}
	p := &Pressure{file: file}
	if _, err := p.Some(); err != nil {
		file.Close()
		return nil, err
	}
	return p, nil
}

// Some is "some avg10": of about the last ten seconds, the percentage in which at least
// one thread was ready to run and had no processor. The kernel works it out every two
// seconds.
func (p *Pressure) Some() (percent float64, err error) {
	n, err := p.file.ReadAt(p.line[:], 0)
	if n == 0 {
		return 0, err // with n > 0 it is the end of the file
	}
	return parsePressure(p.line[:n])
}

// parsePressure reads a line "some avg10=0.00 avg60=0.00 avg300=0.00 total=0".
func parsePressure(line []byte) (percent float64, err error) {
	rest, ok := bytes.CutPrefix(line, []byte("some avg10="))
	value, _, more := bytes.Cut(rest, []byte(" "))
	if !ok || !more {
		return 0, errPressure
	}
	return strconv.ParseFloat(string(value), 64)
}

// Close closes the file.
func (p *Pressure) Close() error { return p.file.Close() }
