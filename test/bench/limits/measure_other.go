//go:build !linux

package limits

import "errors"

// Measure is for Linux: it counts the CPU time of threads.
func Measure(string) (Machine, error) { return Machine{}, errors.ErrUnsupported }

// Evict is for Linux.
func Evict(string) error { return errors.ErrUnsupported }
