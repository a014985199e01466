package differential

import "regexp"

// difference is a field that Weir answers otherwise than Apache Kafka.
type difference struct {
	at  *regexp.Regexp // of "scenario/label vN: path"; the path is "" for an answer that did not come
	why string
}

// known lists the differences that are accepted, each with its reason, and last those that are not, which wait to be mended.
var known = []difference{ //nolint:gochecknoglobals // a table
}

// neverRefused are the keys to which Kafka has no error to answer.
var neverRefused = map[int16]string{} //nolint:gochecknoglobals // a table

// listed returns the entry for a difference, nil if there is none.
func listed(at string) *difference {
	for i := range known {
		if known[i].at.MatchString(at) {
			return &known[i]
		}
	}
	return nil
}
