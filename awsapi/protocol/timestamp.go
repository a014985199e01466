package protocol

import (
	"math"
	"strconv"
	"time"
)

const iso8601Millis = "2006-01-02T15:04:05.000Z"

// parseTimestamp reads a timestamp in text: ISO 8601 in any precision and zone, RFC 822, or epoch seconds.
func parseTimestamp(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, time.RFC1123, "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return parseEpoch(s)
}

// parseEpoch reads seconds since 1970, with a fraction or an exponent if there is one, to the millisecond.
func parseEpoch(s string) (time.Time, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > 253402300799 { // the year 9999
		return time.Time{}, refuse("%q is not a timestamp", s)
	}
	return time.UnixMilli(int64(math.Round(f * 1000))).UTC(), nil
}

func formatISO8601(t time.Time) string { return t.UTC().Format(iso8601Millis) }

// formatEpoch writes seconds with the milliseconds that are not zero.
func formatEpoch(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', -1, 64)
}
