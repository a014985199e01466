// Command suite runs every test of the repository in turn and closes with one plain line of counts. It is what `make test` calls once the
// tools are in place; arguments name the suites to run, all by default.
//
// Each suite's complete output is kept under build/test. A test counts once, subtests instead of their parent.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A suite is a named part of the tests.
type suite struct {
	name  string
	what  string
	limit time.Duration // for the whole suite, on a machine that others keep busy as well
	run   func(context.Context, *report) error
}

// suites lists all, in the order of their cost: what fails cheaply fails first.
func suites() []suite {
	return []suite{
		{"lint", "vet, linters, formatting, house rules", 20 * time.Minute, lint},
		{"unit", "every package's tests, with the race detector", 40 * time.Minute, unit},
		{"sim", "seeded crashes on the simulated disk", 20 * time.Minute, simulate},
		{"fuzz", "every fuzz target for a short while", 30 * time.Minute, fuzz},
		{"script", "the command line and the AWS CLI, as users type them", 20 * time.Minute, realParts("script", 2)},
		{"peer", "clients after compaction, and the AWS SDKs", 25 * time.Minute, realParts("peer", 3)},
		{"terraform", "configurations of Terraform, applied with its provider's calls and waiters", 15 * time.Minute, realParts("terraform", 1)},
		{"matrix", "every client library through every feature", 20 * time.Minute, realParts("matrix", 1)},
		{"upstream", "the tests that franz-go and sarama carry", 25 * time.Minute, realParts("upstream", 1)},
		{"metrics", "the metrics that dashboards ask for", 10 * time.Minute, realParts("metrics", 1)},
		{"lies", "record batches that lie, told to Apache Kafka and to Weir", 10 * time.Minute, realParts("lies", 1)},
		{"differential", "the same requests to Apache Kafka and to Weir, answers compared field by field", 15 * time.Minute, realParts("differential", 1)},
		{"tooling", "every command-line tool that ships with Apache Kafka", 20 * time.Minute, realParts("tooling", 2)},
		{"examples", "what examples/ shows, with its public data set", 10 * time.Minute, realParts("examples", 1)},
		{"channels", "topics delivered to a real S3-compatible server", 15 * time.Minute, realParts("channels", 1)},
		{"streams", "Kafka Streams, exactly once, while brokers are killed", 20 * time.Minute, realParts("streams", 2)},
		{"chaos", "clients of all kinds under faults, what they saw checked", 20 * time.Minute, realParts("chaos", 2)},
		{"rolling", "clusters that change under load, and what their clients notice", 20 * time.Minute, realParts("rolling", 1)},
		{"robustness", "kill -9 of brokers and of weir up under load", 30 * time.Minute, realParts("robustness", 2)},
	}
}

func main() {
	list := flag.Bool("list", false, "print the suites and end")
	flag.Parse()
	chosen := suites()
	if *list {
		for _, s := range chosen {
			fmt.Printf("%-13s %s\n", s.name, s.what)
		}
		return
	}
	if flag.NArg() > 0 {
		chosen = slices.DeleteFunc(chosen, func(s suite) bool { return !slices.Contains(flag.Args(), s.name) })
		if len(chosen) != flag.NArg() {
			fmt.Fprintf(os.Stderr, "suite: unknown suite in %v; go run ./test/suite -list names them\n", flag.Args())
			os.Exit(2)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	total := runAll(ctx, chosen)
	interrupted := ctx.Err() != nil // asked before stop, which ends ctx too
	stop()
	// The last line is read by programs: keep its form.
	fmt.Printf("%d passed, %d failed, %d skipped\n", total.passed, total.failed, total.skipped)
	if total.failed > 0 || interrupted {
		os.Exit(1)
	}
}

func runAll(ctx context.Context, chosen []suite) counts {
	var total counts
	var summary []string
	if err := os.MkdirAll(logs, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, "suite:", err)
		return counts{failed: 1}
	}
	for _, s := range chosen {
		if ctx.Err() != nil {
			break
		}
		fmt.Printf("== %s: %s\n", s.name, s.what)
		start := time.Now()
		r, err := newReport(s.name)
		if err == nil {
			limited, cancel := context.WithTimeout(ctx, s.limit)
			err = s.run(limited, r)
			cancel()
			r.close()
		}
		if err != nil {
			r.failed++
			fmt.Printf("   FAIL %s: %v\n", s.name, err)
		}
		line := fmt.Sprintf("   %-13s %5d passed %4d failed %4d skipped   %s", s.name, r.passed, r.failed, r.skipped,
			time.Since(start).Round(time.Second/10))
		fmt.Println(line)
		summary = append(summary, line)
		total.add(r.counts)
	}
	fmt.Printf("\n%s\n", strings.Join(summary, "\n"))
	return total
}

// logs is where each suite's complete output goes.
var logs = filepath.Join("build", "test")

// lint runs the linters at their pinned versions, then the house rules.
func lint(ctx context.Context, r *report) error {
	r.command(ctx, "go vet", "go", "vet", "./...")
	r.command(ctx, "golangci-lint", "go", "tool", "-modfile=tools/golangci-lint/go.mod", "golangci-lint", "run", "--allow-parallel-runners", "./...")
	return r.goTest(ctx, nil, "./internal/lint")
}

// unit runs the tests of all packages but those that need real parts.
func unit(ctx context.Context, r *report) error {
	packages, err := productPackages(ctx)
	if err != nil {
		return err
	}
	args := []string{"-timeout=20m"}
	if _, err := exec.LookPath("gcc"); err == nil {
		args = append(args, "-race")
	} else {
		r.skip("the race detector", "needs gcc on the PATH")
	}
	return r.goTest(ctx, nil, append(args, packages...)...)
}

// productPackages are all packages of the module but those under test/ and internal/, and what measures: its logic is tested like the product's.
func productPackages(ctx context.Context) ([]string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	return slices.DeleteFunc(strings.Fields(string(out)), func(p string) bool {
		return strings.HasPrefix(p, "weir/test/") && !strings.HasPrefix(p, "weir/test/bench/") || strings.HasPrefix(p, "weir/internal/lint")
	}), nil
}

// fuzz gives every fuzz target some executions on top of its seeds. They are counted, not timed: a time that runs out while go test
// minimizes an input is reported as a failure (context deadline exceeded), and minimizing takes most of a short time.
func fuzz(ctx context.Context, r *report) error {
	packages, err := productPackages(ctx)
	if err != nil {
		return err
	}
	fuzzTime := os.Getenv("FUZZTIME")
	if fuzzTime == "" {
		fuzzTime = "50000x"
	}
	targets, err := fuzzTargets(ctx, packages)
	if err != nil {
		return err
	}
	for _, t := range targets {
		r.command(ctx, t.pkg+" "+t.name, "go", "test", "-run=^$", "-fuzz=^"+t.name+"$", "-fuzztime="+fuzzTime, "-fuzzminimizetime=10x", t.pkg)
	}
	return ctx.Err()
}

// A fuzzTarget is one of a package's.
type fuzzTarget struct{ pkg, name string }

// fuzzTargets reads the packages' tests. Asking them (go test -list) would build each of them once more.
func fuzzTargets(ctx context.Context, packages []string) ([]fuzzTarget, error) {
	const file = `{{$path}}{{"\t"}}{{$dir}}/{{.}}{{"\n"}}{{end}}`
	const format = `{{$path := .ImportPath}}{{$dir := .Dir}}{{range .TestGoFiles}}` + file + `{{range .XTestGoFiles}}` + file
	out, err := exec.CommandContext(ctx, "go", append([]string{"list", "-f", format}, packages...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	declared := regexp.MustCompile(`(?m)^func (Fuzz\w*)\(\w+ \*testing\.F\)`)
	var targets []fuzzTarget
	for line := range strings.Lines(string(out)) {
		pkg, path, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for _, m := range declared.FindAllSubmatch(text, -1) {
			targets = append(targets, fuzzTarget{pkg, string(m[1])})
		}
	}
	return targets, nil
}

// simulate runs the seeded crashes: SEEDS of them, or only SEED.
func simulate(ctx context.Context, r *report) error {
	seeds, first := os.Getenv("SEEDS"), os.Getenv("SEED")
	switch {
	case first != "":
		seeds = "1"
	case seeds == "":
		seeds, first = "10000", "1"
	default:
		first = "1"
	}
	for _, sim := range []struct{ test, folder string }{
		{"TestNothingIsLostInCrashes", "./kafka/ownership"},
		{"TestNothingIsLostInPowerCuts", "./storage/tier"},
	} {
		if err := r.goTest(ctx, nil, "-timeout=60m", "-run=^"+sim.test+"$", sim.folder, "-args", "-seeds", seeds, "-first", first); err != nil {
			return err
		}
	}
	return nil
}

// realParts runs one folder under test/ against the built binary: one test at a time, as they measure or have to share a busy machine, or some side by
// side of those that say that they may be (t.Parallel).
func realParts(folder string, atOnce int) func(context.Context, *report) error {
	return func(ctx context.Context, r *report) error {
		binary, err := filepath.Abs(filepath.Join("build", "bin", "weir"))
		if err != nil {
			return err
		}
		if !r.command(ctx, "go build ./cmd/weir", "go", "build", "-o", binary, "./cmd/weir") {
			return nil
		}
		return r.goTest(ctx, []string{"WEIR_TEST_BINARY=" + binary}, "-timeout=30m", "-p=1", "-parallel="+strconv.Itoa(atOnce), "./test/"+folder+"/...")
	}
}
