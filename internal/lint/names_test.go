package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEveryPackageHasADoc(t *testing.T) {
	for _, p := range listPackages(t) {
		name := path.Base(p.ImportPath)
		if p.Name == "main" {
			if !strings.HasPrefix(p.Doc, "Command "+name+" ") {
				t.Errorf("%s: the comment does not start with %q", p.ImportPath, "Command "+name)
			}
			continue
		}
		if len(p.GoFiles) > 0 && !strings.HasPrefix(p.Doc, "Package "+name+" ") {
			t.Errorf("%s: the package comment does not start with %q", p.ImportPath, "Package "+name)
		}
	}
}

// TestPackagesAreNounsOfTheDomain: a package of this kind of name is a noun that was not found yet.
func TestPackagesAreNounsOfTheDomain(t *testing.T) {
	forbidden := []string{"util", "utils", "common", "helper", "helpers", "base", "misc", "manager", "types", "shared", "lib"}
	for _, p := range listPackages(t) {
		for part := range strings.SplitSeq(strings.TrimPrefix(p.ImportPath, "weir/"), "/") {
			if slices.Contains(forbidden, part) {
				t.Errorf("%s: no package is called %s", p.ImportPath, part)
			}
		}
	}
}

// TestNoInitAndNoSleep walks the syntax trees: no init function anywhere, no time.Sleep in tests.
func TestNoInitAndNoSleep(t *testing.T) {
	bubbles := map[string]bool{} // folders whose tests run in bubbles of time, where a sleep is the clock's hand
	for _, name := range files(t) {
		if strings.HasSuffix(name, "_test.go") && strings.Contains(read(t, name), `"testing/synctest"`) {
			bubbles[path.Dir(name)] = true
		}
	}
	for _, name := range files(t) {
		if filepath.Ext(name) != ".go" {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, filepath.Join(root, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s:%d: no init functions: wiring is visible in daemon", name, fset.Position(f.Pos()).Line)
			}
		}
		if bubbles[path.Dir(name)] || !strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, "test/") {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != "Sleep" {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" {
				t.Errorf("%s:%d: no time.Sleep in tests: poll a condition with a deadline, or use testing/synctest", name, fset.Position(s.Pos()).Line)
			}
			return true
		})
	}
}

// TestNothingOfOneMachineIsInTheTree: the tree is the same wherever it is built.
func TestNothingOfOneMachineIsInTheTree(t *testing.T) {
	rules := []struct {
		pattern *regexp.Regexp
		why     string
	}{
		{regexp.MustCompile(`(^|[\s"'=(:])/(work|root|home/[a-z]+|Users/[a-z]+)/`), "an absolute path of one machine"},
		{regexp.MustCompile(`(proxy\.golang` + `\.org|registry\.npm` + `js\.org|pypi` + `\.org|repo1?\.maven|deb\.debian` + `\.org)`), "a registry's host name"},
	}
	for _, name := range files(t) {
		switch {
		case filepath.Ext(name) == ".json" && strings.HasPrefix(name, "awsapi/models/"):
			continue // the service models are data, as published
		case name == "STYLE.md":
			continue
		}
		for i, line := range strings.Split(read(t, name), "\n") {
			for _, r := range rules {
				if r.pattern.MatchString(line) {
					t.Errorf("%s:%d: %s: %s", name, i+1, r.why, strings.TrimSpace(line))
				}
			}
		}
	}
}

// TestFilesHaveOneIdea: above 800 lines ask for a second noun. Generated files and data do not count.
func TestFilesHaveOneIdea(t *testing.T) {
	const limit = 800
	for _, name := range files(t) {
		if filepath.Ext(name) != ".go" {
			continue
		}
		text := read(t, name)
		if n := strings.Count(text, "\n"); n > limit && !generated(text) {
			t.Errorf("%s has %d lines, the limit is %d", name, n, limit)
		}
	}
}

var generatedHeader = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func generated(text string) bool {
	end := strings.Index(text, "\npackage ")
	return end >= 0 && generatedHeader.MatchString(text[:end+1])
}
