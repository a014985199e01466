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

// run runs a suite and makes each of its tests a subtest of t.
func run(t *testing.T, s suite) {
	args := append([]string{
		"go", "-C", filepath.Join(cluster.Root(), "test", "upstream", "modules"), "test", "-json", "-count=1",
		"-timeout=" + s.limit.String(),
	}, s.args...)
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
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	output := map[string]*strings.Builder{}
	var ends []event
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
			if output[top] == nil {
				output[top] = &strings.Builder{}
			}
			output[top].WriteString(e.Output)
		case "pass", "fail", "skip":
			if e.Test == top { // subtests stand in their parent's output
				ends = append(ends, e)
			}
		}
	}
	err = cmd.Wait()
	tests, failed := 0, false
	for _, e := range ends {
		if e.Test == "" {
			continue
		}
		tests++
		t.Run(e.Test, func(t *testing.T) {
			switch why := s.mutes[e.Test]; {
			case e.Action == "fail":
				failed = true
				t.Errorf("after %.1f s:\n%s", e.Elapsed, end(output[e.Test].String()))
			case e.Action == "skip" && why == "":
				cluster.Unavailable(t, "it skips itself: %s", end(output[e.Test].String()))
			}
		})
	}
	if err != nil && !failed || tests == 0 {
		rest := ""
		if output[""] != nil {
			rest = output[""].String()
		}
		t.Errorf("%s: %v, %d tests ended\n%s\n%s", s.pkg, err, tests, end(errs.String()), end(rest))
	}
	t.Logf("%s: %d tests in %.1f s", s.pkg, tests, time.Since(start).Seconds())
}

// end is the end of a long text.
func end(s string) string {
	const limit = 20_000
	if len(s) > limit {
		return "..." + s[len(s)-limit:]
	}
	return s
}
