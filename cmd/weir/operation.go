package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"weir/daemon"
)

func newOperation() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "operation",
		Short: "Show operations of clusters, and watch one",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newOperationList(), newOperationWatch())
	return cmd
}

func newOperationList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls [CLUSTER]",
		Short:   "List operations, newest first",
		Example: "  weir operation ls\n  weir operation ls demo --output json",
		Args:    cobra.MaximumNArgs(1),
	}
	load := settings(cmd, "data")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		if err := checkOutput(*output); err != nil {
			return err
		}
		cluster := ""
		if len(args) > 0 {
			cluster = args[0]
		}
		all, err := daemon.ListOperations(cmd.Context(), cfg.Data, cluster)
		if err != nil {
			return err
		}
		if *output == "json" {
			return writeJSON(cmd.OutOrStdout(), all)
		}
		t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "STARTED\tTYPE\tSTATE\tTOOK\tARN")
		for _, o := range all {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", o.Started.Format(time.RFC3339), o.Type, o.State, took(o.Started, o.Ended), o.ARN)
		}
		return t.Flush()
	}
	return cmd
}

func newOperationWatch() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watch ARN",
		Short: "Show how an operation goes, step by step and broker by broker",
		Long: "watch shows each step and each broker of an operation as it begins and ends, with an estimate of what is left, until the operation ends.\n" +
			"Exit codes: 0 it did what it was to do, 1 it failed, 130 interrupted (the operation goes on).",
		Example: "  weir operation watch \"$(aws kafka reboot-broker --cluster-arn \"$ARN\" --broker-ids 1 --query ClusterOperationArn --output text)\"",
		Args:    cobra.ExactArgs(1),
	}
	load := settings(cmd, "data")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		if err := checkOutput(*output); err != nil {
			return err
		}
		return watch(cmd, cfg.Data, args[0], *output)
	}
	return cmd
}

func outputFlag(cmd *cobra.Command) *string {
	return cmd.Flags().StringP("output", "o", "table", "table or json")
}

func checkOutput(output string) error {
	if output != "table" && output != "json" {
		return &daemon.Problem{What: fmt.Sprintf("--output %q is unknown", output), Fix: "use table or json", Code: daemon.ExitUsage}
	}
	return nil
}

// watch shows an operation until it has ended: progress on stderr, how it ended on stdout.
func watch(cmd *cobra.Command, data, arn, output string) error {
	p := journal{w: cmd.ErrOrStderr(), live: isTerminal(cmd.ErrOrStderr()), said: map[string]string{}}
	op, err := daemon.WatchOperation(cmd.Context(), data, arn, p.show)
	p.clear()
	switch {
	case errors.Is(err, context.Canceled) && op != nil:
		return &daemon.Problem{
			What: "no longer watching; the operation goes on", Fix: "see weir operation watch " + arn, Code: daemon.ExitInterrupted,
		}
	case err != nil:
		return err
	}
	if output == "json" {
		err = writeJSON(cmd.OutOrStdout(), op)
	} else {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s after %s\n", op.Type, op.State, took(op.Started, op.Ended))
	}
	if err != nil || !op.Failed() {
		return err
	}
	failed := &daemon.Problem{What: "the operation failed", Fix: "see weir status", Code: daemon.ExitFailed}
	if op.Error != nil {
		failed.Why = op.Error.Message
	}
	return failed
}

// journal prints a line for each thing that changed, and on a terminal a last line that is written over.
type journal struct {
	w    io.Writer
	live bool
	said map[string]string
	over int // characters of the last line
}

func (p *journal) show(op *daemon.Operation) {
	if op.QueuePlace > 0 {
		p.say("queue", fmt.Sprintf("waits; its place in the queue is %d", op.QueuePlace), time.Time{}, time.Time{})
	}
	for _, s := range op.Steps {
		if s.Status != "PENDING" {
			p.say(s.Name, s.Status, s.Started, s.Ended)
		}
	}
	for _, b := range op.Brokers {
		if b.Status != "PENDING" {
			p.say(fmt.Sprintf("  broker %d", b.ID), b.Status, b.Started, b.Ended)
		}
	}
	if u := op.Undoing; u != nil {
		p.say("undoing", u.Message, time.Time{}, time.Time{})
	}
	if m := op.Moves; m != nil && m.Problem != "" {
		p.say("moves", m.Problem, time.Time{}, time.Time{})
	}
	if !p.live || op.Over() {
		return
	}
	line := fmt.Sprintf("%3d %%", op.Percent)
	if m := op.Moves; m != nil && m.Total > 0 {
		line += fmt.Sprintf("  %d of %d partitions to move", m.Remaining, m.Total)
	}
	if r := op.Remaining; r != nil {
		line += "  about " + (time.Duration(*r) * time.Millisecond).Round(100*time.Millisecond).String() + " left"
	}
	p.clear()
	p.over, _ = fmt.Fprint(p.w, line)
}

// say prints a line if it says something new about the thing.
func (p *journal) say(thing, status string, started, ended time.Time) {
	if p.said[thing] == status {
		return
	}
	p.said[thing] = status
	p.clear()
	line := fmt.Sprintf("%-28s %s", thing, status)
	if !ended.IsZero() {
		line += "  " + took(started, ended)
	}
	fmt.Fprintln(p.w, line)
}

// clear removes the last line.
func (p *journal) clear() {
	if p.over > 0 {
		fmt.Fprintf(p.w, "\r%*s\r", p.over, "")
		p.over = 0
	}
}

func took(started, ended time.Time) string {
	if ended.IsZero() || started.IsZero() {
		return "-"
	}
	return ended.Sub(started).Round(time.Millisecond).String()
}
