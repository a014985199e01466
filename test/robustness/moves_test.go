package robustness

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/test/cluster"
)

// TestMovingPartitionsLoseNothing gives partitions to other brokers all the time, some of them by reassignments that the present leader is no part of, some by
// elections, and kills a broker process in two of three cycles: a former leader, one that takes over, or another.
func TestMovingPartitionsLoseNothing(t *testing.T) {
	t.Parallel()
	w := cluster.StartWeir(t, cluster.Options{Storage: restless})
	bootstrap := strings.Split(w.Bootstrap(), ",")
	cl, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	var led atomic.Int64
	before := leaders(t, admin)
	underLoad(t, w, kills(t, "WEIR_TEST_MOVES", 20), func(cycle int) {
		move(t, admin)
		if cycle%3 != 0 {
			<-time.After(time.Duration(rand.IntN(300)) * time.Millisecond)
			pids := w.Brokers()
			w.KillBroker(t, pids[rand.IntN(len(pids))])
		}
		now := leaders(t, admin)
		for p, l := range now {
			if b, ok := before[p]; ok && b != l && l >= 0 {
				led.Add(1)
			}
		}
		before = now
	})
	t.Logf("leaders changed at least %d times", led.Load())
	if led.Load() == 0 && !t.Failed() {
		t.Error("no partition was moved")
	}
	cluster.Eventually(t, recoveryLimit, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), recoveryLimit)
		defer cancel()
		running, err := admin.ListPartitionReassignments(ctx, nil)
		if err == nil && len(running) > 0 {
			err = fmt.Errorf("%d topics are still reassigned", len(running))
		}
		return err
	})
	examine(t, w)
}

// move asks for other replicas and leaders.
func move(t *testing.T, admin *kadm.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var req kadm.AlterPartitionAssignmentsReq
	some := make(kadm.TopicsSet)
	for p := range int32(partitions) {
		order := rand.Perm(3)
		req.Assign(topic, p, []int32{int32(order[0]) + 1, int32(order[1]) + 1})
		if rand.IntN(2) == 0 {
			some.Add(topic, p)
		}
	}
	// A broker may be dead just now: whatever is refused is asked for again in the next cycle.
	done, err := admin.AlterPartitionAssignments(ctx, req)
	if err == nil {
		err = done.Error()
	}
	if err != nil {
		t.Logf("reassign: %v", err)
	}
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if _, err := admin.ElectLeaders(short, kadm.ElectPreferredReplica, some); err != nil && short.Err() == nil {
		t.Logf("elect: %v", err)
	}
}

// leaders are the leaders that the cluster shows.
func leaders(t *testing.T, admin *kadm.Client) map[int32]int32 {
	t.Helper()
	out := make(map[int32]int32)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	topics, err := admin.ListTopics(ctx, topic)
	if err != nil {
		return out // brokers are killed all the time
	}
	for _, p := range topics[topic].Partitions {
		out[p.Partition] = p.Leader
	}
	return out
}
