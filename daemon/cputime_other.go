//go:build !unix

package daemon

import "time"

// processTime is not known here: the process counts as idle.
func processTime() time.Duration { return 0 }
