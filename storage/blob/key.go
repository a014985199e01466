package blob

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of keys: what every file system and object store takes.
const (
	keyBytesMax     = 512
	segmentBytesMax = 128
)

// CheckKey says what is wrong with a key. Segments have letters, digits, '-', '_' and '.', the letters small, because some file systems do not tell
// them from capitals; they neither begin nor end with a dot and are no name that a system keeps for itself. The first segment is not "tmp".
func CheckKey(key string) error {
	if len(key) > keyBytesMax {
		return fmt.Errorf("blob: key of %d bytes, at most %d", len(key), keyBytesMax)
	}
	for i, s := range strings.Split(key, "/") {
		if !validSegment(s) || i == 0 && s == tempDir {
			return fmt.Errorf("blob: key %q: segment %q is not allowed", key, s)
		}
	}
	return nil
}

func validSegment(s string) bool {
	if s == "" || len(s) > segmentBytesMax || s[0] == '.' || s[len(s)-1] == '.' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	stem, _, _ := strings.Cut(s, ".")
	device := len(stem) == 4 && (stem[:3] == "com" || stem[:3] == "lpt") && stem[3] >= '0' && stem[3] <= '9'
	return !device && !slices.Contains([]string{"con", "prn", "aux", "nul"}, stem)
}
