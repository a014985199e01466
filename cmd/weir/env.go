package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"weir/daemon"
)

func newEnv() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "env",
		Short:   "Print what a shell needs to use the weir up that runs here",
		Long:    "env prints the endpoint, the credentials and the bootstrap brokers of the weir up that runs on the data directory. The output holds a secret.",
		Example: "  eval \"$(weir env)\"\n  weir env --format dotenv > .env",
		Args:    cobra.NoArgs,
	}
	load := settings(cmd, "data")
	format := cmd.Flags().String("format", "sh", "sh, dotenv or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		write, ok := map[string]func([]daemon.Variable) string{"sh": asShell, "dotenv": asDotenv, "json": asJSON}[*format]
		if !ok {
			return &daemon.Problem{
				What: fmt.Sprintf("--format %q is unknown", *format), Fix: "use sh, dotenv or json", Code: daemon.ExitUsage,
			}
		}
		vars, err := daemon.ReadEnv(cmd.Context(), cfg.Data)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(cmd.OutOrStdout(), write(vars))
		return err
	}
	return cmd
}

func asShell(vars []daemon.Variable) string {
	var b strings.Builder
	for _, v := range vars {
		fmt.Fprintf(&b, "export %s=%s\n", v.Name, quote(v.Value))
	}
	return b.String()
}

func asDotenv(vars []daemon.Variable) string {
	var b strings.Builder
	for _, v := range vars {
		fmt.Fprintf(&b, "%s=%s\n", v.Name, v.Value)
	}
	return b.String()
}

func asJSON(vars []daemon.Variable) string {
	m := make(map[string]string, len(vars))
	for _, v := range vars {
		m[v.Name] = v.Value
	}
	out, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		panic("strings cannot be encoded: " + err.Error())
	}
	return string(out) + "\n"
}

// quote makes one word of s for a shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return r < 128 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:,@%+=", r))
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
