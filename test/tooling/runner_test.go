package tooling

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/test/cluster"
)

// runner is a JVM that runs tools, one at a time.
type runner struct {
	mu   sync.Mutex
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	logs strings.Builder // of the JVM itself
}

// result is what a tool left.
type result struct {
	code           int
	stdout, stderr string
}

// toolLimit bounds every call of a tool.
const toolLimit = 3 * time.Minute

// jvmFlags make a JVM that lives for seconds start fast.
var jvmFlags = []string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"} //nolint:gochecknoglobals // a table

// startRunner starts the JVM; it ends with the test.
func startRunner(t *testing.T) *runner {
	t.Helper()
	jars, err := filepath.Glob(cluster.Jars(t, "kafka-tools") + ".jar")
	if err != nil || len(jars) == 0 {
		t.Fatalf("no jars of the tools: %v", err)
	}
	var class, fresh []string
	for _, jar := range jars {
		if name := filepath.Base(jar); strings.HasPrefix(name, "kafka-tools-") && !strings.HasPrefix(name, "kafka-tools-api-") {
			fresh = append(fresh, jar)
		} else {
			class = append(class, jar)
		}
	}
	source := filepath.Join(cluster.Root(), "test", "tooling", "Runner.java")
	argv := append(append(jvmFlags, "-cp", strings.Join(class, string(os.PathListSeparator)), source), fresh...)
	r := &runner{cmd: exec.Command("java", argv...)} //nolint:noctx // ends with its input
	r.cmd.Dir = t.TempDir()
	r.cmd.Stderr = &r.logs
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.out = bufio.NewReader(out)
	if err := r.cmd.Start(); err != nil {
		cluster.Unavailable(t, "java: %v", err)
	}
	t.Cleanup(func() {
		r.in.Close()
		if err := r.cmd.Wait(); err != nil {
			t.Errorf("the JVM of the tools: %v\n%s", err, r.logs.String())
		}
	})
	return r
}

// run runs a tool's main class. An error is one of the JVM, not of the tool.
func (r *runner) run(main, stdin string, args []string) (result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	words := make([]string, 0, len(args)+2)
	for _, w := range append([]string{main, stdin}, args...) {
		words = append(words, base64.StdEncoding.EncodeToString([]byte(w)))
	}
	if _, err := fmt.Fprintln(r.in, strings.Join(words, " ")); err != nil {
		return result{}, fmt.Errorf("call %s: %w\n%s", main, err, r.logs.String())
	}
	late := time.AfterFunc(toolLimit, func() { r.cmd.Process.Kill() }) //nolint:errcheck // it may have ended
	line, err := r.out.ReadString('\n')
	if !late.Stop() {
		return result{}, fmt.Errorf("%s did not end within %v", main, toolLimit)
	}
	if err != nil {
		return result{}, fmt.Errorf("%s: read its result: %w\n%s", main, err, r.logs.String())
	}
	f := strings.Split(strings.TrimSuffix(line, "\n"), " ")
	if len(f) != 3 {
		return result{}, fmt.Errorf("%s: its result is %q", main, line)
	}
	code, err := strconv.Atoi(f[0])
	if err != nil {
		return result{}, fmt.Errorf("%s: its exit code: %w", main, err)
	}
	stdout, err := base64.StdEncoding.DecodeString(f[1])
	if err != nil {
		return result{}, fmt.Errorf("%s: its output: %w", main, err)
	}
	stderr, err := base64.StdEncoding.DecodeString(f[2])
	if err != nil {
		return result{}, fmt.Errorf("%s: its errors: %w", main, err)
	}
	return result{code, string(stdout), string(stderr)}, nil
}
