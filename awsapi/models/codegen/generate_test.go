package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGeneratedFilesAreFresh fails when go generate would change a byte of awsapi/gen, or leave a file there that it no longer writes.
func TestGeneratedFilesAreFresh(t *testing.T) {
	want := map[string]bool{}
	for _, s := range services() {
		m, err := readModel(filepath.Join("..", s.name))
		if err != nil {
			t.Fatal(err)
		}
		files, err := generate(s, m)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		for name, src := range files {
			path := filepath.Join("..", "..", "gen", s.folder(), name)
			want[path] = true
			got, err := os.ReadFile(path)
			if err != nil {
				t.Error(err)
			} else if !bytes.Equal(got, src) {
				t.Errorf("%s is not what the generator writes: run go generate ./awsapi/gen", path)
			}
		}
	}
	have, err := filepath.Glob("../../gen/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range have {
		if !want[path] {
			t.Errorf("%s is not written by the generator", path)
		}
	}
}

// TestEveryModelIsGenerated: a model without a line in services() would be dead data.
func TestEveryModelIsGenerated(t *testing.T) {
	dirs, err := filepath.Glob("../*/service-2*.json")
	if err != nil {
		t.Fatal(err)
	}
	var have, want []string
	for _, d := range dirs {
		have = append(have, filepath.Base(filepath.Dir(d)))
	}
	for _, s := range services() {
		want = append(want, s.name)
	}
	slices.Sort(have)
	if d := cmp.Diff(want, have); d != "" {
		t.Error(d)
	}
}

// TestPatternsLeftOut keeps the list of patterns that Go's regular expressions cannot express, and that are therefore not checked.
func TestPatternsLeftOut(t *testing.T) {
	var got []string
	for _, s := range services() {
		m, err := readModel(filepath.Join("..", s.name))
		if err != nil {
			t.Fatal(err)
		}
		for name, sh := range m.Shapes {
			if _, err := goPattern(sh.Pattern); err != nil {
				got = append(got, s.name+"."+name+" "+sh.Pattern)
			}
		}
	}
	slices.Sort(got)
	want := []string{
		"iam.accountAliasType ^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestGoPattern(t *testing.T) {
	for in, want := range map[string]string{
		`[\u0020-\u00FF]+`: `[\x{0020}-\x{00FF}]+`,
		`[\w-_]*`:          `[\w\-_]*`,
		`[\u0020-\uD7FF\uD800\uDC00-\uDBFF\uDFFF\n]*`: `[\x{0020}-\x{D7FF}\x{10000}-\x{10FFFF}\n]*`,
		`^[0-9A-Za-z-]+$`: `^[0-9A-Za-z-]+$`,
	} {
		if got, err := goPattern(in); got != want || err != nil {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
}

func TestCamel(t *testing.T) {
	for in, want := range map[string]string{
		"PER_TOPIC_PER_BROKER": "PerTopicPerBroker", "kafka.m5.large": "KafkaM5Large", "TLS": "Tls",
		"us-east-1": "UsEast1", "awsExclusive": "AwsExclusive", "": "Empty",
	} {
		if got := camel(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// TestModelsThatNeedMoreAreRefused: what is not generated yet must not be generated wrongly.
func TestModelsThatNeedMoreAreRefused(t *testing.T) {
	for name, shape := range map[string]string{
		"flattened list":   `{"type":"list","member":{"shape":"S"},"flattened":true}`,
		"payload":          `{"type":"structure","members":{},"payload":"Body"}`,
		"header":           `{"type":"structure","members":{"A":{"shape":"S","location":"header","locationName":"a"}}}`,
		"unknown shape":    `{"type":"structure","members":{"A":{"shape":"Nope"}}}`,
		"streaming member": `{"type":"structure","members":{"A":{"shape":"S","streaming":true}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			model := `{"metadata":{"protocol":"json"},"operations":{},"shapes":{"S":{"type":"string"},"X":` + shape + `}}`
			if err := os.WriteFile(filepath.Join(dir, "service-2.json"), []byte(model), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := readModel(dir); err == nil || !strings.Contains(err.Error(), "X") {
				t.Errorf("error %v", err)
			}
		})
	}
}
