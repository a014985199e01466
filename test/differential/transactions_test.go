package differential

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func transactionScenarios() []scenario {
	return []scenario{
		{"init producer id", []int16{22, 26}, initProducerID},
		{"a transaction of old clients", []int16{22, 24, 25, 26, 28}, oldTransaction},
		{"a transaction of new clients", []int16{22, 24, 25, 26, 28}, newTransaction},
		{"transactional requests of nobody", []int16{24, 25, 26, 28}, transactionOfNobody},
		{"fenced producers", []int16{22, 24, 26}, fencedProducer},
		{"describe and list transactions", []int16{61, 65, 66, 24, 26}, describeTransactions},
		{"write markers", []int16{27}, writeMarkers},
	}
}

// producer is a transactional producer as its coordinator knows it.
type producer struct {
	txn   string
	id    int64
	epoch int16
}

func (d *dialogue) producer(label, txn string, v int16) producer {
	d.coordinator(1, txn)
	resp := until(d, label+" "+txn, v, asked(kmsg.NewPtrInitProducerIDRequest(), func(r *kmsg.InitProducerIDRequest) {
		r.TransactionalID, r.TransactionTimeoutMillis = &txn, 60000
	}), func(resp *kmsg.InitProducerIDResponse) bool { return resp.ErrorCode != 51 && resp.ErrorCode != 14 })
	return producer{txn, resp.ProducerID, resp.ProducerEpoch}
}

func initProducerID(d *dialogue) {
	d.each(22, func(v int16) {
		init := func(label string, set func(*kmsg.InitProducerIDRequest)) *kmsg.InitProducerIDResponse {
			return ask[*kmsg.InitProducerIDResponse](d, label, v, asked(kmsg.NewPtrInitProducerIDRequest(), func(r *kmsg.InitProducerIDRequest) {
				r.TransactionTimeoutMillis = 60000
				set(r)
			}))
		}
		type request = kmsg.InitProducerIDRequest
		txn := fmt.Sprintf("ip-%d", v)
		d.coordinator(1, txn)
		init("no transactional id", func(*request) {})
		init("empty transactional id", func(r *request) { r.TransactionalID = ptr("") })
		init("timeout 0", func(r *request) { r.TransactionalID, r.TransactionTimeoutMillis = &txn, 0 })
		init("negative timeout", func(r *request) { r.TransactionalID, r.TransactionTimeoutMillis = &txn, -1 })
		init("timeout too long", func(r *request) { r.TransactionalID, r.TransactionTimeoutMillis = &txn, 1e9 })
		first := init("first", func(r *request) { r.TransactionalID = &txn })
		init("second", func(r *request) { r.TransactionalID = &txn })
		if v >= 3 {
			init("with id and no epoch", func(r *request) { r.TransactionalID, r.ProducerID = &txn, first.ProducerID })
			init("with epoch and no id", func(r *request) { r.TransactionalID, r.ProducerEpoch = &txn, 0 })
			init("with the epoch of the past", func(r *request) {
				r.TransactionalID, r.ProducerID, r.ProducerEpoch = &txn, first.ProducerID, first.ProducerEpoch
			})
			init("with the epoch of now", func(r *request) {
				r.TransactionalID, r.ProducerID, r.ProducerEpoch = &txn, first.ProducerID, first.ProducerEpoch+1
			})
			init("with another's id", func(r *request) { r.TransactionalID, r.ProducerID, r.ProducerEpoch = &txn, 999999, 0 })
			init("with an epoch of the future", func(r *request) {
				r.TransactionalID, r.ProducerID, r.ProducerEpoch = &txn, first.ProducerID, 900
			})
			init("idempotent with id and epoch", func(r *request) { r.ProducerID, r.ProducerEpoch = first.ProducerID, 3 })
		}
	})
}

func adding(v int16, p producer, topic string, partitions ...int32) *kmsg.AddPartitionsToTxnRequest {
	return asked(kmsg.NewPtrAddPartitionsToTxnRequest(), func(r *kmsg.AddPartitionsToTxnRequest) {
		if v < 4 {
			r.TransactionalID, r.ProducerID, r.ProducerEpoch = p.txn, p.id, p.epoch
			r.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: topic, Partitions: partitions}}
			return
		}
		r.Transactions = []kmsg.AddPartitionsToTxnRequestTransaction{{
			TransactionalID: p.txn, ProducerID: p.id, ProducerEpoch: p.epoch,
			Topics: []kmsg.AddPartitionsToTxnRequestTransactionTopic{{Topic: topic, Partitions: partitions}},
		}}
	})
}

// batch is a transactional batch of the producer's.
func (p producer) batch(sequence int32, values ...string) []byte {
	b := batch(values...)
	b.Attributes |= 1 << 4
	b.ProducerID, b.ProducerEpoch, b.FirstSequence = p.id, p.epoch, sequence
	return sealed(b)
}

func (p producer) send(topic string, id [16]byte, sequence int32, values ...string) *kmsg.ProduceRequest {
	return asked(sent(topic, id, 0, p.batch(sequence, values...)), func(r *kmsg.ProduceRequest) { r.TransactionID = &p.txn })
}

func (p producer) offsets(group, topic string, id [16]byte) *kmsg.TxnOffsetCommitRequest {
	return asked(kmsg.NewPtrTxnOffsetCommitRequest(), func(r *kmsg.TxnOffsetCommitRequest) {
		r.TransactionalID, r.ProducerID, r.ProducerEpoch, r.Group = p.txn, p.id, p.epoch, group
		part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		part.Offset = 5
		t := kmsg.NewTxnOffsetCommitRequestTopic()
		t.Topic, t.TopicID, t.Partitions = topic, id, []kmsg.TxnOffsetCommitRequestTopicPartition{part}
		r.Topics = append(r.Topics, t)
	})
}

// end ends a transaction, waiting for the markers of the one before. New clients go on with another epoch.
func (d *dialogue) end(label string, v int16, p producer, commit bool) producer {
	resp := until(d, label, v, &kmsg.EndTxnRequest{TransactionalID: p.txn, ProducerID: p.id, ProducerEpoch: p.epoch, Commit: commit},
		func(resp *kmsg.EndTxnResponse) bool { return resp.ErrorCode != 51 })
	if v == newest && resp.ErrorCode == 0 && resp.ProducerID >= 0 {
		p.id, p.epoch = resp.ProducerID, resp.ProducerEpoch
	}
	return p
}

// readCommitted asks what the topic's partition 0 says to those who read committed records only, once its last stable offset is at the end.
func (d *dialogue) readCommitted(label, topic string, id [16]byte, end int64) {
	until(d, label, newest, asked(fetched(topic, id, 0, 0), func(r *kmsg.FetchRequest) { r.IsolationLevel = 1 }), func(r *kmsg.FetchResponse) bool {
		return len(r.Topics) == 1 && r.Topics[0].Partitions[0].LastStableOffset == end
	})
}

func oldTransaction(d *dialogue) {
	id := d.topic("to", 2)
	d.coordinator(0, "to-group")
	end := int64(0)
	for v := d.kafka[26].min; v <= 4; v++ {
		p := d.producer("init", fmt.Sprintf("to-%d", v), min(4, d.kafka[22].max))
		av := min(v, 3)
		ask[*kmsg.ProduceResponse](d, fmt.Sprintf("before it is added, version %d", v), 11, p.send("to", id, 0, "early"))
		ask[*kmsg.AddPartitionsToTxnResponse](d, fmt.Sprintf("add %d", v), av, adding(av, p, "to", 0))
		ask[*kmsg.AddPartitionsToTxnResponse](d, fmt.Sprintf("add again %d", v), av, adding(av, p, "to", 0))
		ask[*kmsg.AddPartitionsToTxnResponse](d, fmt.Sprintf("add what there is not %d", v), av, adding(av, p, "to", 1, 9))
		ask[*kmsg.AddPartitionsToTxnResponse](d, fmt.Sprintf("add an absent topic %d", v), av, adding(av, p, "to-absent", 0))
		sequence := int32(0)
		ask[*kmsg.ProduceResponse](d, fmt.Sprintf("records %d", v), 11, p.send("to", id, sequence, "a", "b"))
		ask[*kmsg.FetchResponse](d, fmt.Sprintf("open %d", v), 12, asked(fetched("to", id, 0, end), func(r *kmsg.FetchRequest) { r.IsolationLevel = 1 }))
		ask[*kmsg.AddOffsetsToTxnResponse](d, fmt.Sprintf("add offsets %d", v), min(v, 3), &kmsg.AddOffsetsToTxnRequest{
			TransactionalID: p.txn, ProducerID: p.id, ProducerEpoch: p.epoch, Group: "to-group",
		})
		tv := min(v, 4)
		ask[*kmsg.TxnOffsetCommitResponse](d, fmt.Sprintf("offsets %d", v), tv, p.offsets("to-group", "to", id))
		ask[*kmsg.OffsetFetchResponse](d, fmt.Sprintf("pending %d", v), 8, asked(fetching(8, "to-group", "to", id, 0), func(r *kmsg.OffsetFetchRequest) { r.RequireStable = true }))
		d.end("end", v, p, v%2 == 0)
		end += 3
		d.readCommitted(fmt.Sprintf("ended %d", v), "to", id, end)
		until(d, fmt.Sprintf("offsets ended %d", v), 8, asked(fetching(8, "to-group", "to", id, 0), func(r *kmsg.OffsetFetchRequest) { r.RequireStable = true }),
			func(r *kmsg.OffsetFetchResponse) bool { return r.Groups[0].Topics[0].Partitions[0].ErrorCode == 0 })
		d.end("end again", v, p, v%2 == 0)
		d.end("end otherwise", v, p, v%2 != 0)
	}
}

func newTransaction(d *dialogue) {
	id := d.topic("tn", 2)
	d.coordinator(0, "tn-group")
	p := d.producer("init", "tn", newest)
	d.end("end what did not begin", newest, p, true)
	d.end("abort what did not begin", newest, p, false)
	p = d.producer("init again", "tn", newest)
	ask[*kmsg.ProduceResponse](d, "records", newest, p.send("tn", id, 0, "a", "b"))
	ask[*kmsg.ProduceResponse](d, "a gap", newest, p.send("tn", id, 7, "c"))
	ask[*kmsg.TxnOffsetCommitResponse](d, "offsets", newest, p.offsets("tn-group", "tn", id))
	ask[*kmsg.TxnOffsetCommitResponse](d, "offsets of an absent topic", newest, p.offsets("tn-group", "tn-absent", [16]byte{15: 9}))
	p = d.end("commit", newest, p, true)
	d.readCommitted("committed", "tn", id, 3)
	// The last transaction's markers are written, which its coordinator may be a moment from noting.
	until(d, "records of the next", newest, p.send("tn", id, 0, "c"), func(r *kmsg.ProduceResponse) bool {
		return r.Topics[0].Partitions[0].ErrorCode != 51
	})
	p = d.end("abort", newest, p, false)
	d.readCommitted("aborted", "tn", id, 5)
	ask[*kmsg.ProduceResponse](d, "not transactional, with a transactional id", newest, func() *kmsg.ProduceRequest {
		b := batch("x")
		return asked(sent("tn", id, 1, sealed(b)), func(r *kmsg.ProduceRequest) { r.TransactionID = &p.txn })
	}())
	ask[*kmsg.ProduceResponse](d, "transactional, without a transactional id", newest, sent("tn", id, 1, p.batch(0, "x")))
	ask[*kmsg.OffsetFetchResponse](d, "committed offset", newest, fetching(10, "tn-group", "tn", id, 0))
}

func transactionOfNobody(d *dialogue) {
	id := d.topic("tx", 1)
	d.coordinator(1, "tx-nobody")
	d.coordinator(0, "tx-group")
	nobody := producer{"tx-nobody", 12345, 0}
	d.each(24, func(v int16) {
		ask[*kmsg.AddPartitionsToTxnResponse](d, "nobody", v, adding(v, nobody, "tx", 0))
		ask[*kmsg.AddPartitionsToTxnResponse](d, "no id", v, adding(v, producer{"", 1, 0}, "tx", 0))
		if v >= 4 {
			ask[*kmsg.AddPartitionsToTxnResponse](d, "verify nobody", v, asked(adding(v, nobody, "tx", 0), func(r *kmsg.AddPartitionsToTxnRequest) {
				r.Transactions[0].VerifyOnly = true
			}))
		}
	})
	d.each(25, func(v int16) {
		ask[*kmsg.AddOffsetsToTxnResponse](d, "nobody", v, &kmsg.AddOffsetsToTxnRequest{TransactionalID: "tx-nobody", ProducerID: 12345, Group: "tx-group"})
		ask[*kmsg.AddOffsetsToTxnResponse](d, "no id", v, &kmsg.AddOffsetsToTxnRequest{ProducerID: 12345, Group: "tx-group"})
		ask[*kmsg.AddOffsetsToTxnResponse](d, "no group", v, &kmsg.AddOffsetsToTxnRequest{TransactionalID: "tx-nobody", ProducerID: 12345})
	})
	d.each(26, func(v int16) {
		ask[*kmsg.EndTxnResponse](d, "nobody", v, &kmsg.EndTxnRequest{TransactionalID: "tx-nobody", ProducerID: 12345, Commit: true})
		ask[*kmsg.EndTxnResponse](d, "no id", v, &kmsg.EndTxnRequest{ProducerID: 12345, Commit: true})
	})
	d.each(28, func(v int16) {
		ask[*kmsg.TxnOffsetCommitResponse](d, "nobody", v, nobody.offsets("tx-group", "tx", id))
		ask[*kmsg.TxnOffsetCommitResponse](d, "no group", v, nobody.offsets("", "tx", id))
		if v >= 3 {
			ask[*kmsg.TxnOffsetCommitResponse](d, "stranger", v, asked(nobody.offsets("tx-group", "tx", id), func(r *kmsg.TxnOffsetCommitRequest) {
				r.MemberID, r.Generation = "stranger", 4
			}))
		}
	})
}

func fencedProducer(d *dialogue) {
	id := d.topic("tf", 1)
	old := d.producer("first", "tf", 4)
	ask[*kmsg.AddPartitionsToTxnResponse](d, "the first adds", 3, adding(3, old, "tf", 0))
	ask[*kmsg.ProduceResponse](d, "the first writes", 11, old.send("tf", id, 0, "a"))
	young := d.producer("second", "tf", 4)
	d.readCommitted("the first is aborted", "tf", id, 2)
	for _, v := range []int16{0, 1, 2, 3} {
		ask[*kmsg.AddPartitionsToTxnResponse](d, "the first adds again", v, adding(v, old, "tf", 0))
	}
	for v := int16(0); v <= 4; v++ {
		ask[*kmsg.EndTxnResponse](d, "the first commits", v, &kmsg.EndTxnRequest{TransactionalID: "tf", ProducerID: old.id, ProducerEpoch: old.epoch, Commit: true})
	}
	ask[*kmsg.ProduceResponse](d, "the first writes again", 11, old.send("tf", id, 1, "b"))
	ask[*kmsg.AddPartitionsToTxnResponse](d, "another id", 3, adding(3, producer{"tf", old.id + 500, 0}, "tf", 0))
	ask[*kmsg.AddPartitionsToTxnResponse](d, "the second adds", 3, adding(3, young, "tf", 0))
	d.end("the second commits", 3, young, true)
}

func describeTransactions(d *dialogue) {
	id := d.topic("td", 2)
	p := d.producer("init", "td", newest)
	ask[*kmsg.ProduceResponse](d, "records", newest, p.send("td", id, 0, "a"))
	d.producer("init of an idle one", "td-idle", newest)
	ask[*kmsg.DescribeTransactionsResponse](d, "some", newest, &kmsg.DescribeTransactionsRequest{TransactionalIDs: []string{"td", "td-idle", "td-absent", ""}})
	look := func(label string, v int16, set func(*kmsg.ListTransactionsRequest)) {
		ask[*kmsg.ListTransactionsResponse](d, label, v, asked(kmsg.NewPtrListTransactionsRequest(), func(r *kmsg.ListTransactionsRequest) {
			r.ProducerIDFilters = []int64{p.id}
			set(r)
		}))
	}
	d.each(66, func(v int16) {
		look("mine", v, func(*kmsg.ListTransactionsRequest) {})
		look("ongoing", v, func(r *kmsg.ListTransactionsRequest) { r.StateFilters = []string{"Ongoing"} })
		look("no such state", v, func(r *kmsg.ListTransactionsRequest) { r.StateFilters = []string{"Sleeping", "Ongoing"} })
		look("empty", v, func(r *kmsg.ListTransactionsRequest) { r.StateFilters = []string{"Empty"} })
		look("of a stranger", v, func(r *kmsg.ListTransactionsRequest) { r.ProducerIDFilters = []int64{987654} })
		if v >= 1 {
			look("of an hour", v, func(r *kmsg.ListTransactionsRequest) { r.DurationFilterMillis = 3600000 })
		}
		if v >= 2 {
			look("by pattern", v, func(r *kmsg.ListTransactionsRequest) { r.TransactionalIDPattern = ptr("td.*") })
			look("by another pattern", v, func(r *kmsg.ListTransactionsRequest) { r.TransactionalIDPattern = ptr("x.*") })
			look("by a bad pattern", v, func(r *kmsg.ListTransactionsRequest) { r.TransactionalIDPattern = ptr("(") })
			look("by no pattern", v, func(r *kmsg.ListTransactionsRequest) { r.TransactionalIDPattern = ptr("") })
		}
	})
	producers := func(label, topic string, partitions ...int32) {
		ask[*kmsg.DescribeProducersResponse](d, label, newest, &kmsg.DescribeProducersRequest{Topics: []kmsg.DescribeProducersRequestTopic{{Topic: topic, Partitions: partitions}}})
	}
	producers("some", "td", 0, 1, 9)
	producers("absent topic", "td-absent", 0)
	producers("no name", "", 0)
	d.end("commit", newest, p, true)
}

func writeMarkers(d *dialogue) {
	id := d.topic("wm", 1)
	mark := func(label string, v int16, p producer, topic string, partition int32, coordinatorEpoch int32) {
		ask[*kmsg.WriteTxnMarkersResponse](d, label, v, &kmsg.WriteTxnMarkersRequest{Markers: []kmsg.WriteTxnMarkersRequestMarker{{
			ProducerID: p.id, ProducerEpoch: p.epoch, CoordinatorEpoch: coordinatorEpoch,
			Topics: []kmsg.WriteTxnMarkersRequestMarkerTopic{{Topic: topic, Partitions: []int32{partition}}},
		}}})
	}
	p := d.producer("init", "wm", newest)
	ask[*kmsg.ProduceResponse](d, "records", newest, p.send("wm", id, 0, "a"))
	d.each(27, func(v int16) {
		mark("absent topic", v, p, "wm-absent", 0, 0)
		mark("absent partition", v, p, "wm", 9, 0)
		mark("old epoch", v, producer{"", p.id, p.epoch - 1}, "wm", 0, 0)
	})
	mark("as an operator does", 1, p, "wm", 0, -1)
	d.readCommitted("aborted by hand", "wm", id, 2)
}
