package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLayersOverrideEachOther(t *testing.T) {
	dir := t.TempDir()
	below := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(below, 0o700); err != nil {
		t.Fatal(err)
	}
	file := "data: state\nbrokers: 5\nregion: eu-west-1\ndemo: false\n"
	if err := os.WriteFile(filepath.Join(dir, "weir.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"WEIR_REGION": "eu-central-1", "WEIR_LOG_LEVEL": "debug"}
	got, err := Load(below, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Data, want.Brokers, want.Region, want.Demo, want.LogLevel = filepath.Join(dir, "state"), 5, "eu-central-1", false, "debug"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := got.Check(); err != nil {
		t.Error(err)
	}
}

func TestBadFilesAndValuesAreExplained(t *testing.T) {
	tests := []struct{ name, file, env, want string }{
		{"unknown key", "borkers: 3", "", `"brokers"`},
		{"not yaml", "a: [", "", "not usable"},
		{"bad number", "brokers: many", "", `key "brokers"`},
		{"bad environment", "", "perhaps", "WEIR_DEMO"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "weir.yaml"), []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Load(dir, func(name string) (string, bool) { return tt.env, name == "WEIR_DEMO" && tt.env != "" })
			p, ok := IsProblem(err)
			if !ok || p.Code != ExitUsage || !strings.Contains(p.What+p.Why+p.Fix, tt.want) {
				t.Errorf("got %+v; want it to say %s", p, tt.want)
			}
		})
	}
}

func TestCheckRefusesWhatCannotWork(t *testing.T) {
	tests := map[string]func(*Config){
		"data":      func(c *Config) { c.Data = "" },
		"api":       func(c *Config) { c.API = "nowhere" },
		"region":    func(c *Config) { c.Region = "Mars" },
		"quotas":    func(c *Config) { c.Quotas = "brokers=many" },
		"brokers":   func(c *Config) { c.Brokers = 0 },
		"log":       func(c *Config) { c.Log = "syslog" },
		"log-level": func(c *Config) { c.LogLevel = "loud" },
	}
	for name, spoil := range tests {
		c := Default()
		spoil(&c)
		if p, ok := IsProblem(c.Check()); !ok || !strings.HasPrefix(p.What, "--"+name+" ") || p.Fix == "" {
			t.Errorf("%s: got %+v", name, p)
		}
	}
	for _, api := range []string{"0.0.0.0:4566", "192.168.1.1:80", "127.0.0.1:99999", "example.org:80"} {
		c := Default()
		if c.API = api; c.Check() == nil {
			t.Errorf("the API address %s passes", api)
		}
	}
}
