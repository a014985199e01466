package topic

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/image"
)

// nameMax is Kafka's limit.
const nameMax = 249

// ValidateName checks a topic's name as Kafka does, or returns a Fault with INVALID_TOPIC_EXCEPTION.
func ValidateName(name string) error {
	switch {
	case name == "":
		return fault(kerr.InvalidTopicException, "Topic name is invalid: the empty string is not allowed")
	case name == "." || name == "..":
		return fault(kerr.InvalidTopicException, "Topic name is invalid: '%s' is not allowed", name)
	case len(name) > nameMax:
		return fault(kerr.InvalidTopicException, "Topic name is invalid: the length of '%s' is longer than the max allowed length %d", name, nameMax)
	}
	for i := range len(name) {
		if c := name[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-') {
			return fault(kerr.InvalidTopicException,
				"Topic name is invalid: '%s' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'", name)
		}
	}
	return nil
}

// collisions finds names that differ from others only in '.' and '_'.
type collisions map[string]string // normalized -> name

func hasCollisionChars(name string) bool { return strings.ContainsAny(name, "._") }

func normalize(name string) string { return strings.ReplaceAll(name, ".", "_") }

// existingCollisions is built only if a request needs it: it looks at every topic.
func existingCollisions(img *image.Image) collisions {
	c := make(collisions)
	for _, t := range img.Topics() {
		if hasCollisionChars(t.Name) {
			c[normalize(t.Name)] = t.Name
		}
	}
	return c
}
