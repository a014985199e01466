package configdef

import (
	"fmt"
	"strings"
)

// Expects is what values a config takes, in words that end a sentence which begins with "It takes".
func (c *Config) Expects() string {
	allowed := strings.Join(c.OneOf, ", ")
	switch {
	case c.Only != nil && len(c.Only) == 0:
		return "no value of yours"
	case c.Only != nil:
		return c.only() + " only"
	}
	switch c.Type {
	case Boolean:
		return "true or false"
	case Int, Short, Long:
		b := c.Bounds
		if c.Within.set() {
			b = c.Within
		}
		if !b.set() {
			return fmt.Sprintf("a whole number of type %s", c.Type)
		}
		return fmt.Sprintf("a whole number of type %s %s", c.Type, b.words())
	case Double:
		b := c.Bounds
		if c.Within.set() {
			b = c.Within
		}
		if !b.set() {
			return "a number"
		}
		return "a number " + b.words()
	case List:
		if allowed != "" {
			return "a list, with commas between, of: " + allowed
		}
		return "a list with commas between"
	case String, Class, Password:
	}
	if allowed != "" {
		return "one of: " + allowed
	}
	return "a text"
}

func (b Bounds) words() string {
	text := b.String()
	if strings.HasPrefix(text, "from ") {
		return text + " on"
	}
	return "from " + text
}

// nearestMax is the longest name that others are compared with; the work grows with its square.
const nearestMax = 100

// Nearest returns the name that is most like name, or "" if none is like it: so many letters apart at most as a slip of the hand makes.
func Nearest(name string, names []string) string {
	if len(name) > nearestMax {
		return ""
	}
	best, at := "", max(2, len(name)/5)+1
	for _, n := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(n), at); d < at {
			best, at = n, d
		}
	}
	return best
}

// distance is how many bytes must be put in, left out, changed or swapped with their neighbour to make b of a; at least limit if that is as many or more.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}
