package wal

import "fmt"

// String is the type's name in docs/format/wal.md.
func (t Type) String() string {
	switch t {
	case Data:
		return "DATA"
	case Ref:
		return "REF"
	case LogStart:
		return "LOGSTART"
	case Adopt:
		return "ADOPT"
	case Release:
		return "RELEASE"
	case Noop:
		return "NOOP"
	case Seal:
		return "SEAL"
	default:
		return fmt.Sprintf("type %d", uint8(t))
	}
}
