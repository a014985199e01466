package configdef

import (
	"maps"
	"slices"
)

// NeedsRestart returns the names of the properties that differ between old and new and that a running broker cannot take over: those that are read-only in
// Kafka or taken at the start only (AtStart), and names that are not known. Sorted; none means that a running broker follows the change at once. A property that is set to what holds without it
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
		return c.Live() || sameProperty(c, old, new)
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

// StaticLayer is server.properties as it holds on a running broker: of what it was started with, what only a start can change, and of what the cluster's
// properties are now, all that a running broker follows.
func StaticLayer(started, now map[string]string) map[string]string {
	out := make(map[string]string, len(now))
	for n, v := range started {
		if c, ok := Broker(n); !ok || !c.Live() {
			out[n] = v
		}
	}
	for n, v := range now {
		if c, ok := Broker(n); ok && c.Live() {
			out[n] = v
		}
	}
	return out
}
