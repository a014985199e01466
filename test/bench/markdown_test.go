package bench

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/test/bench/limits"
	"weir/test/cluster"
)

// markdown is docs/benchmarks.md.
func (r *report) markdown(t *testing.T, systems []string) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `# Weir beside Apache Kafka

Written by %s. Kafka acknowledges from the page cache by default; in the column "flush" it flushes each append
(log.flush.interval.messages=1). Weir acknowledges after fdatasync, which is its only way. Speed is not a test: "no" is a fact, not a failure.

%s
Ratios are of medians; "target" is what the engine was designed for. The machine's limit is the best of two measurements of this run, and the share
says how near Weir comes to it: what the cheapest possible program would need, or how much of the fastest possible rate it reaches.
%s
`, "`"+r.command()+"`", r.ratios(), r.afterwards())
	fmt.Fprintf(&b, "## The run\n\n%s\n", r.run(t, systems))
	fmt.Fprintf(&b, "## The machine's limits\n\n%s\n", r.limitTable())
	b.WriteString("## What is measured\n\n" + method)
	for _, c := range cases() {
		if !c.alone && (!c.full || *set == "full") {
			fmt.Fprintf(&b, "- %s: %s\n", c.name, c.what)
		}
	}
	fmt.Fprintf(&b, "\n## All figures\n\nMedian [least..most] of the rounds; one value where a case ran once.\n\n%s", r.figures(systems))
	return b.String()
}

// afterwards is the price of what Weir does once a load has ended.
func (r *report) afterwards() string {
	f, ok := r.figure(onWeir, "after.cpu_gb")
	if !ok {
		return ""
	}
	return fmt.Sprintf("\nMoving data in the background: in the 30 s after a load has ended, Weir takes %s s of CPU time for each GB of it.\n", number(f.median))
}

const method = `Kafka is one node in KRaft's combined mode with the settings and JVM flags of its distribution, except that deleted topics leave the disk after a
second instead of a minute. Weir is ` + "`weir up --brokers 1`" + `: a control plane with its metadata store and one broker. CPU time is user + system of all
processes of the system, Weir's control plane included; memory is the resident size of the broker, and the proportional set size of all processes.

Both are driven by the same generators (test/bench/load): pre-encoded produce requests with acks=all on 4 connections with 5 requests in flight, 4 batches of different
partitions a request, records of 1 KiB; raw fetches on 4 connections that are thrown away; franz-go for end to end and idle clients. GB are 1e9
bytes of uncompressed values. The JVM is warmed up by up to 3 GB or 8 s of 64 KiB batches, 2 s of 16 KiB batches and 2 s of single records,
Weir by an eighth of that; every produce load is preceded by a second of the same that is not counted. Loads last 4 s or 2 GB.

`

func (r *report) command() string {
	if *set == "full" {
		return "make bench SET=full"
	}
	return "make bench"
}

// run says what, where, when and how long.
func (r *report) run(t *testing.T, systems []string) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "- %s, in %v with the limits; load average before: %s\n", r.begin.UTC().Format("2006-01-02 15:04 MST"),
		time.Since(r.begin).Round(time.Second), r.load)
	fmt.Fprintf(&b, "- %s\n", machine())
	fmt.Fprintf(&b, "- Weir %s, built with %s; Apache Kafka %s on %s; franz-go %s\n", revision(t), runtime.Version(), kafkaVersion(), javaVersion(t),
		match(cluster.Root()+"/go.mod", `twmb/franz-go (v\S+)`))
	for _, s := range systems {
		fmt.Fprintf(&b, "- %s: %d rounds, %v\n", s, len(r.turns[s]), r.times[s].Round(time.Second))
	}
	for _, s := range r.skipped {
		fmt.Fprintf(&b, "- %s\n", s)
	}
	return b.String()
}

func (r *report) limitTable() string {
	m := r.machine()
	if m == nil {
		return "Not measured.\n"
	}
	var b strings.Builder
	b.WriteString("| limit | rate | CPU |\n|---|---|---|\n")
	for _, l := range []struct {
		name string
		rate limits.Rate
	}{
		{"write 1 MiB to a new file and sync it, one after the other", m.SyncedWrite},
		{"write 1 MiB past the page cache over old data and sync it", m.DirectWrite},
		{"read a file that is not in the page cache, past it", m.ColdRead},
		{"loopback, receive", m.Receive},
		{"loopback, send", m.Send},
		{"loopback, sendfile from the page cache", m.Sendfile},
		{"copy memory, 64 MiB", m.Copy},
		{"CRC-32C of 64 KiB in the processor's cache", m.Checksum},
	} {
		fmt.Fprintf(&b, "| %s | %s MB/s | %s s/GB |\n", l.name, number(l.rate.MBps), number(l.rate.CPUPerGB))
	}
	for _, l := range []struct {
		name    string
		latency limits.Latency
	}{
		{"overwrite 4 KiB and sync it", m.Sync},
		{"64 bytes there and back over loopback", m.RoundTrip},
	} {
		us := func(d time.Duration) string { return number(float64(d) / 1e3) }
		fmt.Fprintf(&b, "| %s | p50 %s us, p99 %s us | %s us each |\n", l.name, us(l.latency.P50), us(l.latency.P99), us(l.latency.CPU))
	}
	fmt.Fprintf(&b, "| take a GB in durably: receive, check, write | | %s s/GB |\n", number(m.Produce()))
	return b.String()
}

// machine names the processor, the memory, the kernel and the file system of temporary files.
func machine() string {
	model := "unknown processor"
	if m := match("/proc/cpuinfo", `(?m)^model name\s*: (.*)$`); m != "" {
		model = m
	}
	memory := match("/proc/meminfo", `(?m)^MemTotal:\s*(\d+) kB`)
	if len(memory) > 6 {
		memory = memory[:len(memory)-6]
	}
	kernel := strings.TrimSpace(match("/proc/sys/kernel/osrelease", `(.*)`))
	var fs unix.Statfs_t
	kind := "unknown"
	if err := unix.Statfs(os.TempDir(), &fs); err == nil {
		kind = map[int64]string{0xef53: "ext4", 0x58465342: "xfs", 0x01021994: "tmpfs", 0x9123683e: "btrfs", 0x794c7630: "overlayfs"}[int64(fs.Type)] //nolint:unconvert // other sizes on other systems
	}
	return fmt.Sprintf("%d cores (%s), %s GB of memory, Linux %s, data on %s", runtime.NumCPU(), model, memory, kernel, kind)
}

func match(file, pattern string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	m := regexp.MustCompile(pattern).FindSubmatch(b)
	if m == nil {
		return ""
	}
	return string(m[1])
}

func loadAverage() string { return match("/proc/loadavg", `^(\S+)`) }

func kafkaVersion() string {
	return match(cluster.Root()+"/test/tools/kafka/pom.xml", `kafka_2\.13</artifactId>\s*<version>(.*)</version>`)
}

func javaVersion(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "java", "-version").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

// revision is the commit that is checked out, or what WEIR_TEST_BINARY names.
func revision(t *testing.T) string {
	t.Helper()
	if os.Getenv("WEIR_TEST_BINARY") != "" {
		return "of WEIR_TEST_BINARY"
	}
	git := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = cluster.Root()
		out, err := cmd.Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	at := git("rev-parse", "--short=12", "HEAD")
	if at == "" {
		return "of an unknown commit"
	}
	if git("status", "--porcelain", "--untracked-files=no", "--", "*.go") != "" {
		at += " with changes"
	}
	return at
}
