//go:build !linux

package disk

import "math"

type vector struct{}

func (f *osFile) writev(bufs [][]byte, off int64) (int, error) {
	total := 0
	for _, b := range bufs {
		n, err := f.f.WriteAt(b, off)
		total += n
		off += int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// datasync is a full sync: the portable one that reaches the medium (on darwin it is F_FULLFSYNC).
func (f *osFile) datasync() error { return f.f.Sync() }

// free is not known here: writes report a full disk themselves.
func space(string) (free, total int64, err error) { return math.MaxInt64, math.MaxInt64, nil }

func networkKind(string) (string, error) { return "", nil }
