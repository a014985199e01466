package differential

import (
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// bareScenarios send every API's empty request, which is valid for few, in every version.
func bareScenarios(kafka map[int16]versions) []scenario {
	var all []scenario
	for _, key := range slices.Sorted(maps.Keys(kafka)) {
		all = append(all, scenario{"bare " + kmsg.NameForKey(key), []int16{key}, func(d *dialogue) {
			d.each(key, func(v int16) {
				req := kmsg.RequestForKey(key)
				if p, ok := req.(*kmsg.ProduceRequest); ok {
					p.Acks = -1 // its zero value asks for no answer
				}
				question := func() { ask[kmsg.Response](d, "empty request", v, req) }
				if key == 24 && v >= 4 { // AddPartitionsToTxn
					d.unanswered(question)
				} else {
					question()
				}
			})
		}})
	}
	return all
}

// warm is told first and not compared: afterwards the internal topics are there and producer ids are given out.
var warm = scenario{run: func(d *dialogue) { //nolint:gochecknoglobals // a table
	d.coordinator(0, "warm")
	d.coordinator(1, "warm")
	eventually(d, kmsg.NewPtrInitProducerIDRequest(), func(resp *kmsg.InitProducerIDResponse) bool { return resp.ErrorCode == 0 })
	if _, ok := d.served[76]; ok {
		d.coordinator(2, "warm:AAAAAAAAAAAAAAAAAAAAAQ:0")
	}
}}
