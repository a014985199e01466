package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"weir/daemon"
)

func newCluster() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Stop and start clusters",
		Long: "cluster does with a cluster what no AWS call does. A stopped cluster has no processes; its data, addresses, configuration and operations stay,\n" +
			"and it costs nothing but disk.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(
		newClusterChange("stop", "End a cluster's brokers and keep everything else", daemon.StopCluster),
		newClusterChange("start", "Bring a stopped cluster back", daemon.StartCluster),
	)
	return cmd
}

func newClusterChange(
	verb, short string, change func(ctx context.Context, data, cluster string, queue bool) (string, error),
) *cobra.Command {
	cmd := &cobra.Command{
		Use:     verb + " CLUSTER",
		Short:   short,
		Long:    short + ". CLUSTER is its name or ARN. The command waits for the operation to end; Ctrl-C ends the waiting, not the operation.",
		Example: "  weir cluster " + verb + " demo\n  weir cluster " + verb + " demo --queue --no-wait",
		Args:    cobra.ExactArgs(1),
	}
	load := settings(cmd, "data")
	queue := cmd.Flags().Bool("queue", false, "if another operation is under way, do it afterwards")
	noWait := cmd.Flags().Bool("no-wait", false, "print the operation's ARN and do not wait")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		arn, err := change(cmd.Context(), cfg.Data, args[0], *queue)
		if err != nil {
			return err
		}
		if *noWait {
			_, err = fmt.Fprintln(cmd.OutOrStdout(), arn)
			return err
		}
		return watch(cmd, cfg.Data, arn, "table")
	}
	return cmd
}
