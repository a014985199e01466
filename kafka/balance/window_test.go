package balance

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"weir/kafka/topic"
	"weir/metadata"
)

// How long producers wait while leaders move: each of the partitions has one that writes all the time, and all move at once, to and fro. What it prints is of an in-process
// cluster, whose clients find the new leader within a millisecond.
func TestWindowOfAMove(t *testing.T) {
	for _, n := range []int32{1, 20} {
		c := newMachines(t)
		c.start(1)
		c.start(2)
		c.until("all know each other", func() bool { return len(c.alive[1].image.Current().Registered()) == 2 })
		var replicas []ids
		for range n {
			replicas = append(replicas, ids{1, 2})
		}
		keys := c.create(topic.NewTopic{Name: "t", Partitions: -1, Replication: -1, Replicas: replicas})
		load, stop := context.WithCancel(context.Background())
		var producing sync.WaitGroup
		var clients []*client
		for i, k := range keys {
			cl := &client{c: c, key: k, producer: int64(i)}
			clients = append(clients, cl)
			producing.Go(func() { cl.run(load) })
		}
		var took []time.Duration
		for round := range 6 {
			to := metadata.BrokerID(2 - round%2)
			img := c.image(1)
			tp, _ := img.Topic("t")
			var moves []topic.Move
			for i, as := range tp.Partitions {
				moves = append(moves, topic.Move{Topic: tp.ID, Partition: int32(i), Seen: as, Replicas: ids{to, 3 - to}, Leader: to, Cause: metadata.MovePreferred})
			}
			began := time.Now()
			if _, begun, err := c.alive[1].topics.Move(t.Context(), img, moves); err != nil || begun != int(n) {
				t.Fatal(begun, err)
			}
			c.until("all have moved", func() bool {
				for _, as := range must(c.alive[1].image.Current().Topic("t")).Partitions {
					if as.Leader != to || len(as.Former) > 0 {
						return false
					}
				}
				return true
			})
			took = append(took, time.Since(began))
		}
		stop()
		producing.Wait()
		var stalls []time.Duration
		for _, cl := range clients {
			cl.check()
			stalls = append(stalls, cl.stalls...)
		}
		slices.Sort(stalls)
		slices.Sort(took)
		if len(stalls) == 0 {
			t.Logf("%d partitions at once: no producer waited", n)
			continue
		}
		t.Logf("%d partitions at once, %d rounds: %v for all, median; what producers waited: median %v, 99 of 100 %v, worst %v",
			n, len(took), took[len(took)/2], stalls[len(stalls)/2], stalls[len(stalls)*99/100], stalls[len(stalls)-1])
	}
}

func must[T any](v T, ok bool) T {
	if !ok {
		panic("it is not there")
	}
	return v
}
