package stream

import (
	"context"
	"fmt"

	"weir/storage/wal"
)

// Recover replays log, one of a broker's older streams, on top of state. Streams must come in the order in which they were opened.
// Unless ctx ends, the log was sealed before. It returns how many entries it read.
func Recover(ctx context.Context, state State, logs *Logs, log wal.Log) (entries int64, err error) {
	for e, err := range log.Read(ctx, wal.Position{}) {
		if err != nil {
			return entries, fmt.Errorf("stream: replay: %w", err)
		}
		entries++
		if e.Type == wal.Seal {
			return entries, nil
		}
		var number uint32
		if e.Type == wal.Data {
			number = logs.Number(log, e.At.Seq)
		}
		if err := state.Apply(&e, number); err != nil {
			return entries, err
		}
	}
	return entries, nil
}
