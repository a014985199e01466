package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"weir/daemon"
)

// Exit codes of status beside 0 for healthy.
const (
	exitDegraded = 1
	exitDown     = 2
)

func newStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show what runs on the data directory",
		Long:    "status shows the clusters and brokers of the weir up that runs on the data directory.\nExit codes: 0 healthy, 1 degraded, 2 down.",
		Example: "  weir status\n  weir status --output json",
		Args:    cobra.NoArgs,
	}
	load := settings(cmd, "data")
	output := cmd.Flags().StringP("output", "o", "table", "table or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		if *output != "table" && *output != "json" {
			return &daemon.Problem{What: fmt.Sprintf("--output %q is unknown", *output), Fix: "use table or json", Code: daemon.ExitUsage}
		}
		s, err := daemon.ReadStatus(cmd.Context(), cfg.Data)
		if p, ok := daemon.IsProblem(err); ok && p.Code == daemon.ExitCannotConnect {
			if *output == "json" {
				err = errors.Join(err, writeJSON(cmd.OutOrStdout(), daemon.Status{Health: daemon.Down, Version: daemon.Version, Data: cfg.Data}))
			}
			p.Code = exitDown
		}
		if err != nil {
			return err
		}
		if *output == "json" {
			err = writeJSON(cmd.OutOrStdout(), s)
		} else {
			err = writeStatus(cmd.OutOrStdout(), &s)
		}
		if err == nil && s.Health != daemon.Healthy {
			err = exitError(exitDegraded)
		}
		return err
	}
	return cmd
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func writeStatus(w io.Writer, s *daemon.Status) error {
	fmt.Fprintf(w, "weir %s  %s  data: %s  AWS APIs: %s  process: %d\n", s.Version, s.Health, s.Data, s.API, s.PID)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range s.Clusters {
		fmt.Fprintf(t, "cluster %s\t%s\tKafka %s\t%s\n", c.Name, c.State, c.KafkaVersion, c.Bootstrap)
		if c.StateInfo != "" {
			fmt.Fprintf(t, "  %s\n", c.StateInfo)
		}
		for _, b := range c.Brokers {
			state := b.State
			if !b.Ready && state == "RUNNING" {
				state = "RECOVERING"
			}
			fmt.Fprintf(t, "  broker %d\t%s\t%s\tprocess %d\trestarts %d\t%s\n", b.ID, state, b.Address, b.PID, b.Restarts, b.LastExit)
		}
	}
	return t.Flush()
}
