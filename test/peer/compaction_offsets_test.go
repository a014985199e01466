package peer

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/test/cluster"
)

// TestCompactedOffsetsSurviveARestart: what groups committed, and that a group was deleted, is still known when __consumer_offsets was compacted and
// the broker killed. Only Weir: the one who reads the compacted log is the broker itself.
func TestCompactedOffsetsSurviveARestart(t *testing.T) {
	t.Parallel()
	w := cluster.StartWeir(t, cluster.Options{Brokers: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	client := func(opts ...kgo.Opt) *kgo.Client {
		cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(strings.Split(w.Bootstrap(), ",")...))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cl.Close)
		return cl
	}
	admin := kadm.NewClient(client())
	const topic, internal = "positions", "__consumer_offsets"
	if _, err := admin.CreateTopic(ctx, 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	commit := func(at int64) {
		t.Helper()
		for g := range 5 {
			if err := admin.CommitAllOffsets(ctx, fmt.Sprint("group-", g), kadm.OffsetsFromRecords(kgo.Record{Topic: topic, Offset: at + int64(g) - 1})); err != nil {
				t.Fatal(err)
			}
		}
	}
	commit(0)
	var configs []kadm.AlterConfig
	for k, v := range map[string]string{"segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "1000"} {
		configs = append(configs, kadm.AlterConfig{Op: kadm.SetConfig, Name: k, Value: kadm.StringPtr(v)})
	}
	altered, err := admin.AlterTopicConfigs(ctx, configs, internal)
	if err != nil || altered[0].Err != nil {
		t.Fatal(err, altered)
	}
	const last = 100
	for at := int64(1); at <= last; at++ {
		commit(at)
	}
	if _, err := admin.DeleteGroups(ctx, "group-4"); err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, compactionLimit, func() error {
		reader := client(kgo.ConsumeTopics(internal), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		defer reader.Close()
		n := 0
		for {
			poll, stop := context.WithTimeout(ctx, time.Second)
			fs := reader.PollFetches(poll)
			stop()
			if n += fs.NumRecords(); fs.NumRecords() == 0 {
				break
			}
		}
		if n > 20 || n == 0 {
			return fmt.Errorf("%d records are in %s", n, internal)
		}
		return nil
	})
	for _, pid := range w.Brokers() {
		w.KillBroker(t, pid)
	}
	cluster.Eventually(t, 2*time.Minute, func() error {
		for g := range 5 {
			group := fmt.Sprint("group-", g)
			offsets, err := admin.FetchOffsets(ctx, group)
			if err != nil {
				return err
			}
			switch o, ok := offsets.Lookup(topic, 0); {
			case g == 4 && ok:
				t.Fatalf("%s is there again, at %d", group, o.At)
			case g < 4 && (!ok || o.At != last+int64(g)):
				return fmt.Errorf("%s is at %+v, %v, want %d", group, o, ok, last+g)
			}
		}
		return nil
	})
	commit(last + 1) // and it goes on
}
