//go:build darwin || freebsd

package sysnet

// UsageOf tells nothing: these systems do not say it to a program without cgo.
func UsageOf(int) (u Usage) { return u }
