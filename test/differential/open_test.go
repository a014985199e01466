package differential

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weir/test/cluster"
)

// openFile lists the questions that Weir answers otherwise than Kafka and should not. A line is "scenario | API | question". Nothing is added
// to it but by hand; a line whose question is answered alike fails the test, and -update drops it.
var openFile = filepath.Join(cluster.Root(), "test", "differential", "testdata", "open.txt") //nolint:gochecknoglobals // a path

// openQuestions are the lines of the file, and whether each was seen to be true.
type openQuestions struct {
	lines []string
	seen  map[string]bool
	asked map[string]bool // scenarios that ran on both systems
}

func readOpen(t *testing.T) *openQuestions {
	t.Helper()
	body, err := os.ReadFile(openFile)
	if err != nil {
		t.Fatal(err)
	}
	o := &openQuestions{seen: map[string]bool{}, asked: map[string]bool{}}
	for line := range strings.Lines(string(body)) {
		if line = strings.TrimSpace(line); line != "" {
			o.lines = append(o.lines, line)
		}
	}
	if !slices.IsSorted(o.lines) {
		t.Errorf("%s is not sorted", openFile)
	}
	return o
}

// excuses says whether a question is on the list.
func (o *openQuestions) excuses(scenario, api, question string) bool {
	line := scenario + " | " + api + " | " + question
	if !slices.Contains(o.lines, line) {
		return false
	}
	o.seen[line] = true
	return true
}

// check wants every line to be true still. Scenarios that did not run say nothing.
func (o *openQuestions) check(t *testing.T) {
	var left []string
	for _, line := range o.lines {
		scenario, _, _ := strings.Cut(line, " | ")
		if o.seen[line] || !o.asked[scenario] {
			left = append(left, line)
		} else if !*update {
			t.Errorf("answered as Kafka does, so drop the line from testdata/open.txt: %s", line)
		}
	}
	if *update {
		if err := os.WriteFile(openFile, []byte(strings.Join(left, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
