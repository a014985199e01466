//go:build !planted

package planted

// Is tells whether this process has the bug.
func Is(Bug) bool { return false }
