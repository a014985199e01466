package configdef

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a duration of days and smaller units as ISO 8601 writes it (PnDTnHnMn.nS), in any case. One that is negative, or longer than
// 292 years, is an error.
func ParseDuration(s string) (time.Duration, error) {
	bad := func() (time.Duration, error) { return 0, fmt.Errorf("%q is not a duration as PnDTnHnMn.nS", s) }
	rest, ok := strings.CutPrefix(strings.ToUpper(s), "P")
	if !ok || rest == "" || strings.HasSuffix(rest, "T") {
		return bad()
	}
	units, total, time1 := "D", 0.0, false
	for rest != "" {
		if rest[0] == 'T' && !time1 {
			units, rest, time1 = "HMS", rest[1:], true
			continue
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if end < 1 {
			return bad()
		}
		unit := rest[end]
		at := strings.IndexByte(units, unit)
		n, err := strconv.ParseFloat(rest[:end], 64)
		if at < 0 || err != nil || unit != 'S' && strings.Contains(rest[:end], ".") {
			return bad()
		}
		total += n * map[byte]float64{'D': 24 * float64(time.Hour), 'H': float64(time.Hour), 'M': float64(time.Minute), 'S': float64(time.Second)}[unit]
		units, rest = units[at+1:], rest[end+1:]
	}
	if total >= math.MaxInt64 {
		return bad()
	}
	return time.Duration(total), nil
}
