package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"weir/daemon"
)

// exitFindings is the exit code of check for a configuration that would be refused.
const exitFindings = 1

func newConfiguration() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "configuration",
		Short: "Check and compare configurations before clusters take them",
		Long: "configuration says what would come of a server.properties. Neither command changes anything; aws kafka create-configuration and\n" +
			"update-cluster-configuration do.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newConfigurationCheck(), newConfigurationDiff())
	return cmd
}

func newConfigurationCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Find everything that is wrong with a server.properties",
		Long: "check finds what create-configuration would refuse, and with --cluster what update-cluster-configuration would: one line each, with the\n" +
			"file's line, the property, what it takes, and for a name that is none the nearest that is one. Properties that are taken and do nothing are\n" +
			"notes, on stderr. FILE may be - for stdin. Without --cluster nothing need be running.\n" +
			"Exit codes: 0 nothing is wrong, 1 something is.",
		Example: "  weir configuration check my.properties\n  weir configuration check my.properties --kafka-version 3.9.x\n" +
			"  weir configuration check my.properties --cluster demo --output json",
		Args: cobra.ExactArgs(1),
	}
	load := settings(cmd, "data")
	output := outputFlag(cmd)
	var target daemon.ConfigurationTarget
	cmd.Flags().StringVar(&target.KafkaVersion, "kafka-version", "", "a version that it has to fit, such as 3.9.x; with --cluster, instead of the cluster's own")
	cmd.Flags().StringVar(&target.Cluster, "cluster", "", "a cluster that it has to fit, by name or ARN")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		if err := checkOutput(*output); err != nil {
			return err
		}
		text, err := daemon.ReadProperties(args[0], cmd.InOrStdin())
		if err != nil {
			return err
		}
		check, err := daemon.CheckConfiguration(cmd.Context(), cfg.Data, text, target)
		if err != nil {
			return err
		}
		if *output == "json" {
			err = writeJSON(cmd.OutOrStdout(), check)
		} else {
			writeFindings(cmd.ErrOrStderr(), args[0], "note: ", check.Notes)
			writeFindings(cmd.OutOrStdout(), args[0], "", check.Findings)
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s, %s\n", count(check.Properties, "property", "properties"), count(len(check.Findings), "problem", "problems"))
		}
		if err == nil && len(check.Findings) > 0 {
			err = exitError(exitFindings)
		}
		return err
	}
	return cmd
}

// writeFindings prints them in the form that editors jump by: file, line, text.
func writeFindings(w io.Writer, file, mark string, findings []daemon.ConfigurationFinding) {
	for _, f := range findings {
		where := file
		if f.Line > 0 {
			where += fmt.Sprintf(":%d", f.Line)
		}
		if f.Property != "" {
			where += ": " + f.Property
		}
		fmt.Fprintf(w, "%s%s: %s\n", mark, where, f.Message)
	}
}

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

func newConfigurationDiff() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff FROM TO | diff --cluster CLUSTER TO",
		Short: "Show which properties differ, and which of them need a restart",
		Long: "diff compares two configurations, or a configuration with what holds for a cluster now: the defaults of the cluster's kind, and over them the\n" +
			"revision that it has. What AlterConfigs (kafka-configs.sh) set stands above both and is not looked at. FROM and TO are NAME:REVISION or\n" +
			"ARN:REVISION, without a revision the newest, or file://PATH. (default) is what Kafka takes where nothing is set, - no value.\n" +
			"Exit codes: 0 they were compared, 1 the cluster cannot take TO.",
		Example: "  weir configuration diff mine:1 mine:2\n  weir configuration diff mine file://new.properties\n" +
			"  weir configuration diff --cluster demo mine:2",
		Args: cobra.RangeArgs(1, 2),
	}
	load := settings(cmd, "data")
	output := outputFlag(cmd)
	cluster := cmd.Flags().String("cluster", "", "compare with what holds for this cluster now; by name or ARN")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		if err := checkOutput(*output); err != nil {
			return err
		}
		from, to := args[0], args[len(args)-1]
		switch {
		case *cluster == "" && len(args) == 1:
			return &daemon.Problem{What: "there is nothing to compare " + to + " with", Fix: "name two configurations, or use --cluster", Code: daemon.ExitUsage}
		case *cluster != "" && len(args) == 2:
			return &daemon.Problem{What: "--cluster is compared with one configuration, not two", Fix: "leave one of them out", Code: daemon.ExitUsage}
		case *cluster != "":
			from = ""
		}
		diff, err := daemon.DiffConfigurations(cmd.Context(), cfg.Data, *cluster, from, to)
		if err != nil {
			return err
		}
		if *output == "json" {
			err = writeJSON(cmd.OutOrStdout(), diff)
		} else {
			err = writeDiff(cmd.OutOrStdout(), diff)
		}
		if err == nil && len(diff.Findings) > 0 {
			err = exitError(exitFindings)
		}
		return err
	}
	return cmd
}

func writeDiff(w io.Writer, d *daemon.ConfigurationDiff) error {
	if len(d.Changes) > 0 {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "PROPERTY\tFROM\tTO\tAPPLIES")
		for _, c := range d.Changes {
			if c.NoEffect {
				c.Applies += ", no effect"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", c.Name, shown(c.From, c.FromDefault), shown(c.To, c.ToDefault), c.Applies)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	how := "no broker restarts"
	if d.Restart {
		how = "brokers restart one after the other"
	}
	fmt.Fprintf(w, "%s from %s to %s: %s\n", count(len(d.Changes), "property differs", "properties differ"), d.From, d.To, how)
	writeFindings(w, d.To, "", d.Findings)
	return nil
}

func shown(value string, isDefault bool) string {
	if isDefault && value != "-" {
		value += " (default)"
	}
	return value
}
