package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"weir/daemon"
)

// run runs one command line and returns the exit code. stdout is for results, stderr for everything else.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:   "weir",
		Short: "Amazon MSK that you can run anywhere",
		Long: "weir serves the AWS APIs of MSK, so the AWS CLI, SDKs and Terraform drive it, and the Kafka protocol from its own brokers.\n" +
			"weir up starts everything on this machine.",
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Args:              cobra.NoArgs,
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(usage)
	root.AddCommand(newUp(), newEnv(), newStatus(), newCluster(), newOperation(), newConfiguration(), newDoctor(), newDump(), newWAL(), newVersion(), newBroker())
	cmd, err := root.ExecuteContextC(ctx)
	return report(cmd, err, stderr)
}

// exitError ends the command with a code and without a message: all is said.
type exitError daemon.ExitCode

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// report prints what went wrong, why, and what to do, each on one line.
func report(cmd *cobra.Command, err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	var exit exitError
	if errors.As(err, &exit) {
		return int(exit)
	}
	p, ok := daemon.IsProblem(err)
	if !ok {
		p = &daemon.Problem{What: err.Error(), Code: daemon.ExitFailed}
		if strings.HasPrefix(err.Error(), "unknown command") || strings.HasPrefix(err.Error(), "required flag") || strings.Contains(err.Error(), "accepts ") {
			p = usageProblem(cmd, err)
		}
	}
	fmt.Fprintln(stderr, "error:", oneLine(p.What))
	if p.Why != "" {
		fmt.Fprintln(stderr, "why:  ", oneLine(p.Why))
	}
	if p.Fix != "" {
		fmt.Fprintln(stderr, "fix:  ", oneLine(p.Fix))
	}
	if p.Code == 0 {
		return int(daemon.ExitFailed)
	}
	return int(p.Code)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func usage(cmd *cobra.Command, err error) error { return usageProblem(cmd, err) }

// usageProblem explains a command line that is none, with the nearest that is.
func usageProblem(cmd *cobra.Command, err error) *daemon.Problem {
	what := err.Error()
	p := &daemon.Problem{What: what, Code: daemon.ExitUsage, Fix: "see " + cmd.CommandPath() + " --help"}
	if name, ok := strings.CutPrefix(what, "unknown flag: --"); ok {
		if near := daemon.Nearest(name, flagNames(cmd)); near != "" {
			p.Fix = "did you mean --" + near + "? " + p.Fix
		}
	}
	if rest, ok := strings.CutPrefix(what, `unknown command "`); ok {
		name, _, _ := strings.Cut(rest, `"`)
		cmd.SuggestionsMinimumDistance = 2
		if near := cmd.SuggestionsFor(name); len(near) > 0 {
			p.Fix = "did you mean " + cmd.CommandPath() + " " + strings.Join(near, " or ") + "? " + p.Fix
		}
	}
	return p
}

func flagNames(cmd *cobra.Command) []string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return names
}

// settings adds the flags of the named settings to cmd and returns what reads them all: flags over environment over weir.yaml over defaults.
func settings(cmd *cobra.Command, names ...string) func() (daemon.Config, error) {
	flags := daemon.Default()
	chosen := make(map[string]daemon.Setting)
	for _, s := range daemon.Settings() {
		for _, name := range names {
			if s.Name != name {
				continue
			}
			chosen[name] = s
			switch v := s.Value(&flags).(type) {
			case *string:
				cmd.Flags().StringVar(v, name, *v, s.Usage)
			case *bool:
				cmd.Flags().BoolVar(v, name, *v, s.Usage)
			case *int:
				cmd.Flags().IntVar(v, name, *v, s.Usage)
			}
		}
	}
	return func() (daemon.Config, error) {
		dir, err := os.Getwd()
		if err != nil {
			return flags, err
		}
		cfg, err := daemon.Load(dir, os.LookupEnv)
		if err != nil {
			return cfg, err
		}
		for name, s := range chosen {
			if !cmd.Flags().Changed(name) {
				continue
			}
			switch v := s.Value(&cfg).(type) {
			case *string:
				*v = *s.Value(&flags).(*string)
			case *bool:
				*v = *s.Value(&flags).(*bool)
			case *int:
				*v = *s.Value(&flags).(*int)
			}
		}
		return cfg, nil
	}
}

// program is how to call this program again from the user's shell.
func program() string {
	self, err := os.Executable()
	if err != nil {
		return "weir"
	}
	if found, err := exec.LookPath("weir"); err == nil && same(found, self) {
		return "weir"
	}
	if strings.Contains(self, string(filepath.Separator)+"go-build") { // go run
		return "go run ./cmd/weir"
	}
	if strings.ContainsRune(os.Args[0], filepath.Separator) {
		return os.Args[0]
	}
	return "weir"
}

func same(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
