package tier

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Setting is a field of Config under the name that an operator uses.
type Setting struct {
	Name  string
	Usage string
	value func(*Config) any // *int64 in bytes, *int or *time.Duration
}

// Settings are the fields of Config that an operator can set.
func Settings() []Setting {
	return []Setting{
		{"checkpoint-bytes", "appended to the journal since the last checkpoint, before the next", func(c *Config) any { return &c.CheckpointBytes }},
		{"checkpoint-interval", "since something changed, before the next checkpoint", func(c *Config) any { return &c.CheckpointInterval }},
		{"flush-bytes", "kept by the journal before data move to segments", func(c *Config) any { return &c.FlushBytes }},
		{"flush-age", "age of the oldest data in the journal before they move to segments", func(c *Config) any { return &c.FlushAge }},
		{"flush-idle", "time without an append after which data move, if there are flush-idle-bytes", func(c *Config) any { return &c.FlushIdle }},
		{"flush-idle-bytes", "that are worth moving while nothing else happens", func(c *Config) any { return &c.FlushIdleBytes }},
		{"journal-limit", "that the journal may take at all", func(c *Config) any { return &c.JournalLimit }},
		{"own-bytes", "of a partition in one flush, from which on it gets a segment of its own", func(c *Config) any { return &c.OwnBytes }},
		{"promote-bytes", "of a partition in bundles, before they move to a segment", func(c *Config) any { return &c.PromoteBytes }},
		{"promote-age", "age of a partition's oldest data in a bundle, before they move to a segment", func(c *Config) any { return &c.PromoteAge }},
		{"tiny-bytes", "less than which moves to a newer bundle instead of a segment", func(c *Config) any { return &c.TinyBytes }},
		{"merge-count", "small segments that are merged at least", func(c *Config) any { return &c.MergeCount }},
		{"retain-interval", "between two looks for what retention drops", func(c *Config) any { return &c.RetainInterval }},
		{"collect-interval", "between two looks for files that nothing needs", func(c *Config) any { return &c.CollectInterval }},
		{"delete-delay", "for which a file stays that nothing needs", func(c *Config) any { return &c.DeleteDelay }},
		{"scrub-interval", "for reading and checking everything that is stored once", func(c *Config) any { return &c.ScrubInterval }},
		{"busy-bytes", "moved in a second at most while appends wait", func(c *Config) any { return &c.BusyBytes }},
		{"tick", "between two looks at all of this", func(c *Config) any { return &c.Tick }},
	}
}

// Parse reads settings as name=value,name=value, for example "flush-age=1m,flush-bytes=512MiB". What is not named keeps its default.
func Parse(text string) (Config, error) {
	var c Config
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return c, fmt.Errorf("tier: %q is not of the form name=value", part)
		}
		if err := c.set(strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (c *Config) set(name, value string) error {
	var names []string
	for _, s := range Settings() {
		names = append(names, s.Name)
		if s.Name != name {
			continue
		}
		var err error
		switch v := s.value(c).(type) {
		case *time.Duration:
			*v, err = time.ParseDuration(value)
		case *int:
			*v, err = strconv.Atoi(value)
		case *int64:
			*v, err = parseBytes(value)
		}
		if err != nil {
			return fmt.Errorf("tier: %s=%s (%s): %w", name, value, s.Usage, err)
		}
		return nil
	}
	return fmt.Errorf("tier: there is no setting %q: they are %s", name, strings.Join(names, ", "))
}

// parseBytes reads a number of bytes with an optional KiB, MiB or GiB.
func parseBytes(s string) (int64, error) {
	shift := 0
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if n, ok := strings.CutSuffix(s, unit); ok {
			s, shift = strings.TrimSpace(n), 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > 1<<(62-shift) || n < -1 {
		return 0, fmt.Errorf("%q is not a number of bytes such as 65536, 64KiB, 64MiB or 2GiB; -1 is never", s)
	}
	if n < 0 {
		return n, nil
	}
	return n << shift, nil
}
