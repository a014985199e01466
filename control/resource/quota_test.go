package resource

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDefaultQuotas(t *testing.T) {
	want := Quotas{
		Brokers: 90, ClusterBrokersZooKeeper: 30, ClusterBrokersKRaft: 60, ServerlessClusters: 10, ServerlessVPCs: 5,
		Configurations: 100, ConfigurationRevisions: 10_000, ScramSecrets: 1000, VPCConnections: 1000,
	}
	if diff := cmp.Diff(want, Quotas{}.WithDefaults()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// Each row has a field of its own.
	for _, r := range QuotaTable() {
		var q Quotas
		*r.value(&q) = 7
		for _, o := range QuotaTable() {
			if got := o.Of(q); (got == 7) != (o.Name == r.Name) {
				t.Errorf("%s is %d when %s is 7", o.Name, got, r.Name)
			}
		}
		if r.Default < 1 || r.Default > r.Most {
			t.Errorf("%s: %d of at most %d", r.Name, r.Default, r.Most)
		}
	}
}

func TestParseQuotas(t *testing.T) {
	got, err := ParseQuotas(" brokers=200, configurations = 1 ,")
	if want := (Quotas{Brokers: 200, Configurations: 1}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if got.WithDefaults().Brokers != 200 || got.WithDefaults().ScramSecrets != 1000 {
		t.Errorf("with defaults: %+v", got.WithDefaults())
	}
	if got, err := ParseQuotas(""); err != nil || got != (Quotas{}) {
		t.Errorf("nothing: %+v, %v", got, err)
	}
	for text, want := range map[string]string{
		"brokers":                 `"brokers" is not name=number`,
		"=3":                      `there is no quota ""; there are brokers, `,
		"broker=3":                `there is no quota "broker"`,
		"brokers=":                `brokers can be 1 to 10000, not ""`,
		"brokers=many":            `not "many"`,
		"brokers=0":               `brokers can be 1 to 10000, not "0"`,
		"brokers=-1":              `not "-1"`,
		"brokers=10001":           `not "10001"`,
		"brokers=9,brokers=10":    "brokers is given twice",
		"brokers=9;configuration": `not "9;configuration"`,
	} {
		if _, err := ParseQuotas(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
