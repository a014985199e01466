package rolling

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/storage/batch"
	"weir/test/cluster"
)

// TestRestartStalls restarts one broker again and again, in order and with kill -9, and measures for how long each of its partitions acknowledges nothing. The
// aims are 20 ms (median) and 300 ms (p99) for a restart in order, and 2 s (p99) after a kill; the limits here allow for a machine that has much else to do.
func TestRestartStalls(t *testing.T) {
	const orderLimit, killLimit = 30 * time.Second, time.Minute
	restarts := 5
	if s := os.Getenv("WEIR_TEST_RESTARTS"); s != "" {
		var err error
		if restarts, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	w := cluster.StartWeir(t, cluster.Options{})
	a := newAPI(t, w)
	const broker = 1
	address, _, _ := strings.Cut(w.Bootstrap(), ",") // of the first one
	for _, partitions := range []int{1, 100, 1000} {
		topic := fmt.Sprintf("stalls-%d", partitions)
		createLed(t, w, topic, partitions, broker)
		p := startProber(t, address, topic, partitions)
		p.settle(t, partitions)
		usual := p.take(func() { <-time.After(time.Second) })
		var inOrder, killed []time.Duration
		for range restarts {
			inOrder = append(inOrder, p.take(func() {
				a.reboot(t, strconv.Itoa(broker))
				p.settle(t, partitions)
			})...)
		}
		for range restarts {
			killed = append(killed, p.take(func() {
				pid := brokerPID(t, w, broker)
				w.KillBroker(t, pid)
				p.settle(t, partitions)
			})...)
			awaitSession(t, a)
		}
		p.stop()
		t.Logf("%4d partitions: no answer in order %s; after kill -9 %s; without any of it %s", partitions, quantiles(inOrder), quantiles(killed), quantiles(usual))
		if got := slices.Max(inOrder); got > orderLimit {
			t.Errorf("%d partitions: a restart in order kept one from answering for %v", partitions, got)
		}
		if got := slices.Max(killed); got > killLimit {
			t.Errorf("%d partitions: kill -9 kept one from answering for %v", partitions, got)
		}
	}
}

func quantiles(d []time.Duration) string {
	slices.Sort(d)
	at := func(q int) time.Duration { return d[min(len(d)-1, len(d)*q/100)].Round(100 * time.Microsecond) }
	return fmt.Sprintf("p50 %v, p99 %v, longest %v", at(50), at(99), d[len(d)-1].Round(100*time.Microsecond))
}

// createLed makes a topic all of whose partitions the broker leads.
func createLed(t *testing.T, w *cluster.Weir, topic string, partitions, broker int) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(w.Bootstrap(), ",")...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 30_000
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = topic, -1, -1
	for p := range int32(partitions) {
		ra := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		ra.Partition = p
		for i := range 3 {
			ra.Replicas = append(ra.Replicas, int32((broker-1+i)%3+1))
		}
		rt.ReplicaAssignment = append(rt.ReplicaAssignment, ra)
	}
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("create %s: %v", topic, err)
	}
}

// brokerPID is the process of a broker of the only cluster.
func brokerPID(t *testing.T, w *cluster.Weir, broker int) int {
	t.Helper()
	var found int
	cluster.Eventually(t, 2*time.Minute, func() error {
		for _, pid := range w.Brokers() {
			args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if err == nil && strings.Contains(string(args), fmt.Sprintf("/broker-%d/", broker)) {
				found = pid
				return nil
			}
		}
		return fmt.Errorf("broker %d has no process", broker)
	})
	return found
}

// awaitSession waits until the cluster is well again.
func awaitSession(t *testing.T, a *api) {
	t.Helper()
	cluster.Eventually(t, 2*time.Minute, func() error {
		c, err := a.describe(t.Context())
		if err == nil && c.State != "ACTIVE" {
			err = errors.New("the cluster is " + string(c.State))
		}
		return err
	})
}

// prober asks a broker to append to each of a topic's partitions, again and again, over connections of its own that it opens again at once: nothing
// of what it measures is a client's patience.
type prober struct {
	address string
	topic   string
	cancel  context.CancelFunc
	ended   sync.WaitGroup

	mu      sync.Mutex
	last    []time.Time     // answer, by partition
	longest []time.Duration // between two answers, since take began
	rounds  []int           // answers
}

// chunk is how many partitions one request asks for.
const chunk = 100

func startProber(t *testing.T, address, topic string, partitions int) *prober {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &prober{
		address: address, topic: topic, cancel: cancel,
		last: make([]time.Time, partitions), longest: make([]time.Duration, partitions), rounds: make([]int, partitions),
	}
	t.Cleanup(p.stop)
	for from := 0; from < partitions; from += chunk {
		p.ended.Go(func() { p.probe(ctx, from, min(from+chunk, partitions)) })
	}
	return p
}

func (p *prober) stop() {
	p.cancel()
	p.ended.Wait()
}

// settle waits until every partition has answered twice more.
func (p *prober) settle(t *testing.T, partitions int) {
	t.Helper()
	p.mu.Lock()
	before := slices.Clone(p.rounds)
	p.mu.Unlock()
	cluster.Eventually(t, 2*time.Minute, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		for i := range partitions {
			if p.rounds[i] < before[i]+2 {
				return fmt.Errorf("partition %d has answered %d times, want %d", i, p.rounds[i], before[i]+2)
			}
		}
		return nil
	})
}

// take returns each partition's longest time without an answer while f ran.
func (p *prober) take(f func()) []time.Duration {
	p.mu.Lock()
	clear(p.longest)
	p.mu.Unlock()
	f()
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.longest)
}

func (p *prober) probe(ctx context.Context, from, to int) {
	for ctx.Err() == nil {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.address)
		if err != nil {
			<-time.After(200 * time.Microsecond) // refused
			continue
		}
		stop := context.AfterFunc(ctx, func() { c.Close() })
		p.converse(ctx, c, from, to)
		stop()
		c.Close()
	}
}

func (p *prober) converse(ctx context.Context, c net.Conn, from, to int) {
	frame := p.request(from, to)
	in := bufio.NewReader(c)
	for ctx.Err() == nil {
		if _, err := c.Write(frame); err != nil {
			return
		}
		resp, err := readProduce(in)
		if err != nil {
			return
		}
		p.answered(resp)
		<-time.After(time.Millisecond)
	}
}

// request is a produce request with one record for each partition.
func (p *prober) request(from, to int) []byte {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = produceVersion, -1, 30_000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = p.topic
	for i := from; i < to; i++ {
		b := batch.NewBuilder()
		b.Add(time.Now().UnixMilli(), nil, []byte("probe"))
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition, rp.Records = int32(i), b.Batch()
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("prober")).AppendRequest(nil, req, 1)
}

const produceVersion = 7

func readProduce(in *bufio.Reader) (*kmsg.ProduceResponse, error) {
	var size [4]byte
	if _, err := io.ReadFull(in, size[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(in, body); err != nil {
		return nil, err
	}
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = produceVersion
	return resp, resp.ReadFrom(body[4:])
}

func (p *prober) answered(resp *kmsg.ProduceResponse) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, rp := range resp.Topics[0].Partitions {
		if rp.ErrorCode != 0 {
			continue
		}
		if i := rp.Partition; !p.last[i].IsZero() {
			p.longest[i] = max(p.longest[i], now.Sub(p.last[i]))
		}
		p.last[rp.Partition] = now
		p.rounds[rp.Partition]++
	}
}
