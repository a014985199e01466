package node

import "os"

// ownProgram is path as long as it is the program that runs here. Once it was replaced or removed (an upgrade in place; the end of `go run`),
// brokers are still started from the one that runs: they and their node are of one build.
func ownProgram(path string) string {
	const self = "/proc/self/exe"
	here, err := os.Stat(self)
	if err != nil {
		return path
	}
	if there, err := os.Stat(path); err == nil && os.SameFile(here, there) {
		return path
	}
	return self
}
