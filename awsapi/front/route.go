package front

import (
	"net/http"
	"net/url"
	"strings"
)

// route is the path template of a rest operation, split at its slashes. A segment is literal or a label, "{name}".
type route struct {
	op       *operation
	segments []string
	literals int
}

func newRoute(op *operation) *route {
	path, _, _ := strings.Cut(op.model.URI, "?")
	r := &route{op: op, segments: strings.Split(path, "/")}
	for _, s := range r.segments {
		if !isLabel(s) {
			r.literals++
		}
	}
	return r
}

func isLabel(segment string) bool { return strings.HasPrefix(segment, "{") }

// match returns the decoded labels if the raw segments of a path are this route's.
func (r *route) match(segments []string) (map[string]string, bool) {
	if len(segments) != len(r.segments) {
		return nil, false
	}
	labels := make(map[string]string, len(segments)-r.literals)
	for i, want := range r.segments {
		if !isLabel(want) {
			if segments[i] != want {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(segments[i])
		if err != nil || value == "" {
			return nil, false
		}
		labels[strings.Trim(want, "{}")] = value
	}
	return labels, true
}

// findRoute finds the operation of a method and a raw path. When several templates fit, the one with more literal segments is meant.
// known tells whether the path is served with another method.
func (s *service) findRoute(method, path string) (op *operation, labels map[string]string, known bool) {
	segments := joinARNs(strings.Split(path, "/"))
	best := -1
	for _, r := range s.routes {
		l, ok := r.match(segments)
		if !ok {
			continue
		}
		known = true
		if r.op.model.Method == method && r.literals > best {
			op, labels, best = r.op, l, r.literals
		}
	}
	return op, labels, known
}

// resourceSegments is how many slash-separated parts the ARNs of a resource type have.
func resourceSegments(kind string) int {
	switch kind {
	case "cluster", "configuration", "replicator", "connector", "custom-plugin", "worker-configuration", "channel":
		return 3 // kind/name/uuid
	case "cluster-operation", "connector-operation", "vpc-connection", "topic", "group", "transactional-id":
		return 4
	}
	return 1
}

// joinARNs makes one segment of an ARN whose slashes a client did not escape. The type of the resource says how many segments belong to it,
// so that a cluster named "topics" is not taken for a path; the rest of the path is then matched as always.
func joinARNs(segments []string) []string {
	var out []string
	for len(segments) > 0 {
		s, n := segments[0], 1
		if value, err := url.PathUnescape(s); err == nil && strings.HasPrefix(value, "arn:") && !strings.Contains(value, "/") {
			kind := value[strings.LastIndexByte(value, ':')+1:]
			if strings.Count(value, ":") == 5 {
				n = min(resourceSegments(kind), len(segments))
			}
		}
		out = append(out, strings.Join(segments[:n], "%2F"))
		segments = segments[n:]
	}
	return out
}

// rawPath is the path as it was sent: what was signed and what is routed.
func rawPath(r *http.Request) string {
	if uri := r.RequestURI; strings.HasPrefix(uri, "/") {
		path, _, _ := strings.Cut(uri, "?")
		return path
	}
	return r.URL.EscapedPath()
}
