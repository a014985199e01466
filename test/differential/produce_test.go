package differential

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func produceScenarios() []scenario {
	return []scenario{
		{"produce", []int16{0}, produceVersions},
		{"produce damaged batches", []int16{0}, produceDamaged},
		{"produce with sequences", []int16{0, 22}, produceSequences},
		{"produce what a topic does not take", []int16{0, 2}, produceRefused},
	}
}

// batch is a record batch with the given values, key null.
func batch(values ...string) kmsg.RecordBatch {
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, LastOffsetDelta: int32(len(values)) - 1, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
		NumRecords: int32(len(values)),
	}
	b.FirstTimestamp = time.Now().UnixMilli()
	b.MaxTimestamp = b.FirstTimestamp
	for i, v := range values {
		b.Records = append(b.Records, record(i, nil, []byte(v))...)
	}
	return b
}

func record(offsetDelta int, key, value []byte) []byte {
	r := kmsg.Record{OffsetDelta: int32(offsetDelta), Key: key, Value: value}
	body := r.AppendTo(nil)
	r.Length = int32(len(body)) - 1 // without the length itself, which is a byte as long as it is zero
	return r.AppendTo(nil)
}

// sealed encodes a batch with its length and checksum.
func sealed(b kmsg.RecordBatch) []byte {
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	return resealed(raw)
}

// resealed writes the checksum of an encoded batch.
func resealed(raw []byte) []byte {
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// sent is a produce request of one partition.
func sent(topic string, id [16]byte, partition int32, records []byte) *kmsg.ProduceRequest {
	return asked(kmsg.NewPtrProduceRequest(), func(r *kmsg.ProduceRequest) {
		r.Acks, r.TimeoutMillis = -1, 5000
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = partition, records
		t := kmsg.NewProduceRequestTopic()
		t.Topic, t.TopicID, t.Partitions = topic, id, []kmsg.ProduceRequestTopicPartition{p}
		r.Topics = append(r.Topics, t)
	})
}

func produceVersions(d *dialogue) {
	id := d.topic("pr", 1)
	d.each(0, func(v int16) {
		ask[*kmsg.ProduceResponse](d, "one batch", v, sent("pr", id, 0, sealed(batch("a", "b"))))
		ask[*kmsg.ProduceResponse](d, "one ack", v, asked(sent("pr", id, 0, sealed(batch("c"))), func(r *kmsg.ProduceRequest) { r.Acks = 1 }))
		ask[*kmsg.ProduceResponse](d, "five acks", v, asked(sent("pr", id, 0, sealed(batch("c"))), func(r *kmsg.ProduceRequest) { r.Acks = 5 }))
		ask[*kmsg.ProduceResponse](d, "absent partition", v, sent("pr", id, 7, sealed(batch("a"))))
		ask[*kmsg.ProduceResponse](d, "negative partition", v, sent("pr", id, -1, sealed(batch("a"))))
		ask[*kmsg.ProduceResponse](d, "absent topic", v, sent("pr-absent", [16]byte{15: 9}, 0, sealed(batch("a"))))
		ask[*kmsg.ProduceResponse](d, "no name and zero id", v, sent("", [16]byte{}, 0, sealed(batch("a"))))
		ask[*kmsg.ProduceResponse](d, "no records", v, sent("pr", id, 0, []byte{}))
		ask[*kmsg.ProduceResponse](d, "two batches", v, sent("pr", id, 0, append(sealed(batch("a")), sealed(batch("b"))...)))
		ask[*kmsg.ProduceResponse](d, "good and bad", v, asked(sent("pr", id, 0, sealed(batch("x"))), func(r *kmsg.ProduceRequest) {
			p := kmsg.NewProduceRequestTopicPartition()
			p.Partition, p.Records = 9, sealed(batch("y"))
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, p)
		}))
		alone := fmt.Sprintf("pr-%d", v) // what follows is not taken alike
		own := d.topic(alone, 2)
		ask[*kmsg.ProduceResponse](d, "a transactional id of nobody", v, asked(sent(alone, own, 0, sealed(batch("x"))), func(r *kmsg.ProduceRequest) {
			r.TransactionID = ptr("nobody")
		}))
		ask[*kmsg.ProduceResponse](d, "partition twice", v, asked(sent(alone, own, 1, sealed(batch("x"))), func(r *kmsg.ProduceRequest) {
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, r.Topics[0].Partitions[0])
		}))
	})
}

func produceDamaged(d *dialogue) {
	id := d.topic("pd", 1)
	d.unanswered(func() { ask[*kmsg.ProduceResponse](d, "null records", newest, sent("pd", id, 0, nil)) })
	// Each gets a topic of its own, so that what one broker takes and the other does not has no effect on what follows.
	turn := 0
	fresh := func() [16]byte {
		turn++
		return d.topic(fmt.Sprintf("pd%d", turn), 1)
	}
	edit := func(label string, change func(*kmsg.RecordBatch)) {
		b := batch("one", "two", "three")
		change(&b)
		ask[*kmsg.ProduceResponse](d, label, newest, sent("pd", fresh(), 0, sealed(b)))
	}
	edit("whole", func(*kmsg.RecordBatch) {})
	edit("base offset 17", func(b *kmsg.RecordBatch) { b.FirstOffset = 17 })
	edit("leader epoch 9", func(b *kmsg.RecordBatch) { b.PartitionLeaderEpoch = 9 })
	edit("magic 3", func(b *kmsg.RecordBatch) { b.Magic = 3 })
	edit("magic 0", func(b *kmsg.RecordBatch) { b.Magic = 0 })
	edit("magic 1", func(b *kmsg.RecordBatch) { b.Magic = 1 })
	edit("one record more than said", func(b *kmsg.RecordBatch) { b.NumRecords, b.LastOffsetDelta = 2, 1 })
	edit("one record fewer than said", func(b *kmsg.RecordBatch) { b.NumRecords, b.LastOffsetDelta = 4, 3 })
	edit("count 0", func(b *kmsg.RecordBatch) { b.NumRecords, b.LastOffsetDelta, b.Records = 0, 0, nil })
	edit("count -1", func(b *kmsg.RecordBatch) { b.NumRecords = -1 })
	edit("last offset too high", func(b *kmsg.RecordBatch) { b.LastOffsetDelta = 7 })
	edit("last offset too low", func(b *kmsg.RecordBatch) { b.LastOffsetDelta = 1 })
	edit("last offset negative", func(b *kmsg.RecordBatch) { b.LastOffsetDelta = -1 })
	edit("control batch", func(b *kmsg.RecordBatch) { b.Attributes |= 1 << 5 })
	edit("log append time", func(b *kmsg.RecordBatch) { b.Attributes |= 1 << 3 })
	edit("unknown codec", func(b *kmsg.RecordBatch) { b.Attributes |= 7 })
	edit("gzip that is none", func(b *kmsg.RecordBatch) { b.Attributes |= 1 })
	edit("unknown attribute", func(b *kmsg.RecordBatch) { b.Attributes |= 1 << 9 })
	edit("transactional without id", func(b *kmsg.RecordBatch) { b.Attributes |= 1 << 4 })
	edit("producer id without sequence", func(b *kmsg.RecordBatch) { b.ProducerID, b.ProducerEpoch = 1000000, 0 })
	edit("sequence without producer id", func(b *kmsg.RecordBatch) { b.FirstSequence = 0 })
	edit("rubbish for records", func(b *kmsg.RecordBatch) { b.Records = []byte("rubbish for records") })
	edit("a byte behind the records", func(b *kmsg.RecordBatch) { b.Records = append(b.Records, 0) })
	edit("offset deltas with a gap", func(b *kmsg.RecordBatch) {
		b.Records = append(record(0, nil, []byte("x")), record(2, nil, []byte("y"))...)
		b.NumRecords, b.LastOffsetDelta = 2, 2
	})
	edit("offset deltas the wrong way", func(b *kmsg.RecordBatch) {
		b.Records = append(record(1, nil, []byte("x")), record(0, nil, []byte("y"))...)
		b.NumRecords, b.LastOffsetDelta = 2, 1
	})
	edit("good gzip", func(b *kmsg.RecordBatch) {
		b.Attributes |= 1
		b.Records = gzipped(b.Records)
	})
	edit("gzip with another count", func(b *kmsg.RecordBatch) {
		b.Attributes |= 1
		b.Records = gzipped(b.Records)
		b.NumRecords, b.LastOffsetDelta = 5, 4
	})
	edit("gzip of rubbish", func(b *kmsg.RecordBatch) {
		b.Attributes |= 1
		b.Records = gzipped([]byte("rubbish for records, long enough to have lengths"))
	})
	edit("max timestamp before the first", func(b *kmsg.RecordBatch) { b.MaxTimestamp = b.FirstTimestamp - 1000 })
	edit("negative timestamp", func(b *kmsg.RecordBatch) { b.FirstTimestamp, b.MaxTimestamp = -1, -1 })
	edit("timestamp in ten hours", func(b *kmsg.RecordBatch) { b.FirstTimestamp += 36e6; b.MaxTimestamp += 36e6 })
	edit("timestamp of long ago", func(b *kmsg.RecordBatch) { b.FirstTimestamp, b.MaxTimestamp = 1, 1 })

	raw := func(label string, change func(b []byte) []byte) {
		ask[*kmsg.ProduceResponse](d, label, newest, sent("pd", fresh(), 0, change(sealed(batch("one")))))
	}
	raw("wrong checksum", func(b []byte) []byte { b[17] ^= 1; return b })
	raw("flipped bit of a record", func(b []byte) []byte { b[len(b)-2] ^= 1; return b })
	raw("cut short", func(b []byte) []byte { return b[:len(b)-3] })
	raw("cut in the header", func(b []byte) []byte { return b[:30] })
	raw("cut in the length", func(b []byte) []byte { return b[:10] })
	raw("bytes behind", func(b []byte) []byte { return append(b, 1, 2, 3) })
	raw("length too small", func(b []byte) []byte { binary.BigEndian.PutUint32(b[8:], 20); return b })
	raw("length negative", func(b []byte) []byte { binary.BigEndian.PutUint32(b[8:], 1<<31); return b })
	raw("length too large", func(b []byte) []byte { binary.BigEndian.PutUint32(b[8:], 1<<30); return b })
	raw("rubbish", func([]byte) []byte {
		return []byte("this is no record batch at all, but long enough to have the fields of one in it")
	})
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b) //nolint:errcheck // into memory
	w.Close()
	return out.Bytes()
}

func produceSequences(d *dialogue) {
	id := d.topic("ps", 2)
	init := func() (int64, int16) {
		resp := ask[*kmsg.InitProducerIDResponse](d, fmt.Sprintf("producer %d", len(d.entries)), newest, kmsg.NewPtrInitProducerIDRequest())
		return resp.ProducerID, resp.ProducerEpoch
	}
	producer, epoch := init()
	produce := func(label string, partition, sequence int32, epoch int16, values ...string) {
		b := batch(values...)
		b.ProducerID, b.ProducerEpoch, b.FirstSequence = producer, epoch, sequence
		ask[*kmsg.ProduceResponse](d, label, newest, sent("ps", id, partition, sealed(b)))
	}
	produce("first", 0, 0, epoch, "a", "b")
	produce("second", 0, 2, epoch, "c")
	produce("second again", 0, 2, epoch, "c")
	produce("first again", 0, 0, epoch, "a", "b")
	produce("gap", 0, 9, epoch, "d")
	produce("overlap", 0, 1, epoch, "b", "c")
	produce("starts late on another partition", 1, 5, epoch, "x")
	produce("next epoch, not from 0", 0, 3, epoch+1, "d")
	produce("next epoch", 0, 0, epoch+1, "d")
	produce("old epoch", 0, 3, epoch, "e")
	produce("negative sequence", 0, -5, epoch+1, "e")
	for i := range 6 {
		produce(fmt.Sprintf("more %d", i), 0, int32(1+i), epoch+1, "m")
	}
	produce("a duplicate of long ago", 0, 0, epoch+1, "d")
	producer = 123456789
	produce("an id that was not given out", 0, 0, 0, "e")
	produce("an id that was not given out, late", 1, 4, 0, "e")
	producer, epoch = init()
	twice := func(label string, a, b int32) {
		x, y := batch("a"), batch("b")
		x.ProducerID, x.ProducerEpoch, x.FirstSequence = producer, epoch, a
		y.ProducerID, y.ProducerEpoch, y.FirstSequence = producer, epoch, b
		ask[*kmsg.ProduceResponse](d, label, newest, sent("ps", id, 1, append(sealed(x), sealed(y)...)))
	}
	twice("two batches in a request", 0, 1)
	b := batch("last")
	b.ProducerID, b.ProducerEpoch, b.FirstSequence = producer, epoch, 2147483647
	ask[*kmsg.ProduceResponse](d, "the last sequence", newest, sent("ps", id, 0, sealed(b)))
}

func produceRefused(d *dialogue) {
	compacted := d.topic("po-compacted", 1, "cleanup.policy", "compact")
	ask[*kmsg.ProduceResponse](d, "no key", newest, sent("po-compacted", compacted, 0, sealed(batch("a", "b"))))
	keyed := batch("x")
	keyed.Records = record(0, []byte("k"), []byte("v"))
	ask[*kmsg.ProduceResponse](d, "key", newest, sent("po-compacted", compacted, 0, sealed(keyed)))
	keyed = batch("x", "y")
	keyed.Records = append(record(0, []byte("k"), []byte("v")), record(1, nil, []byte("v"))...)
	d.each(0, func(v int16) {
		ask[*kmsg.ProduceResponse](d, "one with and one without key", v, sent("po-compacted", compacted, 0, sealed(keyed)))
	})

	small := d.topic("po-small", 1, "max.message.bytes", "200")
	ask[*kmsg.ProduceResponse](d, "too large", newest, sent("po-small", small, 0, sealed(batch(string(make([]byte, 300))))))
	ask[*kmsg.ProduceResponse](d, "two, together too large", newest,
		sent("po-small", small, 0, append(sealed(batch(string(make([]byte, 100)))), sealed(batch("b"))...)))

	appended := d.topic("po-appended", 1, "message.timestamp.type", "LogAppendTime")
	resp := ask[*kmsg.ProduceResponse](d, "broker's time", newest, sent("po-appended", appended, 0, sealed(batch("a"))))
	_ = resp
	listed := asked(kmsg.NewPtrListOffsetsRequest(), func(r *kmsg.ListOffsetsRequest) {
		r.Topics = []kmsg.ListOffsetsRequestTopic{offsetsOf("po-appended", -3)}
	})
	ask[*kmsg.ListOffsetsResponse](d, "broker's time is kept", newest, listed)

	strict := d.topic("po-strict", 1, "message.timestamp.before.max.ms", "1000", "message.timestamp.after.max.ms", "1000")
	for _, ms := range []int64{-3600e3, 3600e3} {
		b := batch("a", "b")
		b.FirstTimestamp += ms
		b.MaxTimestamp += ms
		ask[*kmsg.ProduceResponse](d, fmt.Sprintf("time off by %d ms", ms), newest, sent("po-strict", strict, 0, sealed(b)))
	}
	zipped := d.topic("po-zipped", 1)
	ask[*kmsg.IncrementalAlterConfigsResponse](d, "compress", newest, increments(false, increment(topicResource, "po-zipped", 0, "compression.type", "gzip")))
	d.settle()
	ask[*kmsg.ProduceResponse](d, "compressed by the broker", newest, sent("po-zipped", zipped, 0, sealed(batch("a", "b"))))
	internal := do[*kmsg.MetadataResponse](d, asked(kmsg.NewPtrMetadataRequest(), func(r *kmsg.MetadataRequest) {
		r.Topics = []kmsg.MetadataRequestTopic{{Topic: ptr("__consumer_offsets")}}
	})).Topics[0].TopicID
	ask[*kmsg.ProduceResponse](d, "to an internal topic", newest, sent("__consumer_offsets", internal, 0, sealed(keyed)))
}
