package broker

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/wire"
)

func TestRepeatedPartitionsAreProducedOnce(t *testing.T) {
	part := func(index int32, records string) wire.ProducePart {
		return wire.ProducePart{Partition: index, Records: []byte(records)}
	}
	req := &wire.ProduceRequest{
		Topics: []wire.ProduceTopic{{Name: "a", Parts: 3}, {Name: "b", Parts: 1}, {Name: "a", Parts: 2}},
		Parts:  []wire.ProducePart{part(1, "first"), part(0, "a0"), part(1, "second"), part(1, "b1"), part(5000, "a5000"), part(0, "last")},
	}
	var r repeats
	if !r.produce(req) {
		t.Fatal("the request is not known to repeat itself")
	}
	dropRepeated(req)
	if want := []wire.ProduceTopic{{Name: "a", Parts: 3}, {Name: "b", Parts: 1}}; !slices.Equal(req.Topics, want) {
		t.Errorf("topics %v, want %v", req.Topics, want)
	}
	var got []string
	for _, p := range req.Parts {
		got = append(got, fmt.Sprintf("%d %s", p.Partition, p.Records))
	}
	if want := []string{"1 second", "0 last", "5000 a5000", "1 b1"}; !slices.Equal(got, want) {
		t.Errorf("partitions %q, want %q", got, want)
	}
	if r.produce(req) {
		t.Error("it still repeats itself")
	}
}

// Nearly all requests name everything once, so that finding out must cost next to nothing.
func TestRepeatsAreLookedForWithoutAllocating(t *testing.T) {
	for _, topics := range []int{1, 3, 200} {
		fetch := kmsg.NewPtrFetchRequest()
		produce := &wire.ProduceRequest{}
		for i := range topics {
			ft := kmsg.NewFetchRequestTopic()
			ft.Topic = fmt.Sprint("topic-", i)
			for p := range int32(100) {
				fp := kmsg.NewFetchRequestTopicPartition()
				fp.Partition = (p*7 + 3) % 1000
				ft.Partitions = append(ft.Partitions, fp)
				produce.Parts = append(produce.Parts, wire.ProducePart{Partition: fp.Partition})
			}
			fetch.Topics = append(fetch.Topics, ft)
			produce.Topics = append(produce.Topics, wire.ProduceTopic{Name: ft.Topic, Parts: 100})
		}
		var r repeats
		allocs := testing.AllocsPerRun(20, func() {
			if r.fetch(fetch) || r.produce(produce) {
				t.Fatal("the request is said to repeat itself")
			}
		})
		if allocs > 0 && topics <= fewTopics { // more need a set, which a pool keeps as long as it likes
			t.Errorf("%d topics: %v allocations", topics, allocs)
		}
		fetch.Topics = append(fetch.Topics, fetch.Topics[topics/2])
		if !r.fetch(fetch) {
			t.Errorf("%d topics: a topic that is named twice is not found", topics)
		}
	}
}
