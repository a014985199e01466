package balance

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"weir/internal/leak"
	"weir/kafka/image"
	"weir/kafka/topic"
	"weir/metadata"
)

// TestMain makes the clusters that are drawn the same in every run: -rapid.seed=0 draws others.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.seed", "1"); err != nil {
		panic(err)
	}
	leak.VerifyTestMain(m)
}

const cluster = "c1"

type ids = []metadata.BrokerID

// tester is what a cluster needs of *testing.T and *rapid.T.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// paper is a cluster that is only metadata: who is to copy a partition has done so when paper says.
type paper struct {
	tester
	store  *metadata.Mem
	live   *image.Live
	topics *topic.Admin
	number int64
	stop   func()
}

func newPaper(t tester) *paper {
	p := &paper{tester: t, store: metadata.NewMem()}
	p.live = image.New(p.store, cluster)
	p.topics = topic.New(topic.Config{Cluster: cluster, Broker: 1}, topic.Deps{Store: p.store, Image: p.live, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = p.live.Run(ctx) }()
	p.stop = func() {
		cancel()
		<-done
		_ = p.store.Close()
	}
	return p
}

// forTest is a paper that ends with its test.
func forTest(t *testing.T) *paper {
	p := newPaper(t)
	t.Cleanup(p.stop)
	return p
}

func (p *paper) put(ops ...metadata.Op) *image.Image {
	p.Helper()
	rev, err := p.store.Commit(context.Background(), metadata.Txn{Then: ops})
	if err != nil {
		p.Fatal(err)
	}
	img, err := p.live.Await(context.Background(), rev)
	if err != nil {
		p.Fatal(err)
	}
	return img
}

// broker makes one that serves, or one that is down.
func (p *paper) broker(id metadata.BrokerID, rack string, up bool) {
	p.Helper()
	ops := []metadata.Op{metadata.Put(metadata.RegistrationKey(cluster, id), metadata.Encode(metadata.Registration{Broker: id, Rack: rack}))}
	if up {
		ops = append(ops, metadata.Put(metadata.SessionKey(cluster, id), metadata.Encode(metadata.Session{Broker: id, Rack: rack, Ready: true})))
	} else {
		ops = append(ops, metadata.Delete(metadata.SessionKey(cluster, id)))
	}
	p.put(ops...)
}

// recoverer makes a broker one that a recoverer stands in for.
func (p *paper) recoverer(id metadata.BrokerID) {
	p.Helper()
	p.put(metadata.Put(metadata.SessionKey(cluster, id), metadata.Encode(metadata.Session{Broker: id, Recovering: true})))
}

// topic makes one, with the replicas of each partition, of which the first leads.
func (p *paper) topic(name string, partitions ...ids) metadata.Topic {
	p.Helper()
	t := metadata.Topic{Name: name, ID: metadata.NewTopicID(), Partitions: int32(len(partitions))}
	var a metadata.Assignment
	for _, r := range partitions {
		a.Partitions = append(a.Partitions, metadata.PartitionAssignment{Leader: r[0], Replicas: r})
	}
	p.put(metadata.Put(metadata.TopicKey(cluster, name), metadata.Encode(t)), metadata.Put(metadata.AssignmentKey(cluster, t.ID, 0), metadata.Encode(a)))
	return t
}

func (p *paper) want(b metadata.Balance) {
	p.Helper()
	p.number++
	p.put(metadata.Put(metadata.SettingsKey(cluster), metadata.Encode(metadata.Settings{Number: p.number, Balance: b})))
}

// each calls fn for all partitions, and writes what it changes.
func (p *paper) each(fn func(*metadata.PartitionAssignment)) {
	p.Helper()
	for _, t := range p.live.Current().Topics() {
		a := metadata.Assignment{Partitions: slices.Clone(t.Partitions)}
		for i := range a.Partitions {
			fn(&a.Partitions[i])
		}
		p.put(metadata.Put(metadata.AssignmentKey(cluster, t.ID, 0), metadata.Encode(a)))
	}
}

// arrive ends all moves under way whose two sides serve.
func (p *paper) arrive() {
	p.Helper()
	img := p.live.Current()
	p.each(func(as *metadata.PartitionAssignment) {
		from, up1 := img.Broker(as.Leader)
		to, up2 := img.Broker(as.Target)
		if _, ok := img.Recoverer(as.Leader); ok {
			from.Ready, up1 = true, true
		}
		if as.Target == 0 || !up1 || !up2 || !from.Ready || !to.Ready {
			return
		}
		as.Leader, as.Epoch, as.Target, as.Cause = as.Target, as.Epoch+1, 0, ""
		as.Replicas = without(as.Replicas, as.Removing)
		as.Adding, as.Removing = nil, nil
	})
}

// apply looks and moves until nothing is to be done, checks each state on the way, and returns the last plan and how many logs were copied.
func (p *paper) apply(in Input, check func(*image.Image)) (last Plan, copied int) {
	p.Helper()
	if in.Moves == 0 {
		in.Moves = 3
	}
	for range 500 {
		in.Image = p.live.Current()
		last = Look(in)
		in.Spread = last.Spread
		if len(last.Moves) == 0 && last.Moving == 0 {
			return last, copied
		}
		copying := 0
		for i := range last.Moves {
			if last.Moves[i].Copies() {
				copying++
			}
		}
		if copying > in.Moves {
			p.Fatalf("%d logs are to be copied at once", copying)
		}
		copied += copying
		done, begun, err := p.topics.Move(context.Background(), in.Image, last.Moves)
		if err != nil || done+begun != len(last.Moves) {
			p.Fatalf("of %d moves %d are done and %d begun: %v", len(last.Moves), done, begun, err)
		}
		if check != nil {
			check(p.live.Current())
		}
		p.arrive()
		if check != nil {
			check(p.live.Current())
		}
	}
	p.Fatalf("it does not come to rest: %+v", last)
	return last, copied
}

// tally is how many partitions each broker leads and has.
func tally(img *image.Image) (leaders, replicas map[metadata.BrokerID]int) {
	leaders, replicas = make(map[metadata.BrokerID]int), make(map[metadata.BrokerID]int)
	for _, t := range img.Topics() {
		for i := range t.Partitions {
			leaders[t.Partitions[i].Leader]++
			for _, b := range t.Partitions[i].Replicas {
				replicas[b]++
			}
		}
	}
	return leaders, replicas
}

func show(img *image.Image) (out string) {
	for _, t := range img.Topics() {
		for i := range t.Partitions {
			out += fmt.Sprintf("%s-%d %+v\n", t.Name, i, t.Partitions[i])
		}
	}
	return out
}
