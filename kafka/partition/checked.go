package partition

import "slices"

// checked remembers which data of the journal were read back and found good, as ranges of offsets: from the second time on they may be sent from
// the file unseen. Consumers read from one end to the other, so the ranges are few and grow; when there are too many the shortest is forgotten,
// and its data are read once more.
type checked struct {
	ranges []offsets // ascending, with gaps between them
}

type offsets struct{ from, to int64 }

const checkedMax = 4

// holds tells whether all of [from, to) was checked.
func (c *checked) holds(from, to int64) bool {
	for _, r := range c.ranges {
		if r.from <= from && to <= r.to {
			return true
		}
	}
	return false
}

// add notes [from, to). What lies before start is not in the journal any more.
func (c *checked) add(from, to, start int64) {
	i := 0
	for ; i < len(c.ranges) && c.ranges[i].to < from; i++ {
	}
	j := i
	for ; j < len(c.ranges) && c.ranges[j].from <= to; j++ {
		from, to = min(from, c.ranges[j].from), max(to, c.ranges[j].to)
	}
	c.ranges = slices.Replace(c.ranges, i, j, offsets{from, to})
	c.ranges = slices.DeleteFunc(c.ranges, func(r offsets) bool { return r.to <= start })
	if len(c.ranges) > checkedMax {
		shortest := 0
		for i, r := range c.ranges {
			if s := c.ranges[shortest]; r.to-r.from < s.to-s.from {
				shortest = i
			}
		}
		c.ranges = slices.Delete(c.ranges, shortest, shortest+1)
	}
	if len(c.ranges) == 0 {
		c.ranges = nil // idle partitions are many
	}
}
