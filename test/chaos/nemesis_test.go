package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"weir/test/cluster"
)

// nemesis does one fault after the other to a Weir, with peace in between, until ctx ends; then it heals everything.
func (r *run) nemesis(ctx context.Context, t *testing.T, w *cluster.Weir) (log []string) {
	dice := r.dice("nemesis")
	start := time.Now()
	did := func(format string, args ...any) {
		log = append(log, fmt.Sprintf("%6.1fs ", time.Since(start).Seconds())+fmt.Sprintf(format, args...))
	}
	for {
		pause(ctx, time.Duration(2000+dice.IntN(5000))*time.Millisecond)
		if ctx.Err() != nil {
			break
		}
		brokers := w.Brokers()
		slices.Sort(brokers)
		if len(brokers) == 0 {
			continue // they are just being started again
		}
		victim := brokers[dice.IntN(len(brokers))]
		switch dice.IntN(10) {
		case 0, 1, 2:
			did("kill -9 of broker process %d", victim)
			signal(t, victim, syscall.SIGKILL)
		case 3:
			did("kill -9 of all brokers")
			for _, pid := range brokers {
				signal(t, pid, syscall.SIGKILL)
			}
		case 4, 5:
			d := time.Duration(500+dice.IntN(9000)) * time.Millisecond
			did("broker process %d sleeps for %v", victim, d)
			signal(t, victim, syscall.SIGSTOP)
			pause(ctx, d)
			signal(t, victim, syscall.SIGCONT)
		case 6:
			did("kill -9 of weir up")
			w.KillAll()
			pause(ctx, time.Duration(dice.IntN(2000))*time.Millisecond)
			w.Start(t)
		case 7:
			did("kill -9 of weir up and all brokers")
			w.KillAll()
			for _, pid := range brokers {
				signal(t, pid, syscall.SIGKILL)
			}
			w.Start(t)
		case 8, 9:
			topic, err := r.move(ctx, dice)
			did("the partitions of %s move to other brokers (%v)", topic, err)
			if dice.IntN(2) == 0 {
				pause(ctx, time.Duration(dice.IntN(300))*time.Millisecond)
				did("kill -9 of broker process %d", victim)
				signal(t, victim, syscall.SIGKILL)
			}
		}
	}
	w.AwaitReady(t)
	return log
}

// move gives the partitions of a topic, which may be one of the cluster's own, to other brokers.
func (r *run) move(ctx context.Context, dice *rand.Rand) (string, error) {
	all := []string{plain, txns, shared, pipe(1), "__consumer_offsets", "__transaction_state", "__share_group_state"}
	topic := all[dice.IntN(len(all))]
	cl, err := r.client()
	if err != nil {
		return topic, err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	adm := kadm.NewClient(cl)
	topics, err := adm.ListTopicsWithInternal(ctx, topic)
	if err != nil {
		return topic, err
	}
	var req kadm.AlterPartitionAssignmentsReq
	for p := range topics[topic].Partitions {
		order := dice.Perm(3)
		req.Assign(topic, p, []int32{int32(order[0]) + 1, int32(order[1]) + 1})
	}
	done, err := adm.AlterPartitionAssignments(ctx, req)
	return topic, firstOf(err, done.Error())
}

// signal sends sig to a process of the cluster, which may have just ended.
func signal(t *testing.T, pid int, sig syscall.Signal) {
	if err := syscall.Kill(pid, sig); err != nil && err != syscall.ESRCH { //nolint:errorlint // a bare errno
		t.Errorf("signal %v to %d: %v", sig, pid, err)
	}
}
