package matrix

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"weir/test/cluster"
)

var (
	update      = flag.Bool("update", false, "write docs/protocol/clients.md anew")
	onlyClient  = flag.String("client", "", "only this client")
	onlyFeature = flag.String("feature", "", "only these features: a,b")
	atOnce      = flag.Int("programs", 2, "how many clients run at the same time")
)

// cellLimit bounds one cell: what takes longer hangs.
const cellLimit = 100 * time.Second

// A result is one cell's.
type result struct {
	lacks string // why the client cannot
	err   error
	took  time.Duration
}

// A column is what became of one client.
type column struct {
	client
	version string
	cells   map[string]result
	err     error // no program, or it does not offer what is declared
}

// TestMatrix runs all clients through all features. Each cell is a subtest of its client's.
func TestMatrix(t *testing.T) {
	systems := []string{"weir"}
	if s := os.Getenv("WEIR_TEST_SYSTEMS"); s != "" {
		systems = strings.Split(s, ",")
	}
	for _, system := range systems {
		t.Run(system, func(t *testing.T) {
			var c cluster.Cluster
			// Some records have times of long ago, which a look for what retention drops would take away: neither system looks.
			if system == "kafka" {
				// What a test would wait for: the first rebalance, and the heartbeats by which members of the new groups hear of theirs.
				c = cluster.StartKafka(t, "group.initial.rebalance.delay.ms=0", "group.consumer.min.heartbeat.interval.ms=200",
					"group.consumer.heartbeat.interval.ms=200", "group.share.min.heartbeat.interval.ms=200", "group.share.heartbeat.interval.ms=200",
					"group.consumer.assignment.interval.ms=0", "group.share.assignment.interval.ms=0", "log.retention.check.interval.ms=86400000")
			} else {
				c = cluster.StartWeir(t, cluster.Options{Storage: "retain-interval=24h"})
				cluster.NewestFeatures(t, c)
			}
			columns := runAll(t, c)
			for _, col := range columns {
				t.Run(col.name, func(t *testing.T) { report(t, col) })
			}
			t.Logf("the matrix on %s, in seconds:\n%s", system, timings(columns))
			if system == "weir" && *onlyClient == "" && *onlyFeature == "" {
				compareDocs(t, columns)
			}
		})
	}
}

func report(t *testing.T, col *column) {
	if col.err != nil {
		t.Error(col.err)
	}
	for _, f := range rows {
		r, ran := col.cells[f.name]
		if !ran || r.lacks != "" {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			if r.err != nil {
				t.Errorf("after %.1f s: %v", r.took.Seconds(), r.err)
			}
		})
	}
}

// runAll runs the clients, some at a time; the slow ones first.
func runAll(t *testing.T, c cluster.Cluster) []*column {
	var columns []*column
	var running errgroup.Group
	running.SetLimit(*atOnce)
	for _, cl := range clients() {
		if *onlyClient == "" || slices.Contains(strings.Split(*onlyClient, ","), cl.name) {
			columns = append(columns, &column{client: cl, cells: map[string]result{}})
		}
	}
	for _, col := range columns {
		env, argv := col.command(t)
		argv = append(argv, c.Bootstrap(), fmt.Sprint(c.Replicas()))
		running.Go(func() error {
			col.run(t, c, env, argv)
			return nil
		})
	}
	if err := running.Wait(); err != nil {
		t.Fatal(err)
	}
	return columns
}

func (col *column) run(t *testing.T, c cluster.Cluster, env, argv []string) {
	p, err := start(cluster.Root(), env, argv)
	if err != nil {
		col.err = err
		return
	}
	defer func() { p.stop() }()
	offered, err := p.ask("features", cellLimit)
	if err != nil {
		col.err = err
		return
	}
	has := strings.Fields(offered)
	col.version = has[0]
	for _, f := range rows {
		can, why := slices.Contains(has[1:], f.name), col.lacks[f.name]
		if can == (why != "") {
			col.err = errors.Join(col.err, fmt.Errorf("%s: the program offers it: %t; the matrix says that the client lacks it: %q", f.name, can, why))
		}
		if *onlyFeature != "" && !slices.Contains(strings.Split(*onlyFeature, ","), f.name) {
			continue
		}
		if !can {
			col.cells[f.name] = result{lacks: why}
			continue
		}
		name := col.name + "-" + f.name
		begin := time.Now()
		answer, err := p.ask(f.name+" "+name, cellLimit)
		took := time.Since(begin)
		switch {
		case errors.Is(err, errLost):
			p.stop()
			if p, col.err = start(cluster.Root(), env, argv); col.err != nil {
				return
			}
		case err == nil && answer != "ok":
			err = errors.New(answer + "\n" + p.log.take())
		case err == nil:
			if codec, ok := codecs[f.name]; ok {
				err = carries(t.Context(), c, name, codec)
			}
		}
		if err != nil {
			t.Logf("%s %s after %.1f s: %v", col.name, f.name, took.Seconds(), err) // now: the table comes at the end
		}
		col.cells[f.name] = result{err: err, took: took}
	}
}

// carries says whether all batches of a topic are compressed with a codec.
func carries(ctx context.Context, c cluster.Cluster, topic string, codec uint8) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	// The topic is a moment old: a broker may not know it yet.
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(c.Bootstrap(), ",")...), kgo.ConsumeTopics(topic), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	for read := 0; read < 300; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("reading what the client wrote: %w", err)
		}
		for _, r := range fetches.Records() {
			if got := r.Attrs.CompressionType(); got != codec {
				return fmt.Errorf("partition %d at %d: a batch of codec %d, want %d", r.Partition, r.Offset, got, codec)
			}
		}
		read += fetches.NumRecords()
	}
	return nil
}

// timings is the table with the time of each cell.
func timings(columns []*column) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-17s", "")
	for _, col := range columns {
		fmt.Fprintf(&b, " %12s", col.name)
	}
	sum := make([]time.Duration, len(columns))
	for _, f := range rows {
		fmt.Fprintf(&b, "\n%-17s", f.name)
		for i, col := range columns {
			r, ran := col.cells[f.name]
			text := fmt.Sprintf("%.1f", r.took.Seconds())
			switch {
			case !ran:
				text = ""
			case r.lacks != "":
				text = "n/a"
			case r.err != nil:
				text = "FAILED " + text
			}
			sum[i] += r.took
			fmt.Fprintf(&b, " %12s", text)
		}
	}
	fmt.Fprintf(&b, "\n%-17s", "sum")
	for _, s := range sum {
		fmt.Fprintf(&b, " %12.1f", s.Seconds())
	}
	return b.String() + "\n"
}

// compareDocs compares docs/protocol/clients.md with what ran, or writes it.
func compareDocs(t *testing.T, columns []*column) {
	path := filepath.Join(cluster.Root(), "docs", "protocol", "clients.md")
	want := markdown(columns)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/protocol/clients.md is not what ran; go test ./test/matrix -update writes:\n%s", want)
	}
}

func markdown(columns []*column) string {
	var b strings.Builder
	b.WriteString(`# Clients

Which client libraries run against Weir, and what of Kafka each of them has. Written by the tests in test/matrix, which run every
cell against three brokers: the library as its registry has it, and checks of what came back.

n/a: the library does not have it. **no**: it does not work.

`)
	fmt.Fprint(&b, "| |")
	for _, col := range columns {
		fmt.Fprintf(&b, " %s %s |", col.name, col.version)
	}
	fmt.Fprint(&b, "\n| --- |", strings.Repeat(" --- |", len(columns)), "\n")
	for _, f := range rows {
		fmt.Fprintf(&b, "| %s |", f.what)
		for _, col := range columns {
			switch r, ran := col.cells[f.name]; {
			case !ran || r.err != nil:
				b.WriteString(" **no** |")
			case r.lacks != "":
				b.WriteString(" n/a |")
			default:
				b.WriteString(" yes |")
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("\nWhat the libraries lack:\n\n")
	for _, col := range columns {
		byReason := map[string][]string{}
		var reasons []string
		for _, f := range rows {
			if why := col.lacks[f.name]; why != "" {
				if byReason[why] == nil {
					reasons = append(reasons, why)
				}
				byReason[why] = append(byReason[why], f.name)
			}
		}
		if len(reasons) == 0 {
			continue
		}
		fmt.Fprintf(&b, "- %s (%s):", col.name, col.library)
		for i, why := range reasons {
			fmt.Fprintf(&b, "%s %s (%s)", strings.Repeat(";", min(i, 1)), why, strings.Join(byReason[why], ", "))
		}
		b.WriteString(".\n")
	}
	return b.String()
}
