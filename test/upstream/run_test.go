package upstream

import (
	"bufio"
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/test/cluster"
)

// A suite is the tests of a package of another module.
type suite struct {
	pkg   string
	args  []string // of go test
	env   []string
	limit time.Duration
	skip  map[string]string // tests that cannot run here, with the reason; a name with a slash is a subtest's
	mutes map[string]string // tests that skip themselves here, with the reason
}

// event is a line of go test -json.
type event struct {
	Action  string
	Test    string
	Output  string
	Elapsed float64
}

// secondLooks is how many failed tests of a suite are run once more on their own. The tests wait for seconds of real time that others wrote into them, and a
// machine that was busy for that long says nothing about Weir. A fault fails the second time too; both outcomes are told.
const secondLooks = 2

// run runs a suite and makes each of its tests a subtest of t.
func run(t *testing.T, s suite) {
	start := time.Now()
	first := s.attempt(t, s.args)
	var failed []string
	for _, e := range first.ends {
		if e.Action == "fail" {
			failed = append(failed, e.Test)
		}
	}
	var second attempt
	if n := len(failed); n > 0 && n <= secondLooks {
		var args []string
		for _, a := range s.args {
			if !strings.HasPrefix(a, "-run=") {
				args = append(args, a)
			}
		}
		second = s.attempt(t, append(args, "-run=^("+strings.Join(failed, "|")+")$"))
	}
	for _, e := range first.ends {
		t.Run(e.Test, func(t *testing.T) {
			switch why := s.mutes[e.Test]; {
			case e.Action == "fail" && second.passed(e.Test):
				t.Logf("passed on its own, after it had failed in %.1f s:\n%s", e.Elapsed, first.output(e.Test))
			case e.Action == "fail":
				t.Errorf("after %.1f s:\n%s\non its own:\n%s", e.Elapsed, first.output(e.Test), second.output(e.Test))
			case e.Action == "skip" && why == "":
				cluster.Unavailable(t, "it skips itself: %s", first.output(e.Test))
			}
		})
	}
	if first.err != nil && len(failed) == 0 || len(first.ends) == 0 {
		t.Errorf("%s: %v, %d tests ended\n%s\n%s", s.pkg, first.err, len(first.ends), end(first.stderr), first.output(""))
	}
	t.Logf("%s: %d tests in %.1f s", s.pkg, len(first.ends), time.Since(start).Seconds())
}

// attempt is one run of go test.
type attempt struct {
	ends    []event // of the tests, in order; subtests stand in their parent's output
	outputs map[string]*strings.Builder
	stderr  string
	err     error
}

func (a *attempt) output(test string) string {
	if a.outputs[test] == nil {
		return ""
	}
	return end(a.outputs[test].String())
}

func (a *attempt) passed(test string) bool {
	return slices.ContainsFunc(a.ends, func(e event) bool { return e.Test == test && e.Action == "pass" })
}

func (s *suite) attempt(t *testing.T, more []string) attempt {
	args := append([]string{
		"go", "-C", filepath.Join(cluster.Root(), "test", "upstream", "modules"), "test", "-json", "-count=1",
		"-timeout=" + s.limit.String(),
	}, more...)
	if len(s.skip) > 0 {
		var names []string
		for _, name := range slices.Sorted(maps.Keys(s.skip)) {
			names = append(names, "^"+strings.ReplaceAll(name, "/", "$/^")+"$")
		}
		args = append(args, "-skip="+strings.Join(names, "|"))
	}
	cmd := exec.CommandContext(t.Context(), args[0], append(args[1:], s.pkg)...)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a := attempt{outputs: map[string]*strings.Builder{}}
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var e event
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		top, _, _ := strings.Cut(e.Test, "/")
		switch e.Action {
		case "output":
			if a.outputs[top] == nil {
				a.outputs[top] = &strings.Builder{}
			}
			a.outputs[top].WriteString(e.Output)
		case "pass", "fail", "skip":
			if e.Test == top && top != "" {
				a.ends = append(a.ends, e)
			}
		}
	}
	a.err = cmd.Wait()
	a.stderr = errs.String()
	return a
}

// end is the end of a long text.
func end(s string) string {
	const limit = 20_000
	if len(s) > limit {
		return "..." + s[len(s)-limit:]
	}
	return s
}
