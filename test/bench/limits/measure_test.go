//go:build linux

package limits

import (
	"testing"
)

func TestEveryLimitIsMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	m, err := Measure(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", m)
	for name, r := range map[string]Rate{
		"synced write": m.SyncedWrite, "direct write": m.DirectWrite, "cold read": m.ColdRead, "receive": m.Receive, "send": m.Send,
		"sendfile": m.Sendfile, "copy": m.Copy, "checksum": m.Checksum,
	} {
		if r.MBps < 0 || r.CPUPerGB <= 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for name, l := range map[string]Latency{"sync": m.Sync, "round trip": m.RoundTrip} {
		if l.P50 <= 0 || l.P99 < l.P50 || l.CPU <= 0 {
			t.Errorf("%s: %+v", name, l)
		}
	}
	if m.Produce() <= m.Receive.CPUPerGB {
		t.Errorf("the floor of producing is %v", m.Produce())
	}
}
