//go:build unix && !linux

package node

func ownProgram(path string) string { return path }
