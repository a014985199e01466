package matrix

import (
	"path/filepath"
	"testing"

	"weir/test/cluster"
)

// A client is a column of the matrix.
type client struct {
	name    string
	library string // what it is, by its name in its registry
	command func(t *testing.T) (env, argv []string)
	lacks   map[string]string // feature -> why the client cannot
}

// lacks puts one reason behind several features.
func lacks(pairs ...any) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		for _, f := range pairs[i+1].([]string) {
			m[f] = pairs[i].(string)
		}
	}
	return m
}

// clients are all columns.
func clients() []client {
	return []client{
		{name: "franz-go", library: "Go, github.com/twmb/franz-go", command: goProgram("franzgo")},
	}
}

// goProgram is one of the programs of test/matrix/go, built here.
func goProgram(name string) func(t *testing.T) (env, argv []string) {
	return func(t *testing.T) ([]string, []string) {
		binary := filepath.Join(cluster.Root(), "build", "tools", "matrix", name)
		cluster.Run(t, nil, "go", "-C", filepath.Join(cluster.Root(), "test", "matrix", "go"), "build", "-o", binary, "./"+name)
		return nil, []string{binary}
	}
}
