package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// counts are the results of tests.
type counts struct{ passed, failed, skipped int }

func (c *counts) add(o counts) {
	c.passed += o.passed
	c.failed += o.failed
	c.skipped += o.skipped
}

// report collects one suite's results and keeps its output.
type report struct {
	counts
	log *os.File
}

func newReport(suite string) (*report, error) {
	f, err := os.Create(filepath.Join(logs, suite+".log"))
	return &report{log: f}, err
}

func (r *report) close() {
	if err := r.log.Close(); err != nil {
		fmt.Println("   closing the log:", err)
	}
}

func (r *report) skip(what, why string) {
	if os.Getenv("CI") != "" {
		r.failed++
		fmt.Printf("   FAIL %s: %s, and CI skips nothing\n", what, why)
		return
	}
	r.skipped++
	fmt.Printf("   skip %s: %s\n", what, why)
}

// command runs a program that counts as one test, and says whether it passed.
func (r *report) command(ctx context.Context, name string, argv ...string) bool {
	start := time.Now()
	var out bytes.Buffer
	err := execute(ctx, nil, &out, argv...)
	fmt.Fprintf(r.log, "$ %s\n%s\n", strings.Join(argv, " "), out.Bytes())
	took := time.Since(start).Round(time.Second / 10)
	if err != nil {
		r.failed++
		fmt.Printf("   FAIL %s (%v): %v\n%s\n", name, took, err, indent(last(out.String(), 60)))
		return false
	}
	r.passed++
	fmt.Printf("   ok   %s (%v)\n", name, took)
	return true
}

// execute runs a program; when ctx ends it is interrupted first, so that it can clean up, and killed later.
func execute(ctx context.Context, env []string, out io.Writer, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 20 * time.Second
	return cmd.Run()
}

// event is a line of go test -json.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

// goTest runs go test and counts its leaves: a test with subtests is not counted itself, unless it failed on its own.
func (r *report) goTest(ctx context.Context, env []string, args ...string) error {
	reader, writer := io.Pipe()
	argv := append([]string{"go", "test", "-json", "-count=1"}, args...)
	fmt.Fprintf(r.log, "$ %s\n", strings.Join(argv, " "))
	done := make(chan error, 1)
	go func() {
		err := execute(ctx, env, writer, argv...)
		writer.Close()
		done <- err
	}()
	failedBefore := r.failed
	ran := r.read(reader)
	err := <-done
	if ctx.Err() != nil {
		return fmt.Errorf("ended before its tests were through: %w", context.Cause(ctx))
	}
	if err != nil && r.failed == failedBefore {
		return fmt.Errorf("go test: %w (log: %s)", err, r.log.Name())
	}
	if err == nil && ran == 0 {
		return fmt.Errorf("go test %s ran no test", strings.Join(args, " "))
	}
	return nil
}

// read counts events until the stream ends and returns how many tests ended in it.
func (r *report) read(stream io.Reader) int {
	ran := 0
	parents := map[string]bool{}            // package/test that has subtests
	failedBelow := map[string]bool{}        // of those, the ones with a failed subtest; and packages with a failed test
	output := map[string]*strings.Builder{} // of running tests, by package/test
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintf(r.log, "%s\n", lines.Bytes()) // what go itself prints beside the events
			continue
		}
		key := e.Package + "/" + e.Test
		switch e.Action {
		case "output", "build-output":
			if _, err := r.log.WriteString(e.Output); err != nil {
				fmt.Println("   writing the log:", err)
			}
			if e.Action == "build-output" {
				key = e.ImportPath + "/"
			}
			if output[key] == nil {
				output[key] = &strings.Builder{}
			}
			output[key].WriteString(e.Output)
		case "pass", "fail", "skip":
			if e.Test == "" {
				r.packageEnded(e, failedBelow, output)
				continue
			}
			ran++
			if parent, _, sub := cutLast(key); sub && strings.Contains(e.Test, "/") {
				parents[parent] = true
				if e.Action == "fail" {
					failedBelow[parent] = true
				}
			}
			r.testEnded(e, parents[key] && (e.Action != "fail" || failedBelow[key]), output[key])
			if e.Action == "fail" {
				failedBelow[e.Package] = true
			}
			delete(output, key)
		}
	}
	if err := lines.Err(); err != nil {
		r.failed++
		fmt.Println("   FAIL reading go test's output:", err)
	}
	return ran
}

// testEnded counts a test unless its subtests stand for it.
func (r *report) testEnded(e event, counted bool, output *strings.Builder) {
	if counted {
		return
	}
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skipped++
		fmt.Printf("   skip %s %s%s\n", e.Package, e.Test, indent(text(output)))
	case "fail":
		r.failed++
		fmt.Printf("   FAIL %s %s (%.1fs)\n%s\n", e.Package, e.Test, e.Elapsed, indent(last(text(output), 80)))
	}
}

// packageEnded reports a package; one that failed without a failed test (it did not build, it panicked, it ran out of time) counts as one.
func (r *report) packageEnded(e event, failedBelow map[string]bool, output map[string]*strings.Builder) {
	if e.Action != "fail" {
		if e.Action == "pass" {
			fmt.Printf("   ok   %s (%.1fs)\n", e.Package, e.Elapsed)
		}
		return
	}
	if failedBelow[e.Package] {
		return
	}
	r.failed++
	var all strings.Builder
	all.WriteString(text(output[e.FailedBuild+"/"]))
	for key, o := range output {
		if strings.HasPrefix(key, e.Package+"/") {
			all.WriteString(o.String())
		}
	}
	fmt.Printf("   FAIL %s (%.1fs)\n%s\n", e.Package, e.Elapsed, indent(last(all.String(), 80)))
}

// cutLast splits s at its last slash.
func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

func text(b *strings.Builder) string {
	if b == nil {
		return ""
	}
	return b.String()
}

// last returns the last n lines of s.
func last(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(lines) > n {
		lines = append([]string{"..."}, lines[len(lines)-n:]...)
	}
	return strings.Join(lines, "\n")
}

// indent puts s below a line of the report.
func indent(s string) string {
	if s == "" {
		return ""
	}
	return "\n        " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n        ")
}
