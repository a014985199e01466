package differential

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// finding is a difference that several versions of one question share, as it is reported.
type finding struct {
	question, request string
	key               int16
	versions          versionList
	lines             []string
}

type versionList []int16

func (v versionList) String() string {
	var parts []string
	for i := 0; i < len(v); {
		j := i
		for j+1 < len(v) && v[j+1] == v[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, fmt.Sprintf("v%d", v[i]))
		} else {
			parts = append(parts, fmt.Sprintf("v%d-%d", v[i], v[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// gather joins the findings of versions of a question that differ alike.
func gather(all []finding) []finding {
	const linesMax = 30
	var joined []finding
	for _, f := range all {
		// Names that scenarios make for a version end with it.
		for i, line := range f.lines {
			line = strings.ReplaceAll(line, fmt.Sprintf("-%d]", f.versions[0]), "-v]")
			f.lines[i] = strings.ReplaceAll(line, fmt.Sprintf("-%d>", f.versions[0]), "-v>")
		}
		if len(f.lines) > linesMax {
			f.lines = append(f.lines[:linesMax:linesMax], fmt.Sprintf("and %d more", len(f.lines)-linesMax))
		}
		at := slices.IndexFunc(joined, func(o finding) bool {
			return o.key == f.key && o.question == f.question && slices.Equal(o.lines, f.lines)
		})
		if at < 0 {
			joined = append(joined, f)
			continue
		}
		joined[at].versions = append(joined[at].versions, f.versions...)
		joined[at].request = f.request
	}
	return joined
}

// differing lists the fields that are not alike, without those for which listed has an entry. A part of the tree that only one side has is
// one line.
func differing(kafka, weir fields, excused func(path string) bool) []string {
	if k, w := kafka[unanswered], weir[unanswered]; k != w {
		if excused(unanswered) {
			return nil
		}
		return []string{fmt.Sprintf("Kafka: %s, Weir: %s", cmp.Or(k, answer(kafka)), cmp.Or(w, answer(weir)))}
	}
	var lines []string
	last := ""
	for _, path := range union(kafka, weir) {
		k, onKafka := kafka[path]
		w, onWeir := weir[path]
		if onKafka && onWeir && k == w || excused(path) {
			continue
		}
		if onKafka != onWeir {
			other, who := kafka, "Kafka has no such thing"
			if onKafka {
				other, who = weir, "Weir has no such thing"
			}
			top := absentFrom(other, path)
			if top == last {
				continue
			}
			if last = top; top != path {
				lines = append(lines, top+": "+who)
				continue
			}
		}
		lines = append(lines, fmt.Sprintf("%s: Kafka %s, Weir %s", path, shown(kafka, path), shown(weir, path)))
	}
	return lines
}

// answer sums an answer up by its error codes.
func answer(f fields) string {
	var codes []string
	for _, path := range slices.Sorted(maps.Keys(f)) {
		if strings.HasSuffix(path, "ErrorCode") {
			codes = append(codes, path+" "+f[path])
		}
	}
	return "answered " + strings.Join(codes, ", ")
}

// absentFrom is the shortest beginning of path, an element of a list or path itself, of which f has nothing.
func absentFrom(f fields, path string) string {
	for i, c := range path {
		if c != ']' {
			continue
		}
		if top := path[:i+1]; !slices.ContainsFunc(union(f, nil), func(p string) bool { return strings.HasPrefix(p, top) }) {
			return top
		}
	}
	return path
}

func shown(f fields, path string) string {
	if v, ok := f[path]; ok {
		return v
	}
	return "nothing"
}
