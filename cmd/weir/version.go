package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"weir/daemon"
)

func newVersion() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the program's version",
		Example: "  weir version\n  weir version --json",
		Args:    cobra.NoArgs,
	}
	output := cmd.Flags().StringP("output", "o", "table", "table or json")
	asJSON := cmd.Flags().Bool("json", false, "the same as --output json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		v := daemon.ReadVersion()
		switch {
		case *asJSON || *output == "json":
			return writeJSON(cmd.OutOrStdout(), v)
		case *output != "table":
			return &daemon.Problem{What: fmt.Sprintf("--output %q is unknown", *output), Fix: "use table or json", Code: daemon.ExitUsage}
		}
		commit := v.Commit
		if commit != "" {
			commit = "  commit " + commit[:min(len(commit), 12)]
			if v.Modified {
				commit += " (modified)"
			}
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "weir %s%s  %s  %s\n", v.Version, commit, v.Go, v.Platform)
		return err
	}
	return cmd
}
