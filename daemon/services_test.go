package daemon

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	awskafka "weir/aws/kafka"
	"weir/metadata"
	"weir/secret"
)

var update = flag.Bool("update", false, "write the generated part of docs/guide/aws-services.md")

// TestServicesGuide compares the guide's table of operations with the services that are bound.
func TestServicesGuide(t *testing.T) {
	const (
		path  = "../docs/guide/aws-services.md"
		begin = "<!-- written by go test ./daemon -run TestServicesGuide -update -->\n"
		end   = "<!-- end of what is written -->\n"
	)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(b), begin)
	old, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", path)
	}
	table := servicesTable(t)
	if old == table {
		return
	}
	if !*update {
		t.Fatalf("%s is not what is served: run go test ./daemon -run TestServicesGuide -update", path)
	}
	if err := os.WriteFile(path, []byte(head+begin+table+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

func servicesTable(t *testing.T) string {
	t.Helper()
	store := metadata.NewMem()
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	master, err := secret.NewMaster("test", make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	out.WriteString("\n| service | operations | served |\n|---|---|---|\n")
	for _, s := range services(store, master, awskafka.Deps{}) {
		var served []string
		v, m := reflect.ValueOf(s).Elem(), s.Model()
		for _, op := range m.Operations {
			if f := v.FieldByName(op.Name); f.IsValid() && !f.IsNil() {
				served = append(served, op.Name)
			}
		}
		list := strings.Join(served, ", ")
		if list == "" {
			list = "none yet"
		}
		fmt.Fprintf(&out, "| `%s` (%s) | %d of %d | %s |\n", m.Name, m.Title, len(served), len(m.Operations), list)
	}
	out.WriteString("\n")
	return out.String()
}
