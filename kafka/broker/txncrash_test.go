package broker

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/ownership"
	"weir/kafka/partition"
	"weir/kafka/topic"
	"weir/metadata"
	"weir/sim"
	"weir/storage/batch"
	"weir/storage/buffer"
	"weir/storage/stream"
	"weir/storage/wal"
)

// Reliability design, X1; storage-engine design, I9 and I10. A broker that is coordinator, leader and group coordinator at once queues what belongs together
// behind one another: the partitions that are added and the first data, the offsets, the decision, the markers and the end. Its machine crashes at every
// operation of the journal's disk, with each entry in a commit of its own and with as many together as there are; and the disk is full at every write, once.
// What comes back has each transaction whole or not at all, nothing twice, and no partition is left with a transaction that nobody ends.
func TestX1TransactionsAreWholeAfterACrashAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, entries := range []int{1, 0} {
		for _, version := range []int16{1, transactionsV2} {
			for _, fault := range []sim.FaultKind{sim.CrashAfter, sim.NoSpace} {
				t.Run(fmt.Sprintf("entries %d/v%d/fault %d", entries, version, fault), func(t *testing.T) {
					t.Parallel()
					played := 0
					for at := 1; ; at++ {
						w := newTxnWorld(t, version, entries)
						if !w.play(at, fault) || t.Failed() {
							break
						}
						played++
					}
					t.Logf("%d faults", played)
					if least := 3 * 3 * len(txnPlan); entries == 1 && played < least {
						t.Errorf("there were %d faults, fewer than the %d writes there must be", played, least)
					}
				})
			}
		}
	}
}

// txnPlan are the transactions of the test: whether each is to be committed.
var txnPlan = []bool{true, false, true} //nolint:gochecknoglobals // a constant

const txnPartitions = 3

// txnWorld is what outlives a broker, and the one producer there is.
type txnWorld struct {
	t       *testing.T
	version int16
	entries int
	disk    *sim.Disk
	store   *metadata.Mem
	topic   metadata.TopicID

	id    int64
	epoch int16
	acked []bool // of each transaction that was begun: whether its commit was acknowledged

	played atomic.Bool // the fault
	dead   atomic.Bool // the machine: nobody answers as if nothing had happened
}

func newTxnWorld(t *testing.T, version int16, entries int) *txnWorld {
	w := &txnWorld{t: t, version: version, entries: entries, disk: sim.NewDisk(7), store: metadata.NewMem()}
	w.disk.Tear = true
	t.Cleanup(func() { w.store.Close() })
	var ops []metadata.Op
	for name, n := range map[string]int32{"t": txnPartitions, image.TransactionState: 1, image.ConsumerOffsets: 1} {
		topic := metadata.Topic{Name: name, ID: metadata.NewTopicID(), Partitions: n}
		a := metadata.Assignment{}
		for range n {
			a.Partitions = append(a.Partitions, metadata.PartitionAssignment{Leader: 1, Replicas: []metadata.BrokerID{1}})
		}
		ops = append(ops, metadata.Put(metadata.TopicKey(testCluster, name), metadata.Encode(topic)),
			metadata.Put(metadata.AssignmentKey(testCluster, topic.ID, 0), metadata.Encode(a)))
		if name == "t" {
			w.topic = topic.ID
		}
	}
	if _, err := w.store.Commit(t.Context(), metadata.Txn{Then: ops}); err != nil {
		t.Fatal(err)
	}
	return w
}

// txnLife is one incarnation of the broker with a connection to it.
type txnLife struct {
	w      *txnWorld
	broker *Broker
	owner  *ownership.Owner
	conn   net.Conn
	asked  int32
	stop   func()
}

func (w *txnWorld) start() *txnLife {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	live, pool := image.New(w.store, testCluster), buffer.NewPool(1<<20)
	ended := make(chan struct{}, 3)
	run := func(fn func(context.Context) error) { go func() { _ = fn(ctx); ended <- struct{}{} }() }
	run(live.Run)
	log := slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	o, err := ownership.Acquire(ctx, ownership.Config{
		Cluster: testCluster, Broker: 1, WAL: wal.Config{FirstFileBytes: 64 << 10, FileBytes: 256 << 10},
		Stream: stream.Config{CommitEntriesMax: w.entries},
	}, ownership.Deps{Log: log, Store: w.store, Image: live, Disk: w.disk, Pool: pool})
	if err != nil {
		w.t.Fatal(err)
	}
	run(o.Run)
	props := txnProperties()
	admin := topic.New(topic.Config{Cluster: testCluster, Broker: 1, Properties: props}, topic.Deps{Store: w.store, Image: live, Log: log})
	b, err := New(Config{Cluster: testCluster, ClusterID: "test-cluster-id-000000", Broker: 1, Properties: props}, Deps{
		Log: log, Store: w.store, Image: live, Leaders: o.Leaders(), Topics: admin, Buffers: pool,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	run(func(ctx context.Context) error { return b.Run(ctx, []Listener{{Name: "CLIENT", Listener: l}}) })
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(3 * time.Minute))
	stop := sync.OnceFunc(func() {
		conn.Close()
		cancel()
		for range 3 {
			<-ended
		}
	})
	w.t.Cleanup(stop)
	return &txnLife{w: w, broker: b, owner: o, conn: conn, stop: stop}
}

// play runs the transactions with a fault at the at-th operation of the journal, and looks at what is left. It reports whether the fault came about.
func (w *txnWorld) play(at int, fault sim.FaultKind) bool {
	l := w.start()
	l.init()
	var ops atomic.Int64
	w.disk.Plan(func(op sim.Op) sim.Fault {
		if !strings.HasPrefix(op.Name, "wal/") || op.Kind != sim.Write && (op.Kind != sim.Sync || fault == sim.NoSpace) {
			return sim.Fault{}
		}
		if ops.Add(1) != int64(at) {
			return sim.Fault{}
		}
		w.played.Store(true)
		w.dead.Store(fault != sim.NoSpace)
		return sim.Fault{Kind: fault}
	})
	l.transactions(fault != sim.NoSpace)
	if fault == sim.NoSpace && !w.t.Failed() {
		l.look(fmt.Sprintf("disk full at write %d", at))
	}
	l.stop()
	w.dead.Store(false)
	w.disk.Plan(nil)
	w.disk.Crash(uint64(at))
	l = w.start()
	defer l.stop()
	l.init() // who comes next ends what is open
	l.look(fmt.Sprintf("after a crash at operation %d", at))
	return w.played.Load()
}

// call makes a request of the version, as often as its answer, of which code gets the error, is one that has nothing to do with the fault: a broker that
// does not know yet what it leads, a coordinator that loads or is busy with the transaction before.
func call[R kmsg.Response](l *txnLife, version int16, req kmsg.Request, code func(R) int16) (R, int16) {
	l.w.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; <-time.After(time.Millisecond) {
		req.SetVersion(version)
		l.asked++
		c := &wireConn{Conn: l.conn, t: l.w.t}
		c.send(l.asked, req)
		resp := receive[R](c, req, l.asked)
		switch got := code(resp); got {
		case kerr.CoordinatorLoadInProgress.Code, kerr.ConcurrentTransactions.Code, kerr.NotEnoughReplicas.Code, kerr.UnstableOffsetCommit.Code,
			kerr.NotCoordinator.Code, kerr.NotLeaderForPartition.Code, kerr.UnknownTopicOrPartition.Code:
			if l.w.dead.Load() || time.Now().After(end) {
				return resp, got
			}
		default:
			return resp, got
		}
	}
}

func (l *txnLife) init() {
	l.w.t.Helper()
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis, req.ProducerID, req.ProducerEpoch = kmsg.StringPtr("tx"), 60_000, -1, -1
	resp, code := call(l, 4, req, func(r *kmsg.InitProducerIDResponse) int16 { return r.ErrorCode })
	if code != 0 {
		l.w.t.Fatalf("init: %v", kerr.ErrorForCode(code))
	}
	l.w.id, l.w.epoch = resp.ProducerID, resp.ProducerEpoch
}

// transactions makes those of the plan, one after the other. What fails is aborted, or the end of it all if the machine may be dead.
func (l *txnLife) transactions(mayDie bool) {
	w := l.w
	for n, commit := range txnPlan {
		w.acked = append(w.acked, false)
		if code := l.fill(n); code != 0 {
			if mayDie {
				return
			}
			commit = false
		}
		for end := time.Now().Add(30 * time.Second); ; <-time.After(time.Millisecond) {
			code := l.end(commit)
			if code == 0 || !commit && code == kerr.InvalidTxnState.Code && w.version < transactionsV2 { // nothing was added to it
				break
			}
			if mayDie {
				return
			}
			if time.Now().After(end) {
				w.t.Fatalf("transaction %d does not end: %v", n, kerr.ErrorForCode(code))
			}
		}
		w.acked[n] = commit
	}
}

// fill produces to each partition and commits an offset, in transaction n. It returns the first error there is.
func (l *txnLife) fill(n int) int16 {
	w := l.w
	produceVersion, commitVersion := int16(12), int16(5)
	if w.version < transactionsV2 {
		produceVersion, commitVersion = 11, 4
		add := kmsg.NewPtrAddPartitionsToTxnRequest()
		add.TransactionalID, add.ProducerID, add.ProducerEpoch = "tx", w.id, w.epoch
		at := kmsg.NewAddPartitionsToTxnRequestTopic()
		at.Topic, at.Partitions = "t", []int32{0, 1, 2}
		add.Topics = append(add.Topics, at)
		_, code := call(l, 3, add, func(r *kmsg.AddPartitionsToTxnResponse) int16 {
			for _, p := range r.Topics[0].Partitions {
				if p.ErrorCode != 0 {
					return p.ErrorCode
				}
			}
			return 0
		})
		if code != 0 {
			return code
		}
		offsets := kmsg.NewPtrAddOffsetsToTxnRequest()
		offsets.TransactionalID, offsets.ProducerID, offsets.ProducerEpoch, offsets.Group = "tx", w.id, w.epoch, "g"
		if _, code = call(l, 3, offsets, func(r *kmsg.AddOffsetsToTxnResponse) int16 { return r.ErrorCode }); code != 0 {
			return code
		}
	}
	var batches [][]byte
	for p := range txnPartitions {
		b := batch.NewBuilder()
		b.Transactional, b.ProducerID, b.ProducerEpoch, b.BaseSequence = true, w.id, w.epoch, 0
		if w.version < transactionsV2 {
			b.BaseSequence = int32(n) // its epoch stays
		}
		b.Add(time.Now().UnixMilli(), nil, fmt.Appendf(nil, "%d-%d", n, p))
		batches = append(batches, b.Batch())
	}
	req := produceReq(produceVersion, -1, "t", w.topic, batches...)
	req.TransactionID = kmsg.StringPtr("tx")
	_, code := call(l, produceVersion, req, func(r *kmsg.ProduceResponse) int16 {
		for _, p := range r.Topics[0].Partitions {
			if p.ErrorCode != 0 {
				return p.ErrorCode
			}
		}
		return 0
	})
	if code != 0 {
		return code
	}
	commit := kmsg.NewPtrTxnOffsetCommitRequest()
	commit.TransactionalID, commit.Group, commit.ProducerID, commit.ProducerEpoch, commit.Generation = "tx", "g", w.id, w.epoch, -1
	ct, cp := kmsg.NewTxnOffsetCommitRequestTopic(), kmsg.NewTxnOffsetCommitRequestTopicPartition()
	ct.Topic, cp.Offset = "t", int64(n)
	ct.Partitions = append(ct.Partitions, cp)
	commit.Topics = append(commit.Topics, ct)
	_, code = call(l, commitVersion, commit, func(r *kmsg.TxnOffsetCommitResponse) int16 { return r.Topics[0].Partitions[0].ErrorCode })
	return code
}

func (l *txnLife) end(commit bool) int16 {
	w := l.w
	version := int16(5)
	if w.version < transactionsV2 {
		version = 4
	}
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = "tx", w.id, w.epoch, commit
	resp, code := call(l, version, req, func(r *kmsg.EndTxnResponse) int16 { return r.ErrorCode })
	if code == 0 && version == 5 {
		w.id, w.epoch = resp.ProducerID, resp.ProducerEpoch
	}
	return code
}

// look waits until no transaction is open in any partition, and checks what was committed.
func (l *txnLife) look(when string) {
	w := l.w
	w.t.Helper()
	var first []string // transactions that partition 0 has
	for p := range int32(txnPartitions) {
		got := l.committed(partition.Key{Topic: w.topic, Index: p})
		if got == nil {
			w.t.Errorf("%s: partition %d has a transaction that nobody ends", when, p)
			return
		}
		got = got[1:]
		var names []string
		for _, v := range got {
			name, _, _ := strings.Cut(v, "-")
			if v != fmt.Sprintf("%s-%d", name, p) || slices.Contains(names, name) {
				w.t.Errorf("%s: partition %d has %v", when, p, got)
			}
			names = append(names, name)
		}
		if p == 0 {
			first = names
		} else if !slices.Equal(names, first) {
			w.t.Errorf("%s: partition 0 has transactions %v, partition %d %v", when, first, p, names)
		}
	}
	offset := int64(-1)
	for n, commit := range txnPlan {
		has := slices.Contains(first, fmt.Sprint(n))
		if has {
			offset = int64(n)
		}
		if has && !commit || !has && n < len(w.acked) && w.acked[n] {
			w.t.Errorf("%s: transaction %d: it is there: %t; its commits were acknowledged: %v", when, n, has, w.acked)
		}
	}
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group, req.RequireStable = "g", true
	rt := kmsg.NewOffsetFetchRequestTopic()
	rt.Topic, rt.Partitions = "t", []int32{0}
	req.Topics = append(req.Topics, rt)
	resp, code := call(l, 7, req, func(r *kmsg.OffsetFetchResponse) int16 {
		if r.ErrorCode != 0 {
			return r.ErrorCode
		}
		return r.Topics[0].Partitions[0].ErrorCode
	})
	if code != 0 {
		w.t.Fatalf("%s: no stable offset: %v", when, kerr.ErrorForCode(code))
	}
	if got := resp.Topics[0].Partitions[0].Offset; got != offset {
		w.t.Errorf("%s: the group's offset is %d, transactions %v are there", when, got, first)
	}
}

// committed waits for the end of what is open in the partition and returns "" and then the values of committed transactions as the markers in the log have it;
// nil if something stays open.
func (l *txnLife) committed(k partition.Key) []string {
	w := l.w
	w.t.Helper()
	p, err := l.owner.Leaders().Get(k)
	if err != nil {
		w.t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); ; <-time.After(time.Millisecond) {
		if o := p.Offsets(); o.LastStable == o.HighWatermark {
			break
		}
		if time.Now().After(end) {
			return nil
		}
	}
	values, open := []string{""}, map[int64][]string{}
	decoder := batch.NewDecoder(1 << 20)
	for offset := p.Offsets().LogStart; offset < p.Offsets().HighWatermark; {
		recs, err := p.Read(w.t.Context(), partition.ReadRequest{Offset: offset, MaxBytes: 1 << 20, AtLeastOne: true, ClientEpoch: -1})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, seg := range recs.Segments {
			for len(seg) > 0 {
				h, one, rest, err := batch.Next(seg)
				if err != nil {
					w.t.Fatal(err)
				}
				if m, ok, _ := batch.ReadMarker(one); h.Control() && ok {
					if m.Commit {
						values = append(values, open[h.ProducerID]...)
					}
					delete(open, h.ProducerID)
				} else {
					for r, err := range decoder.Records(one) {
						if err != nil {
							w.t.Fatal(err)
						}
						open[h.ProducerID] = append(open[h.ProducerID], string(r.Value))
					}
				}
				offset, seg = h.LastOffset()+1, rest
			}
		}
		recs.Release()
	}
	return values
}
