package configdef

import (
	"maps"
	"slices"
)

// NeedsRestart returns the names of the properties that differ between old and new and that a running broker cannot take over: those that are read-only in
// Kafka, and names that are not known. Sorted; none means that a running broker follows the change at once. A property that is set to what holds without it
// is no change.
func NeedsRestart(old, new map[string]string) []string {
	names := make(map[string]bool)
	for n := range old {
		names[n] = true
	}
	for n := range new {
		names[n] = true
	}
	maps.DeleteFunc(names, func(n string, _ bool) bool {
		c, ok := Broker(n)
		if !ok {
			a, inOld := old[n]
			b, inNew := new[n]
			return inOld == inNew && a == b
		}
		return c.Mode != ReadOnly || sameProperty(c, old, new)
	})
	return slices.Sorted(maps.Keys(names))
}

// sameProperty tells whether both files give the config the same value.
func sameProperty(c *Config, old, new map[string]string) bool {
	a, inOld := old[c.Name]
	b, inNew := new[c.Name]
	switch {
	case inOld && inNew:
		return c.same(c.canonical(a), c.canonical(b))
	case !inOld && !inNew:
		return true
	case c.Null:
		return false
	case inOld:
		return c.same(c.canonical(a), c.Default)
	}
	return c.same(c.canonical(b), c.Default)
}

// Dynamic is the part of the properties that a running broker follows: what Kafka can change at run time. Static is the rest, which holds from a broker's
// start to its end.
func Dynamic(properties map[string]string) map[string]string {
	return choose(properties, func(m Mode) bool { return m != ReadOnly })
}

// Static is the part of the properties that holds as it was when the broker started.
func Static(properties map[string]string) map[string]string {
	return choose(properties, func(m Mode) bool { return m == ReadOnly })
}

func choose(properties map[string]string, want func(Mode) bool) map[string]string {
	out := make(map[string]string, len(properties))
	for n, v := range properties {
		mode := ReadOnly
		if c, ok := Broker(n); ok {
			mode = c.Mode
		}
		if want(mode) {
			out[n] = v
		}
	}
	return out
}
