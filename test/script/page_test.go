package script

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/test/cluster"
)

var update = flag.Bool("update", false, "write the answers that were seen into docs/guide/better-than-msk.md where others are there")

// TestBetterThanMSK runs every command of docs/guide/better-than-msk.md, in order, in one shell beside a fresh `weir up`, and compares what it prints
// with what the page says. A command that ends with an error must say so: [exit code N].
func TestBetterThanMSK(t *testing.T) {
	path := filepath.Join(cluster.Root(), "docs", "guide", "better-than-msk.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := parsePage(string(text))
	if err != nil {
		t.Fatal(err)
	}
	aws := cluster.AWS(t, 1)
	weir := cluster.StartWeir(t, cluster.Options{})
	dir := cluster.ShortDir(t)
	p.run(t, dir, append(weir.Env(), "PATH="+tools(t, dir, aws)+string(os.PathListSeparator)+os.Getenv("PATH"), "WEIR_DATA="+weir.Data, "HOME="+dir))
	wrong := 0
	for _, c := range p.commands {
		t.Logf("%8v  line %d: %s", c.took.Round(time.Millisecond), c.line, strings.SplitN(c.text, "\n", 2)[0])
		if last := len(c.got) - 1; last >= 0 && duration.MatchString(c.got[last]) {
			t.Logf("          %s", c.got[last])
		}
		if !matches(c.want, c.got) {
			wrong++
			if !*update {
				t.Errorf("line %d: %s\nprinted:\n%s\nthe page says:\n%s", c.line, c.text, strings.Join(c.got, "\n"), strings.Join(c.want, "\n"))
			}
			c.want = c.got
		}
	}
	if *update && wrong > 0 {
		if err := os.WriteFile(path, []byte(p.String()), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
	}
}

// tools is a folder with the programs of the page under the names that users know.
func tools(t *testing.T, dir, aws string) string {
	t.Helper()
	bin := filepath.Join(dir, ".bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"weir": cluster.Binary(t), "aws": aws} {
		if err := os.Symlink(target, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, class := range map[string]string{
		"kafka-configs.sh":            "kafka.admin.ConfigCommand",
		"kafka-consumer-groups.sh":    "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
		"kafka-producer-perf-test.sh": "org.apache.kafka.tools.ProducerPerformance",
		"kafka-topics.sh":             "org.apache.kafka.tools.TopicCommand",
	} {
		var line strings.Builder
		for _, a := range cluster.KafkaTool(t, class) {
			line.WriteString("'" + a + "' ")
		}
		script := "#!/bin/sh\nexec " + line.String() + "\"$@\" 2>&1 | sed -u -e /SLF4J/d -e '/^$/d'\n"
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	return bin
}

// page is a document with blocks of commands.
type page struct {
	before   []string // lines of the document before the first command
	commands []*command
}

// command is one command of a page.
type command struct {
	line  int      // of the page, from 1
	shown []string // as the page has it
	text  string
	want  []string // what it is to print
	after []string // what the page has then, up to the next command

	got  []string
	took time.Duration
}

// parsePage finds the blocks that are marked as ```console: "$ " begins a command, a backslash at its end continues it, other lines are what it prints.
func parsePage(text string) (*page, error) {
	p := &page{}
	inside, open := false, false // a block, a command
	for i, line := range strings.Split(text, "\n") {
		var last *command
		if len(p.commands) > 0 {
			last = p.commands[len(p.commands)-1]
		}
		switch {
		case inside && open:
			last.shown = append(last.shown, line)
			last.text += "\n" + line
			open = strings.HasSuffix(line, `\`)
		case inside && strings.HasPrefix(line, "$ "):
			p.commands = append(p.commands, &command{line: i + 1, shown: []string{line}, text: line[2:]})
			open = strings.HasSuffix(line, `\`)
		case inside && !strings.HasPrefix(line, "```"):
			if last == nil || len(last.after) > 0 {
				return nil, fmt.Errorf("line %d: a block begins with what a command prints", i+1)
			}
			last.want = append(last.want, line)
		default:
			if strings.HasPrefix(line, "```") {
				inside = !inside && line == "```console"
			}
			if last == nil {
				p.before = append(p.before, line)
			} else {
				last.after = append(last.after, line)
			}
		}
	}
	if len(p.commands) == 0 {
		return nil, fmt.Errorf("the page has no command")
	}
	return p, nil
}

func (p *page) String() string {
	lines := slices.Clone(p.before)
	for _, c := range p.commands {
		lines = slices.Concat(lines, c.shown, c.want, c.after)
	}
	return strings.Join(lines, "\n")
}

// pageLimit bounds all commands of a page together.
const pageLimit = 15 * time.Minute

// run runs all commands in one shell and notes what each prints, on either stream, and how long it takes.
func (p *page) run(t *testing.T, dir string, env []string) {
	t.Helper()
	var script strings.Builder
	script.WriteString("exec 2>&1 </dev/null\n")
	for i, c := range p.commands {
		fmt.Fprintf(&script, "echo \"@@ %d $EPOCHREALTIME\"\n%s\nweir_rc=$?; [ $weir_rc = 0 ] || echo \"[exit code $weir_rc]\"\n", i, c.text)
	}
	script.WriteString("echo \"@@ end $EPOCHREALTIME\"\n")
	ctx, cancel := context.WithTimeout(t.Context(), pageLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script.String())
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("the commands of the page: %v (%v)\n%s", err, ctx.Err(), out.String())
	}
	var c *command
	var began float64
	for line := range strings.SplitSeq(strings.TrimSuffix(out.String(), "\n"), "\n") {
		rest, mark := strings.CutPrefix(line, "@@ ")
		if !mark {
			if c != nil {
				c.got = append(c.got, strings.TrimRight(line, " \t\r"))
			}
			continue
		}
		which, at, _ := strings.Cut(rest, " ")
		now, err := strconv.ParseFloat(at, 64)
		if err != nil {
			t.Fatalf("a mark without a time: %q", line)
		}
		if c != nil {
			c.took = time.Duration((now - began) * float64(time.Second))
		}
		if began = now; which != "end" {
			i, err := strconv.Atoi(which)
			if err != nil {
				t.Fatal(err)
			}
			c = p.commands[i]
		}
	}
}

// duration is a time as programs print it; one stands for any other.
var duration = regexp.MustCompile(`\b(\d+m)?\d+(\.\d+)?(ms|µs|s)\b`)

// matches tells whether the lines are those of the page, in which "..." stands for any text, and alone on a line for any lines.
func matches(want, got []string) bool {
	if len(want) > 0 && want[0] == "..." {
		for i := range len(got) + 1 {
			if matches(want[1:], got[i:]) {
				return true
			}
		}
		return false
	}
	if len(want) == 0 || len(got) == 0 {
		return len(want) == len(got)
	}
	parts := strings.Split(duration.ReplaceAllString(want[0], "1s"), "...")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	line := regexp.MustCompile("^" + strings.Join(parts, ".*") + "$")
	return line.MatchString(duration.ReplaceAllString(got[0], "1s")) && matches(want[1:], got[1:])
}

func TestMatches(t *testing.T) {
	tests := []struct {
		want, got string
		match     bool
	}{
		{"a b", "a b", true},
		{"a b", "a c", false},
		{"a ... d", "a b c d", true},
		{"a...", "a", true},
		{"took 1.2s", "took 17ms", true},
		{"took 1.2s", "took 17", false},
		{"a\n...\nd", "a\nb\nc\nd", true},
		{"a\n...\nd", "a\nd", true},
		{"a\n...\nd", "a\nb\nc", false},
		{"a", "a\nb", false},
	}
	for _, tt := range tests {
		if got := matches(strings.Split(tt.want, "\n"), strings.Split(tt.got, "\n")); got != tt.match {
			t.Errorf("%q for %q: %v", tt.want, tt.got, got)
		}
	}
}
