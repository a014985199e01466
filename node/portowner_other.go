//go:build unix && !linux

package node

func portOwner(Address) string { return "" }
