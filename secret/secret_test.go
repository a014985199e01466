package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func master(t *testing.T, id string, fill byte) *Master {
	t.Helper()
	m, err := NewMaster(id, bytes.Repeat([]byte{fill}, keyBytes))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestOpensOnlyWithTheSameKeyAndContext(t *testing.T) {
	m := master(t, "a", 1)
	s, err := m.Seal("arn:one", NewValue([]byte("canary")))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.Open("arn:one", s); err != nil || string(got.Reveal()) != "canary" {
		t.Fatalf("open: %q, %v", got.Reveal(), err)
	}
	changed := func(f func(*Sealed)) Sealed {
		c := Sealed{Master: s.Master, DataKey: bytes.Clone(s.DataKey), Data: bytes.Clone(s.Data)}
		f(&c)
		return c
	}
	other, err := m.Seal("arn:one", NewValue([]byte("other")))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		m       *Master
		context string
		s       Sealed
	}{
		{"another context", m, "arn:two", s},
		{"another master key of the same id", master(t, "a", 2), "arn:one", s},
		{"another master key", master(t, "b", 1), "arn:one", s},
		{"changed data", m, "arn:one", changed(func(c *Sealed) { c.Data[len(c.Data)-1] ^= 1 })},
		{"changed data key", m, "arn:one", changed(func(c *Sealed) { c.DataKey[0] ^= 1 })},
		{"data of another value", m, "arn:one", changed(func(c *Sealed) { c.Data = other.Data })},
		{"parts exchanged", m, "arn:one", changed(func(c *Sealed) { c.Data, c.DataKey = c.DataKey, c.Data })},
		{"nothing", m, "arn:one", Sealed{Master: "a"}},
		{"zero", m, "arn:one", Sealed{}},
	}
	for _, tt := range tests {
		if got, err := tt.m.Open(tt.context, tt.s); !errors.Is(err, ErrSealed) || got.Reveal() != nil {
			t.Errorf("%s: %q, %v", tt.name, got.Reveal(), err)
		}
	}
}

func TestSealedHoldsNoPlainText(t *testing.T) {
	m := master(t, "a", 1)
	seen := map[string]bool{}
	for range 3 {
		s, err := m.Seal("c", NewValue([]byte("canary-canary")))
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(s.Data, []byte("canary")) || bytes.Contains(b, []byte("canary")) || seen[string(b)] {
			t.Errorf("sealed: %s", b)
		}
		seen[string(b)] = true
	}
}

func TestValuesPrintAsAsterisks(t *testing.T) {
	v := NewValue([]byte("canary"))
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "value", v, "in", struct{ V Value }{v})
	b, err := json.Marshal(struct{ V Value }{v})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(v), fmt.Sprintf("%v %+v %#v %s %q", v, v, v, v, v), fmt.Sprintf("%v", struct{ V Value }{v}), log.String(), string(b)} {
		if strings.Contains(text, "canary") || strings.Contains(text, "99 97 110") {
			t.Errorf("printed: %s", text)
		}
	}
}

func TestMasterFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	first, err := LoadOrCreateMaster(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := first.Seal("c", NewValue([]byte("v")))
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadOrCreateMaster(path)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := again.Open("c", s); err != nil || string(v.Reveal()) != "v" {
		t.Errorf("after a restart: %q, %v", v.Reveal(), err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"empty": "", "short": string(whole[:len(whole)/2]), "no key": `{"id":"x"}`, "no id": strings.Replace(string(whole), `"id"`, `"di"`, 1),
		"not hex": `{"id":"x","key":"zz"}`,
	} {
		damaged := filepath.Join(t.TempDir(), "master.key")
		if err := os.WriteFile(damaged, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOrCreateMaster(damaged); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v", name, err)
		}
		if kept, err := os.ReadFile(damaged); err != nil || string(kept) != content {
			t.Errorf("%s: replaced by %q, %v", name, kept, err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateMaster(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("readable by others: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	m, err := NewMaster("a", bytes.Repeat([]byte{7}, keyBytes))
	if err != nil {
		f.Fatal(err)
	}
	s, err := m.Seal("c", NewValue([]byte("v")))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.DataKey, s.Data)
	f.Fuzz(func(t *testing.T, key, data []byte) {
		// The seed opens, also that of another process, whose data key is another.
		v, err := m.Open("c", Sealed{Master: "a", DataKey: key, Data: data})
		if err == nil && string(v.Reveal()) != "v" {
			t.Errorf("opened what was not sealed: %q", v.Reveal())
		}
	})
}
