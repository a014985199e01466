package coordinator

import (
	"math"
	"unicode/utf16"
)

// PartitionFor is Kafka's choice of the partition that keeps what is known of a name: the absolute value of its Java hash code (0 for the one that has
// none) modulo the number of partitions.
func PartitionFor(name string, partitions int) int32 {
	var h int32
	for _, u := range utf16.Encode([]rune(name)) {
		h = 31*h + int32(u)
	}
	if h == math.MinInt32 {
		return 0
	}
	return max(h, -h) % int32(partitions)
}
