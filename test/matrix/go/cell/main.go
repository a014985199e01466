package cell

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A run is one cell's: the client, and names that nobody else uses.
type run struct {
	Client
	replicas int
	name     string // of topics, groups and transactional ids: as it is, or with something behind it
}

// Main answers each line "FEATURE NAME" of standard input with "FEATURE ok" or "FEATURE failed: REASON", and "features" with the version of
// the client's module and their list. Arguments: BOOTSTRAP REPLICAS.
func Main(module string, connect func(bootstrap []string, replicas int) (Client, error)) {
	replicas, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	c, err := connect(strings.Split(os.Args[1], ","), replicas)
	if err != nil {
		fmt.Println("connect failed:", err)
		os.Exit(1)
	}
	offered := features(c)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		feature, name, _ := strings.Cut(lines.Text(), " ")
		if feature == "features" {
			var names []string
			for f := range offered {
				names = append(names, f)
			}
			slices.Sort(names)
			fmt.Println("features", version(module), strings.Join(names, " "))
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
		err := offered[feature](run{c, replicas, name}, ctx)
		cancel()
		if err != nil {
			fmt.Println(feature, "failed:", strings.ReplaceAll(err.Error(), "\n", " | "))
		} else {
			fmt.Println(feature, "ok")
		}
	}
}

// version is a module's that the program is built with.
func version(module string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range info.Deps {
		if m.Path == module {
			return strings.TrimPrefix(m.Version, "v")
		}
	}
	return "unknown"
}

// features are those that the client can do, by name.
func features(c Client) map[string]func(run, context.Context) error {
	all := map[string]func(run, context.Context) error{}
	offer := func(name string, can bool, f func(run, context.Context) error) {
		if can {
			all[name] = f
		}
	}
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		offer(codec, !slices.Contains(c.NoCodecs, codec), func(r run, ctx context.Context) error { return r.roundTrip(ctx, Sending{Codec: codec}) })
	}
	offer("idempotent", c.Idempotent, func(r run, ctx context.Context) error {
		return r.roundTrip(ctx, Sending{Codec: "none", Idempotent: true})
	})
	joins := c.Join != nil
	offer("headers", true, run.headers)
	offer("large", true, run.large)
	offer("seek", c.Seek != nil, run.seek)
	offer("times", c.OffsetAt != nil, run.times)
	offer("group", joins, func(r run, ctx context.Context) error { return r.group(ctx, Joining{}) })
	offer("cooperative", joins && c.Cooperative, func(r run, ctx context.Context) error { return r.group(ctx, Joining{Cooperative: true}) })
	offer("static", joins && c.Static, run.static)
	offer("kip848", joins && c.Server, func(r run, ctx context.Context) error { return r.group(ctx, Joining{Server: true}) })
	offer("kip848-regex", joins && c.Pattern, run.pattern)
	offer("share", c.Share != nil, run.share)
	offer("txn-commit", c.Transactional != nil, run.commit)
	offer("txn-abort", c.Transactional != nil, run.abort)
	offer("txn-fencing", c.Transactional != nil, run.fencing)
	offer("txn-offsets", c.Transform != nil, run.transform)
	offer("admin-topics", c.ListTopics != nil && c.DeleteTopic != nil, run.topics)
	offer("admin-configs", c.AlterConfig != nil, run.configs)
	offer("admin-partitions", c.CreatePartitions != nil, run.partitions)
	offer("admin-groups", joins && c.DeleteGroup != nil, run.groups)
	offer("admin-offsets", c.CommitOffset != nil, run.offsets)
	offer("admin-records", c.DeleteRecords != nil, run.deleteRecords)
	offer("admin-cluster", c.Cluster != nil, run.cluster)
	return all
}

// until polls a condition until it returns nil, or returns its last error when ctx has ended.
func until(ctx context.Context, what string, condition func() error) error {
	for {
		err := condition()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: still not: %w", what, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
