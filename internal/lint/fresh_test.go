package lint

import (
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/dependencies.txt anew")

// TestGeneratedFilesAreFresh runs the generator of awsapi/gen into an empty folder: its output is what is committed, to the byte.
func TestGeneratedFilesAreFresh(t *testing.T) {
	dir := t.TempDir()
	run(t, "go", "run", "./awsapi/models/codegen", "-models", "awsapi/models", "-out", dir)
	fresh := os.DirFS(dir)
	count := 0
	err := fs.WalkDir(fresh, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		count++
		want, err := fs.ReadFile(fresh, name)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join(root, "awsapi", "gen", name))
		if err != nil || string(got) != string(want) {
			t.Errorf("awsapi/gen/%s is not what the generator writes: run make generate", name)
		}
		return nil
	})
	if err != nil || count == 0 {
		t.Fatalf("the generator wrote %d files: %v", count, err)
	}
	for _, name := range files(t) {
		if rest, ok := strings.CutPrefix(name, "awsapi/gen/"); ok && generated(read(t, name)) {
			if _, err := fs.Stat(fresh, rest); err != nil {
				t.Errorf("%s is marked as generated, but the generator does not write it", name)
			}
		}
	}
}

// TestDependenciesAreListed compares docs/dependencies.txt with the modules that the shipped binary links, so that a new one shows up in
// review. `make generate` writes it anew.
func TestDependenciesAreListed(t *testing.T) {
	out := run(t, "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}", "./cmd/weir")
	lines := strings.Fields(strings.ReplaceAll(out, " ", "\x00"))
	slices.Sort(lines)
	want := "# Modules linked into weir. Written by `make generate`; why each was picked: docs/adr/0004-dependencies.md\n" +
		strings.ReplaceAll(strings.Join(slices.Compact(lines), "\n"), "\x00", " ") + "\n"
	path := filepath.Join(root, "docs", "dependencies.txt")
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/dependencies.txt is stale (-linked +listed); run make generate:\n%s", diff)
	}
}

func run(t *testing.T, argv ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		stderr := ""
		if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // straight from Output
			stderr = string(exit.Stderr)
		}
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, stderr)
	}
	return string(out)
}
