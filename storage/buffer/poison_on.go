//go:build race || invariants

package buffer

const poison = true
