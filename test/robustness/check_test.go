package robustness

import (
	"strings"
	"testing"
)

// TestCheckFindsAnomalies: the checker finds each anomaly in a history made by hand, so that its silence means something.
func TestCheckFindsAnomalies(t *testing.T) {
	healthy := func() (*load, map[place]string) {
		l := newLoad()
		log := map[place]string{}
		for o, value := range []string{"0/0", "0/12", "0/24"} {
			at := place{0, int64(o)}
			l.ack(value, at)
			l.see(at, value)
			log[at] = value
		}
		return l, log
	}
	tests := []struct {
		name  string
		spoil func(*load, map[place]string)
		want  string // "" for none
	}{
		{"healthy", func(*load, map[place]string) {}, ""},
		{"unknown outcome that took effect", func(_ *load, log map[place]string) { log[place{0, 3}] = "0/36" }, ""},
		{"lost at the end", func(_ *load, log map[place]string) { delete(log, place{0, 2}) }, "is lost"},
		{"a gap", func(_ *load, log map[place]string) { delete(log, place{0, 1}) }, "no record at offset 1"},
		{"twice", func(_ *load, log map[place]string) { log[place{0, 3}] = "0/24" }, "there twice"},
		{"offset reused", func(_ *load, log map[place]string) { log[place{0, 2}] = "1/0" }, "read as 0/24 before"},
		{"offset acknowledged twice", func(l *load, _ map[place]string) { l.ack("1/0", place{0, 2}) }, "was acknowledged for"},
		{"read differently", func(l *load, _ map[place]string) { l.see(place{0, 0}, "1/0") }, "and then as"},
		{"out of order", func(_ *load, log map[place]string) { log[place{0, 3}] = "0/6" }, "after its record"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, log := healthy()
			tt.spoil(l, log)
			var got strings.Builder
			for _, err := range l.check(log) {
				got.WriteString(err.Error() + "\n")
			}
			if tt.want == "" && got.Len() > 0 || !strings.Contains(got.String(), tt.want) {
				t.Errorf("check found %q, want %q in it", got.String(), tt.want)
			}
		})
	}
}
