// Package resource holds the control plane's records: what was asked for (desired), what is (observed), the operations between them,
// and the rules that need no I/O: states, allowed actions, names.
package resource
