package lies

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"weir/test/cluster"
)

// teller is a client of one broker.
type teller struct {
	t      *testing.T
	client *kgo.Client
}

func newTeller(t *testing.T, bootstrap string) *teller {
	t.Helper()
	seed, _, _ := strings.Cut(bootstrap, ",")
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(0, 11) // names of topics, no transactions
	cl, err := kgo.NewClient(kgo.SeedBrokers(seed), kgo.MaxVersions(versions), kgo.RequestRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &teller{t: t, client: cl}
}

// create makes the kinds of topics with these configs in addition.
func (l *teller) create(suffix string, more map[string]*string) {
	l.t.Helper()
	for topic, own := range map[string]map[string]*string{
		plainTopic: {}, compactedTopic: {"cleanup.policy": new("compact")}, stampedTopic: {"message.timestamp.type": new("LogAppendTime")},
	} {
		maps.Copy(own, more)
		resp, err := kadm.NewClient(l.client).CreateTopic(l.t.Context(), 1, 1, own, topic+suffix)
		if err != nil {
			l.t.Fatalf("create %s: %v, %v", topic+suffix, err, resp.ErrMessage)
		}
	}
}

// tell produces a batch and returns the name of the answer's error, "" for none. The broker may be one that has just become the leader.
func (l *teller) tell(topic string, raw []byte) string {
	l.t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 5000
	in := kmsg.NewProduceRequestTopic()
	in.Topic = topic
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = raw
	in.Partitions = append(in.Partitions, part)
	req.Topics = append(req.Topics, in)
	for deadline := time.Now().Add(time.Minute); ; {
		ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
		resp, err := l.client.SeedBrokers()[0].Request(ctx, req)
		cancel()
		if err != nil {
			return "closed the connection"
		}
		out := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0] //nolint:errcheck // the kind of the request
		err = kerr.ErrorForCode(out.ErrorCode)
		var code *kerr.Error
		switch {
		case err == nil:
			return ""
		case (errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.NotLeaderForPartition)) && time.Now().Before(deadline):
			continue
		case errors.As(err, &code):
			return code.Message
		default:
			return fmt.Sprint("code ", out.ErrorCode)
		}
	}
}

// end is the offset behind the topic's last record.
func (l *teller) end(topic string) int64 {
	l.t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version, req.ReplicaID = 5, -1
	in := kmsg.NewListOffsetsRequestTopic()
	in.Topic = topic
	part := kmsg.NewListOffsetsRequestTopicPartition()
	part.Timestamp, part.CurrentLeaderEpoch = -1, -1
	in.Partitions = append(in.Partitions, part)
	req.Topics = append(req.Topics, in)
	resp, err := l.client.SeedBrokers()[0].Request(l.t.Context(), req)
	if err != nil {
		l.t.Fatal(err)
	}
	out := resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0] //nolint:errcheck // the kind of the request
	if err := kerr.ErrorForCode(out.ErrorCode); err != nil {
		l.t.Fatalf("end of %s: %v", topic, err)
	}
	return out.Offset
}

func TestLiesGetKafkasErrors(t *testing.T) {
	kafka := cluster.NewKafka(t)
	kafka.Start(t)
	weir := cluster.StartWeir(t, cluster.Options{Brokers: 1})
	kafka.AwaitReady(t)
	k, w := newTeller(t, kafka.Bootstrap()), newTeller(t, weir.Bootstrap())
	const strict = "-strict"
	k.create("", nil)
	w.create("", nil)
	w.create(strict, map[string]*string{"weir.validate.compressed": new("true")})

	now := time.Now()
	seen, ends := make(map[string]bool), make(map[string]int64)
	for _, l := range lies(now) {
		raw := l.batch.encode(t, now)
		want := k.tell(l.topic, raw)
		for _, suffix := range []string{"", strict} {
			got := w.tell(l.topic+suffix, raw)
			before := ends[l.topic+suffix]
			ends[l.topic+suffix] = w.end(l.topic + suffix)
			if got != "" && ends[l.topic+suffix] != before {
				t.Errorf("%s%s: refused with %s, and the log grew from %d to %d", l.name, suffix, got, before, ends[l.topic+suffix])
			}
			if got == want {
				continue
			}
			name := l.name + suffix
			d, ok := difference(name, want, got)
			if !ok {
				t.Errorf("%s: Kafka answers %s, Weir %s", name, quoted(want), quoted(got))
				continue
			}
			seen[d] = true
		}
	}
	for _, d := range differences {
		if !seen[d.why] {
			t.Errorf("a difference that does not exist (any more): %s", d.why)
		}
	}
}

func quoted(answer string) string {
	if answer == "" {
		return "yes"
	}
	return answer
}
