//go:build planted

package chaos

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"weir/internal/checker"
	"weir/internal/planted"
	"weir/test/cluster"
)

// findLimit is how long a bug may stay unnoticed.
const findLimit = 10 * time.Minute

// TestPlantedBugs builds Weir with each bug and runs chaos until the checker finds an anomaly. `make planted` calls it.
func TestPlantedBugs(t *testing.T) {
	binary := filepath.Join(cluster.Root(), "build", "test", "weir-planted")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags=planted", "-o", binary, "./cmd/weir")
	build.Dir = cluster.Root()
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build -tags=planted: %v\n%s", err, out)
	}
	t.Setenv("WEIR_TEST_BINARY", binary)
	for _, bug := range planted.All() {
		t.Run(string(bug), func(t *testing.T) {
			t.Setenv("WEIR_PLANTED_BUG", string(bug))
			begin := time.Now()
			for round := uint64(1); time.Since(begin) < findLimit; round++ {
				if found := hunt(t, round); found != "" {
					t.Logf("found after %v: %s", time.Since(begin).Round(time.Second), found)
					return
				}
			}
			t.Errorf("not found within %v", findLimit)
		})
	}
}

// hunt plays for a while, in turns without faults and with them, and says what was found.
func hunt(t *testing.T, seed uint64) string {
	t.Helper()
	w := cluster.StartWeir(t, cluster.Options{Storage: restless})
	r := newRun(w, seed)
	r.patience = 30 * time.Second
	var faults func(context.Context)
	if seed%2 == 0 {
		faults = func(ctx context.Context) { r.nemesis(ctx, t, w) }
	}
	h := r.play(t, w, 20*time.Second, faults)
	w.Stop(t)
	report, err := checker.Check(h)
	if err != nil {
		return fmt.Sprint("the logs cannot be read to their ends: ", err)
	}
	for _, a := range report.Anomalies {
		// A slow machine is no bug.
		if r.left == nil || a.Name != "lost-input" && a.Name != "unsettled" {
			return a.String()
		}
	}
	return ""
}
