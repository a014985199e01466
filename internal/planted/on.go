//go:build planted

package planted

import "os"

var bug = Bug(os.Getenv("WEIR_PLANTED_BUG"))

// Is tells whether this process has the bug.
func Is(b Bug) bool { return b == bug }
