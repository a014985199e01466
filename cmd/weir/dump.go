package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"weir/daemon"
)

func newDump() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dump TOPIC[/PARTITION]",
		Short: "Show what a broker has stored of a partition",
		Long: "dump shows a partition's metadata, its batches and where they lie, and its records, as text. It reads the files themselves, changes\n" +
			"nothing, and needs no weir up. TOPIC is a name, or an id in hexadecimal.",
		Example: "  weir dump orders/0\n  weir dump orders/2 --from 1000 --limit 20 --records\n  weir dump orders/0 --output jsonl",
		Args:    cobra.ExactArgs(1),
	}
	load := settings(cmd, "data")
	output := cmd.Flags().StringP("output", "o", "text", "text or jsonl (one object a line)")
	r := daemon.DumpRequest{}
	cmd.Flags().Int64Var(&r.From, "from", 0, "offset to begin with")
	cmd.Flags().IntVar(&r.Limit, "limit", -1, "most records to show; -1 is all")
	cmd.Flags().BoolVar(&r.Records, "records", false, "show records, not only batches")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		r.Data = cfg.Data
		if r.Topic, r.Partition, err = daemon.ParsePartition(args[0]); err != nil {
			return err
		}
		switch *output {
		case "text":
			return daemon.Dump(cmd.Context(), r, dumpText(cmd.OutOrStdout()))
		case "jsonl":
			enc := json.NewEncoder(cmd.OutOrStdout())
			return daemon.Dump(cmd.Context(), r, daemon.DumpPrinter{
				State:  func(s daemon.DumpState) { _ = enc.Encode(s) },
				Batch:  func(b daemon.DumpBatch) { _ = enc.Encode(b) },
				Record: func(rec daemon.DumpRecord) { _ = enc.Encode(rec) },
			})
		}
		return &daemon.Problem{What: fmt.Sprintf("--output %q is unknown", *output), Fix: "use text or jsonl", Code: daemon.ExitUsage}
	}
	return cmd
}

func dumpText(w io.Writer) daemon.DumpPrinter {
	return daemon.DumpPrinter{
		State: func(s daemon.DumpState) {
			fmt.Fprintf(w, "partition %s  id %s  in %s\n", s.Partition, s.TopicID, s.Broker)
			fmt.Fprintf(w, "  offsets %d to %d, in the journal from %d on (%d entries)\n", s.LogStart, s.HighWatermark, s.JournalFrom, s.JournalExtents)
			for _, e := range s.LeaderEpochs {
				fmt.Fprintf(w, "  leader epoch %d from %d\n", e.Epoch, e.Start)
			}
			for _, p := range s.Producers {
				fmt.Fprintf(w, "  producer %d epoch %d last sequence %d\n", p.ID, p.Epoch, p.LastSequence)
			}
			for _, p := range s.Pieces {
				fmt.Fprintf(w, "  piece %d..%d  %s in %d records  %s\n", p.Base, p.Last, size(int64(p.Bytes)), p.Records, p.File)
			}
		},
		Batch: func(b daemon.DumpBatch) {
			kind := ""
			switch {
			case b.Control:
				kind = " control"
			case b.Transaction:
				kind = " transactional"
			}
			producer := ""
			if b.ProducerID >= 0 {
				producer = fmt.Sprintf(" producer %d/%d sequence %d", b.ProducerID, b.Epoch, b.Sequence)
			}
			fmt.Fprintf(w, "batch %d..%d%s epoch %d, %d records, %d bytes, %s%s, at %s:%d\n", b.Base, b.Last, kind, b.LeaderEpoch, b.Records, b.Bytes, b.Codec,
				producer, b.File, b.Position)
			if b.Problem != "" {
				fmt.Fprintf(w, "  its records cannot be read: %s\n", b.Problem)
			}
		},
		Record: func(r daemon.DumpRecord) {
			at := "-"
			if r.Timestamp >= 0 {
				at = time.UnixMilli(r.Timestamp).UTC().Format(time.RFC3339Nano)
			}
			fmt.Fprintf(w, "  %d %s %s = %s\n", r.Offset, at, printable(r.Key), printable(r.Value))
		},
	}
}

// printable shows bytes as text if they are, and never lets them act on the terminal.
func printable(b []byte) string {
	switch {
	case b == nil:
		return "null"
	case utf8.Valid(b):
		return strconv.Quote(string(b))
	default:
		return fmt.Sprintf("0x%x", b)
	}
}
