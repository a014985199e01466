package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"weir/daemon"
)

func newWAL() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wal",
		Short: "Look into brokers' journals",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newWALInspect())
	return cmd
}

func newWALInspect() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect [directory]",
		Short: "Check journal files and show what they hold",
		Long: "inspect reads the journals below a directory, or those of all brokers of the data directory, and checks every checksum.\n" +
			"It changes nothing and needs no weir up. Exit codes: 0 all can be read, 2 something is damaged.",
		Example: "  weir wal inspect\n  weir wal inspect --entries .weir/clusters/*/broker-1/wal/1-*\n  weir wal inspect --entries --output jsonl",
		Args:    cobra.MaximumNArgs(1),
	}
	load := settings(cmd, "data")
	entries := cmd.Flags().Bool("entries", false, "show every entry")
	output := cmd.Flags().StringP("output", "o", "table", "table or jsonl (one object a line)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		dir := ""
		if len(args) > 0 {
			dir = args[0]
		}
		var show journalPrinter
		switch *output {
		case "table":
			show = &journalTable{w: tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)}
		case "jsonl":
			show = &journalLines{json.NewEncoder(cmd.OutOrStdout())}
		default:
			return &daemon.Problem{What: fmt.Sprintf("--output %q is unknown", *output), Fix: "use table or jsonl", Code: daemon.ExitUsage}
		}
		var entry func(daemon.JournalEntry)
		if *entries {
			entry = show.entry
		}
		sound, err := daemon.InspectJournals(cmd.Context(), cfg.Data, dir, entry, show.file)
		if err = errors.Join(err, show.flush()); err == nil && !sound {
			err = exitError(exitDown)
		}
		return err
	}
	return cmd
}

// journalPrinter shows a journal as it is read.
type journalPrinter interface {
	entry(daemon.JournalEntry)
	file(daemon.JournalFile)
	flush() error
}

type journalLines struct{ enc *json.Encoder }

func (l *journalLines) entry(e daemon.JournalEntry) { _ = l.enc.Encode(e) } // a reader that left is no error
func (l *journalLines) file(f daemon.JournalFile)   { _ = l.enc.Encode(f) }
func (l *journalLines) flush() error                { return nil }

type journalTable struct {
	w       *tabwriter.Writer
	titled  bool
	entries int
}

func (t *journalTable) entry(e daemon.JournalEntry) {
	if t.entries%1000 == 0 {
		_ = t.w.Flush() // show long journals as they are read
		fmt.Fprintln(t.w, "OFFSET\tTYPE\tPARTITION\tEPOCH\tOFFSETS\tBATCHES\tBYTES\tTIME")
	}
	t.entries++
	partition := "-"
	if e.Topic != "" {
		partition = fmt.Sprintf("%s-%d", e.Topic, e.Partition)
	}
	fmt.Fprintf(t.w, "%d\t%s\t%s\t%d\t%d..%d\t%d\t%d\t%s\n", e.Offset, e.Type, partition, e.LeaderEpoch, e.BaseOffset, e.LastOffset,
		e.Batches, e.Bytes, e.Time.Format(time.RFC3339Nano))
}

func (t *journalTable) file(f daemon.JournalFile) {
	if !t.titled || t.entries > 0 {
		_ = t.w.Flush()
		fmt.Fprintln(t.w, "FILE\tBYTES\tFRAMES\tENTRIES\tEND\tSTATE")
	}
	t.titled, t.entries = true, 0
	state := "open"
	switch {
	case f.Problem != "":
		state = "DAMAGED: " + f.Problem
	case f.Sealed:
		state = "sealed"
	case f.Torn:
		state = "open, not a frame behind its end"
	}
	fmt.Fprintf(t.w, "%s\t%d\t%d\t%d\t%d\t%s\n", f.File, f.Bytes, f.Frames, f.Entries, f.End, state)
}

func (t *journalTable) flush() error { return t.w.Flush() }
