package main

import (
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"weir/daemon"
)

// newBroker is the role that a node starts; nobody types it.
func newBroker() *cobra.Command {
	cmd := &cobra.Command{
		Use:    "broker",
		Short:  "Run one broker process (started by a node)",
		Hidden: true,
		Args:   cobra.NoArgs,
	}
	config := cmd.Flags().String("config", "", "file with the broker's configuration")
	if err := cmd.MarkFlagRequired("config"); err != nil {
		panic(err) // the flag was defined above
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM)
		defer stop()
		return daemon.RunBroker(ctx, *config)
	}
	return cmd
}
