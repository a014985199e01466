package main

import (
	"bytes"
	"strings"
	"testing"

	"weir/daemon"
)

func TestMistakesAreExplained(t *testing.T) {
	nothing := t.TempDir()
	tests := []struct {
		args string
		code int
		want string
	}{
		{"statsu", 2, "did you mean weir status?"},
		{"up --dtaa x", 2, "did you mean --data?"},
		{"up --brokers none", 2, "--brokers"},
		{"up --brokers 0", 2, "1 to 15"},
		{"up --quotas brokers=none", 2, "brokers can be 1 to 10000"},
		{"up --api-rate 0", 2, "--api-rate"},
		{"up --s3-credentials x", 2, "--s3-endpoint"},
		{"up --api nowhere", 2, "127.0.0.1:4566"},
		{"up extra", 2, `"extra"`},
		{"env --format xml", 2, "sh, dotenv or json"},
		{"status --output xml", 2, "table or json"},
		{"env --data " + nothing, 7, "weir up"},
		{"status --data " + nothing, 2, "weir up"},
		{"broker", 2, "config"},
		{"broker --config " + nothing + "/none", 1, "started by weir up"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := run(t.Context(), strings.Fields(tt.args), &out, &errs)
			if code != tt.code || !strings.Contains(errs.String(), tt.want) {
				t.Errorf("exit code %d, want %d; said:\n%s", code, tt.code, errs.String())
			}
			if !strings.HasPrefix(errs.String(), "error: ") || strings.Count(errs.String(), "\n") > 3 {
				t.Errorf("not what, why and fix in a line each:\n%s", errs.String())
			}
			if out.Len() > 0 {
				t.Errorf("stdout has what is no result: %s", out.String())
			}
		})
	}
}

// What can be set at all can be set where it has an effect.
func TestEverySettingIsAFlagOfUp(t *testing.T) {
	flags := newUp().Flags()
	for _, s := range daemon.Settings() {
		if flags.Lookup(s.Name) == nil {
			t.Errorf("weir up has no --%s", s.Name)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, args := range []string{"version", "version --json", "version --output json"} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), strings.Fields(args), &out, &errs); code != 0 || !strings.Contains(out.String(), daemon.Version) || errs.Len() > 0 {
			t.Errorf("%s: code %d, %s%s", args, code, out.String(), errs.String())
		}
	}
}

func TestEnvFormats(t *testing.T) {
	vars := []daemon.Variable{{Name: "A", Value: "http://127.0.0.1:4566"}, {Name: "B", Value: "it's $HOME"}}
	tests := []struct {
		write func([]daemon.Variable) string
		want  string
	}{
		{asShell, "export A=http://127.0.0.1:4566\nexport B='it'\\''s $HOME'\n"},
		{asDotenv, "A=http://127.0.0.1:4566\nB=it's $HOME\n"},
		{asJSON, "{\n  \"A\": \"http://127.0.0.1:4566\",\n  \"B\": \"it's $HOME\"\n}\n"},
	}
	for _, tt := range tests {
		if got := tt.write(vars); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
