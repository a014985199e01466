package stream

import (
	"context"
	"fmt"

	"weir/storage/wal"
)

// Replayed says what Recover read.
type Replayed struct {
	Entries int64
	Sealed  bool
	End     wal.Position // of the SEAL entry, if Sealed
}

// Recover replays log, one of a broker's older streams, on top of state, up to its SEAL. Streams must come in the order in which they
// were opened. Nothing may append to log any more. After an error state is of no use.
func Recover(ctx context.Context, state State, logs *Logs, log wal.Log) (r Replayed, err error) {
	for e, err := range log.Read(ctx, wal.Position{}) {
		if err != nil {
			return r, fmt.Errorf("stream: replay: %w", err)
		}
		r.Entries++
		if e.Type == wal.Seal {
			r.Sealed, r.End = true, e.At
			return r, nil
		}
		var number uint32
		if e.Type == wal.Data {
			number = logs.Number(log, e.At.Seq)
		}
		if err := state.Apply(&e, number); err != nil {
			return r, err
		}
	}
	return r, nil
}
