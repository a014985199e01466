package batch

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// refusedMax bounds the records that a Refused names: a batch has room for many more, and each is answered with a text. Apache Kafka names them all.
const refusedMax = 1000

// Refused is a batch that is whole but holds records that its topic does not take (KIP-467): nothing of it is appended.
type Refused struct {
	Code    *kerr.Error // INVALID_TIMESTAMP if one of the records has a bad one, else INVALID_RECORD
	Records []RefusedRecord
	More    int // that are refused too, behind the last of Records
}

// RefusedRecord is a record that is not taken.
type RefusedRecord struct {
	Index  int32 // in the batch, from 0
	Reason string
}

func (e *Refused) Error() string {
	if len(e.Records)+e.More == 1 {
		return fmt.Sprintf("record %d: %s", e.Records[0].Index, e.Records[0].Reason)
	}
	return fmt.Sprintf("%d records are refused, the first is record %d: %s", len(e.Records)+e.More, e.Records[0].Index, e.Records[0].Reason)
}

// Unwrap makes the error one that has a code.
func (e *Refused) Unwrap() error { return e.Code }

// with adds a record to e, which may be nil.
func (e *Refused) with(index int32, code *kerr.Error, reason string, args ...any) *Refused {
	if e == nil {
		e = &Refused{Code: code}
	}
	if code == kerr.InvalidTimestamp {
		e.Code = code
	}
	if len(e.Records) == refusedMax {
		e.More++
		return e
	}
	e.Records = append(e.Records, RefusedRecord{index, fmt.Sprintf(reason, args...)})
	return e
}
