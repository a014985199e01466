// Package lint holds the house rules that no linter knows, as tests: which package may import which, that every package says what it
// is for, that nothing is called util, that generated files are fresh, and what must not be in the tree.
package lint
