package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// Root is the checkout's top folder.
func Root() string {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		panic("cluster: the test binary was built without file names")
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// InCI says that nothing may be skipped for want of a tool.
func InCI() bool { return os.Getenv("CI") != "" }

// systems are the systems that OnEach runs on: WEIR_TEST_SYSTEMS, or both.
func systems() []string {
	if s := os.Getenv("WEIR_TEST_SYSTEMS"); s != "" {
		return strings.Split(s, ",")
	}
	return []string{"kafka", "weir"}
}

// Unavailable skips the test with the reason, or fails it in CI.
func Unavailable(t testing.TB, format string, args ...any) {
	t.Helper()
	if InCI() {
		t.Fatalf("cannot run, and CI skips nothing: "+format, args...)
	}
	t.Skipf(format, args...)
}

// tool returns the path of a part that test/tools/install puts in place, or skips the test with the installer's own reason.
func tool(t testing.TB, part string, path ...string) string {
	t.Helper()
	tools := filepath.Join(Root(), "build", "tools")
	if why, err := os.ReadFile(filepath.Join(tools, part+".missing")); err == nil {
		Unavailable(t, "%s: %s", part, strings.TrimSpace(string(why)))
	}
	p := filepath.Join(append([]string{tools}, path...)...)
	if _, err := os.Stat(p); err != nil {
		Unavailable(t, "%s is not installed: run test/tools/install", part)
	}
	return p
}

// Python is the interpreter that has the packages of test/tools/requirements.txt.
func Python(t testing.TB) string { return tool(t, "python", "python", "bin", "python") }

// NodeModules is the folder of the packages of test/tools/node.
func NodeModules(t testing.TB) string { return tool(t, "node", "node", "node_modules") }

// Jars is the class path of one of the Maven projects under test/tools.
func Jars(t testing.TB, part string) string { return filepath.Join(tool(t, part, part), "*") }

// Built says that the programs of a language are there to be run or built again, or skips the test with the installer's reason.
func Built(t testing.TB, part string) { tool(t, part, part+".stamp") }

// AWS is the command of the AWS CLI's generation 1 or 2.
func AWS(t testing.TB, generation int) string {
	if generation == 1 {
		return tool(t, "python", "python", "bin", "aws")
	}
	return tool(t, "awscli2", "aws2")
}

// KafkaTool is the command line of one of Apache Kafka's tools, by its main class.
func KafkaTool(t testing.TB, mainClass string, args ...string) []string {
	return append([]string{
		"java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", Jars(t, "kafka-tools"), mainClass,
	}, args...)
}

var build struct {
	once sync.Once
	path string
	err  error
}

// Binary is the weir binary under test: WEIR_TEST_BINARY, or built from the checkout, once a process.
func Binary(t testing.TB) string {
	t.Helper()
	build.once.Do(func() {
		if build.path = os.Getenv("WEIR_TEST_BINARY"); build.path != "" {
			return
		}
		build.path = filepath.Join(Root(), "build", "bin", "weir")
		cmd := exec.Command("go", "build", "-o", build.path, "./cmd/weir") //nolint:noctx // ends with the compiler
		cmd.Dir = Root()
		if out, err := cmd.CombinedOutput(); err != nil {
			build.err = fmt.Errorf("go build ./cmd/weir: %w\n%s", err, out)
		}
	})
	if build.err != nil {
		t.Fatal(build.err)
	}
	return build.path
}
