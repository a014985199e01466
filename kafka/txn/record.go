package txn

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/coordinator"
)

// Versions of records, as Kafka writes them with transaction.version 1 and later: values are flexible (KIP-915) and hold what KIP-890 added as tags.
const (
	keyVersion   = 0
	valueVersion = 1
)

var errRecord = errors.New("txn: record that cannot be read")

func recordOf(id string, f *facts) coordinator.Record {
	v := kmsg.NewTxnMetadataValue()
	v.Version = valueVersion
	v.ProducerID, v.ProducerEpoch, v.PreviousProducerID, v.NextProducerID = f.producerID, f.epoch, f.previousID, f.nextID
	v.TimeoutMillis, v.State = f.timeoutMs, kmsg.TransactionState(f.status)
	v.LastUpdateTimestamp, v.StartTimestamp = f.updateMs, f.startMs
	for _, tp := range f.partitions { // sorted, so that a topic's are neighbours
		if n := len(v.Topics); n == 0 || v.Topics[n-1].Topic != tp.Topic {
			t := kmsg.NewTxnMetadataValueTopic()
			t.Topic = tp.Topic
			v.Topics = append(v.Topics, t)
		}
		t := &v.Topics[len(v.Topics)-1]
		t.Partitions = append(t.Partitions, tp.Index)
	}
	v.ClientTransactionVersion = f.version
	return coordinator.Record{Key: keyOf(id), Value: v.AppendTo(nil)}
}

func tombstone(id string) coordinator.Record { return coordinator.Record{Key: keyOf(id)} }

func keyOf(id string) []byte {
	k := kmsg.NewTxnMetadataKey()
	k.Version, k.TransactionalID = keyVersion, id
	return k.AppendTo(nil)
}

// readKey returns the transactional id that a key names; ok is false for keys of versions to come, which are passed over.
func readKey(b []byte) (id string, ok bool, err error) {
	if len(b) < 2 {
		return "", false, fmt.Errorf("%w: a key of %d bytes", errRecord, len(b))
	}
	if v := binary.BigEndian.Uint16(b); v != keyVersion {
		return "", false, nil
	}
	k := kmsg.NewTxnMetadataKey()
	if err := k.ReadFrom(b); err != nil {
		return "", false, fmt.Errorf("%w: key: %w", errRecord, err)
	}
	return k.TransactionalID, true, nil
}

func readValue(b []byte) (facts, error) {
	if len(b) < 2 {
		return facts{}, fmt.Errorf("%w: a value of %d bytes", errRecord, len(b))
	}
	if v := int16(binary.BigEndian.Uint16(b)); v < 0 || v > valueVersion {
		return facts{}, fmt.Errorf("%w: value of version %d", errRecord, v)
	}
	if err := walkValue(b); err != nil {
		return facts{}, fmt.Errorf("%w: value: %w", errRecord, err)
	}
	v := kmsg.NewTxnMetadataValue()
	if err := v.ReadFrom(b); err != nil {
		return facts{}, fmt.Errorf("%w: value: %w", errRecord, err)
	}
	f := facts{
		producerID: v.ProducerID, previousID: v.PreviousProducerID, nextID: v.NextProducerID, epoch: v.ProducerEpoch, lastEpoch: none, version: v.ClientTransactionVersion,
		timeoutMs: v.TimeoutMillis, status: Status(v.State), startMs: v.StartTimestamp, updateMs: v.LastUpdateTimestamp,
	}
	if f.status < Empty || f.status > PrepareEpochFence {
		return facts{}, fmt.Errorf("%w: state %d", errRecord, v.State)
	}
	for _, t := range v.Topics {
		for _, i := range t.Partitions {
			f.partitions = append(f.partitions, TopicPartition{t.Topic, i})
		}
	}
	f.partitions = f.with(nil)
	return f, nil
}

// walkValue checks the lengths of a value whose version has tagged fields.
func walkValue(b []byte) error {
	if binary.BigEndian.Uint16(b) < 1 {
		return nil
	}
	w := coordinator.NewWalk(b)
	w.Skip(2 + 8 + 2 + 4 + 1) // version, producer id and epoch, timeout, state
	for range w.Array(3) {
		w.Compact() // topic
		w.Skip(4 * w.Array(4))
		w.Tags()
	}
	w.Skip(8 + 8) // when it was updated and begun
	w.Tags()
	return w.End()
}

func recordsOf(t *transaction) []coordinator.Record {
	return []coordinator.Record{recordOf(t.id, &t.facts)}
}
