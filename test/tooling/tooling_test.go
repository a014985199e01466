package tooling

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"weir/test/cluster"
)

// TestTools runs testdata/*.txtar against a fresh Apache Kafka and a fresh `weir up` of one broker.
func TestTools(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	kafka := cluster.NewKafka(t, append(cluster.LikeMSK(), "group.share.min.heartbeat.interval.ms=500", "group.share.heartbeat.interval.ms=500")...)
	kafka.Start(t)
	weir := cluster.StartWeir(t, cluster.Options{Brokers: 1})
	kafka.AwaitReady(t)
	cluster.NewestFeatures(t, weir)
	for _, c := range []cluster.Cluster{kafka, weir} {
		t.Run(c.Name(), func(t *testing.T) {
			t.Parallel()
			s := &system{Cluster: c, t: t, runner: startRunner(t), ran: map[string]int{}}
			for _, file := range files {
				t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { s.script(t, file) })
			}
			s.checkAllRan(t)
		})
	}
}

// system is a cluster with the tools that run against it.
type system struct {
	cluster.Cluster
	t      *testing.T
	runner *runner

	mu  sync.Mutex
	ran map[string]int // calls, by tool
}

// checkAllRan wants every tool of the distribution to have been called by a script, or to be excused.
func (s *system) checkAllRan(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(mains)) {
		if s.ran[name] == 0 && !testing.Short() {
			t.Errorf("no script runs %s", name)
		}
	}
}

// script runs one file.
func (s *system) script(t *testing.T, file string) {
	commands := map[string]func(*testscript.TestScript, bool, []string){
		"eventually": s.eventually,
		"spawn":      func(ts *testscript.TestScript, _ bool, args []string) { s.spawn(t, ts, args) },
		"reports":    reports,
		"stop":       func(ts *testscript.TestScript, _ bool, args []string) { stop(t, ts, args) },
	}
	for name := range mains {
		commands[name] = func(ts *testscript.TestScript, neg bool, args []string) { s.call(ts, neg, name, args) }
	}
	testscript.RunT(inPlace{t}, testscript.Params{
		Files:              []string{file},
		RequireUniqueNames: true,
		Condition:          s.condition,
		Cmds:               commands,
		Setup: func(e *testscript.Env) error {
			e.Setenv("BOOTSTRAP", s.Bootstrap())
			e.Setenv("SYSTEM", s.Name())
			e.Values[processes{}] = map[string]*cluster.Process{}
			return nil
		},
	})
}

// processes is the key under which a script keeps what it has spawned.
type processes struct{}

// inPlace runs a script in the test that asked for it.
type inPlace struct{ *testing.T }

func (p inPlace) Run(_ string, f func(testscript.T)) { f(p) }
func (p inPlace) Verbose() bool                      { return testing.Verbose() }
func (p inPlace) Parallel()                          {} // one JVM runs the tools

// condition knows [kafka] and [weir].
func (s *system) condition(c string) (bool, error) {
	if c == "kafka" || c == "weir" {
		return s.Name() == c, nil
	}
	return false, fmt.Errorf("unknown condition %q", c)
}

// call runs a tool in the JVM of all tools. After "<" comes the name of the file that it reads.
func (s *system) call(ts *testscript.TestScript, neg bool, name string, args []string) {
	r := s.once(ts, name, args)
	fmt.Fprint(ts.Stdout(), r.stdout) //nolint:errcheck // into memory
	fmt.Fprint(ts.Stderr(), r.stderr) //nolint:errcheck // into memory
	if (r.code != 0) != neg {
		ts.Fatalf("%s: exit code %d", name, r.code)
	}
}

func (s *system) once(ts *testscript.TestScript, name string, args []string) result {
	main, ok := mains[name]
	if !ok {
		ts.Fatalf("%s is no tool", name)
	}
	stdin := ""
	if at := slices.Index(args, "<"); at >= 0 && at+1 < len(args) {
		stdin = ts.ReadFile(args[at+1])
		args = slices.Delete(slices.Clone(args), at, at+2)
	}
	for i, a := range args { // files of the script
		if path := ts.MkAbs(a); strings.HasSuffix(a, ".json") || strings.HasSuffix(a, ".properties") {
			args[i] = path
		}
	}
	begun := time.Now()
	var r result
	if ownJVM[name] {
		p := cluster.Spawn(s.t, nil, cluster.KafkaTool(s.t, main, args...)...)
		r.code = p.Wait(s.t, toolLimit)
		r.stdout, r.stderr = p.Stdout(), p.Stderr()
	} else {
		var err error
		r, err = s.runner.run(main, stdin, args)
		ts.Check(err)
	}
	ts.Logf("%s took %v", name, time.Since(begun).Round(time.Millisecond))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ran[name]++
	return r
}

// eventually REGEXP TOOL ARGS...: the tool's output comes to match.
func (s *system) eventually(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: eventually REGEXP TOOL ARGS...")
	}
	pattern := regexp.MustCompile("(?m)" + args[0])
	deadline := time.Now().Add(time.Minute)
	for {
		r := s.once(ts, args[1], args[2:])
		if r.code == 0 && pattern.MatchString(r.stdout) != neg {
			fmt.Fprint(ts.Stdout(), r.stdout) //nolint:errcheck // into memory
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("still not: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
		}
		<-time.After(100 * time.Millisecond)
	}
}

// spawn NAME TOOL ARGS...: the tool runs in a JVM of its own until it is stopped.
func (s *system) spawn(t *testing.T, ts *testscript.TestScript, args []string) {
	if len(args) < 2 || mains[args[1]] == "" {
		ts.Fatalf("usage: spawn NAME TOOL ARGS...")
	}
	running, ok := ts.Value(processes{}).(map[string]*cluster.Process)
	if !ok {
		ts.Fatalf("no place for processes")
	}
	running[args[0]] = cluster.Spawn(t, nil, cluster.KafkaTool(t, mains[args[1]], args[2:]...)...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ran[args[1]]++
}

// reports NAME REGEXP: what was spawned comes to print something.
func reports(ts *testscript.TestScript, _ bool, args []string) {
	running, ok := ts.Value(processes{}).(map[string]*cluster.Process)
	if !ok || len(args) != 2 || running[args[0]] == nil {
		ts.Fatalf("usage: reports NAME REGEXP, of a tool that was spawned")
	}
	pattern, p := regexp.MustCompile("(?m)"+args[1]), running[args[0]]
	for deadline := time.Now().Add(time.Minute); !pattern.MatchString(p.Stdout()); {
		if time.Now().After(deadline) {
			ts.Fatalf("it has printed:\n%s%s", p.Stdout(), p.Stderr())
		}
		<-time.After(20 * time.Millisecond)
	}
}

// stop NAME: ends what was spawned as Ctrl-C does; its output is the command's.
func stop(t *testing.T, ts *testscript.TestScript, args []string) {
	running, ok := ts.Value(processes{}).(map[string]*cluster.Process)
	if !ok || len(args) != 1 || running[args[0]] == nil {
		ts.Fatalf("usage: stop NAME, of a tool that was spawned")
	}
	p := running[args[0]]
	p.Signal(syscall.SIGINT)
	p.Wait(t, time.Minute)
	fmt.Fprint(ts.Stdout(), p.Stdout()) //nolint:errcheck // into memory
	fmt.Fprint(ts.Stderr(), p.Stderr()) //nolint:errcheck // into memory
}

// TestEveryToolIsListed compares the tables with the classes in the jar of the tools: whatever has a main method there is run by a script or
// excused.
func TestEveryToolIsListed(t *testing.T) {
	for name, why := range notApplicable {
		if mains[name] != "" {
			t.Errorf("%s is run, and excused: %s", name, why)
		}
	}
	known := slices.Collect(maps.Values(mains))
	for class := range maps.Keys(otherClasses) {
		known = append(known, class)
	}
	for _, class := range classesWithMain(t) {
		if !slices.Contains(known, class) {
			t.Errorf("%s is neither run nor excused", class)
		}
	}
}

// classesWithMain are the classes of Kafka's tools that can be run, by the names of their files and a look for the method.
func classesWithMain(t *testing.T) []string {
	t.Helper()
	jars, err := filepath.Glob(filepath.Join(filepath.Dir(cluster.Jars(t, "kafka-tools")), "kafka-tools-[0-9]*.jar"))
	if err != nil || len(jars) != 1 {
		t.Fatalf("the jar of the tools: %v %v", jars, err)
	}
	archive, err := zip.OpenReader(jars[0])
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	var classes []string
	for _, f := range archive.File {
		name, ok := strings.CutSuffix(f.Name, ".class")
		if !ok || strings.Contains(name, "$") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		// Names and types of methods stand in a class file as they are.
		if bytes.Contains(body, []byte("\x00\x04main\x01")) && bytes.Contains(body, []byte("([Ljava/lang/String;)V")) {
			classes = append(classes, strings.ReplaceAll(name, "/", "."))
		}
	}
	return classes
}
