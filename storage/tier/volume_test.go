package tier_test

import (
	"testing"

	"weir/storage/tier"
)

// What a broker uses is what its journal's files and its containers take, without a walk of the disk, and goes down when data go.
func TestUsedFollowsWhatIsKept(t *testing.T) {
	w, l := filled(t, 4, 1, tier.Config{UnitFiles: 100})
	onDisk := func() (n int64) {
		t.Helper()
		for _, prefix := range []string{"b/", "s/"} {
			for info, err := range l.store.List(t.Context(), prefix) {
				if err != nil {
					t.Fatal(err)
				}
				n += info.Size
			}
		}
		return n
	}
	if got, want := l.engine.Stats().ContainerBytes, onDisk(); got != want || want == 0 {
		t.Errorf("before anything is collected: %d bytes of containers, there are %d", got, want)
	}
	full := l.engine.Used()
	if full <= onDisk() {
		t.Errorf("%d bytes are used with the journal, the containers alone have %d", full, onDisk())
	}
	for _, p := range l.parts[:3] {
		if err := p.deleteRecords(p.m.end); err != nil {
			t.Fatal(err)
		}
	}
	l.tidy(4)
	if got, want := l.engine.Stats().ContainerBytes, onDisk(); got != want {
		t.Errorf("after a collection: %d bytes of containers, there are %d", got, want)
	}
	if got := l.engine.Used(); got >= full {
		t.Errorf("%d bytes are used after three of four partitions were emptied, %d before", got, full)
	}
	w.finish(l)
}
