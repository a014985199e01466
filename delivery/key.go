package delivery

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// keyMax is the longest key that S3 takes.
const keyMax = 1024

// name is the last part of keys whose template does not tell objects apart.
const name = "!{channel-id}-!{partition-id}-!{kafka-offset}"

// DefaultTemplate is the key template of channels that have none.
const DefaultTemplate = "!{topic-name}/!{yyyy}/!{MM}/!{dd}/!{HH}/" + name

// place is what the tokens of a template stand for.
type place struct {
	channel, topic string
	partition      int32
	offset         int64 // of the first record
	sequence       int64
	at             time.Time
}

// expand replaces the tokens of a template.
func (p *place) expand(template string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(template, "!{")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		token, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", fmt.Errorf("!{%s is not closed", token)
		}
		at := p.at.UTC()
		switch token {
		case "channel-id":
			b.WriteString(p.channel)
		case "topic-name":
			b.WriteString(p.topic)
		case "yyyy":
			b.WriteString(at.Format("2006"))
		case "MM":
			b.WriteString(at.Format("01"))
		case "dd":
			b.WriteString(at.Format("02"))
		case "HH":
			b.WriteString(at.Format("15"))
		case "partition-id":
			b.WriteString(strconv.Itoa(int(p.partition)))
		case "sequence-number":
			fmt.Fprintf(&b, "%020d", p.sequence)
		case "kafka-offset":
			fmt.Fprintf(&b, "%020d", p.offset)
		default:
			return "", fmt.Errorf("!{%s} is not a token; there are !{channel-id}, !{topic-name}, !{yyyy}, !{MM}, !{dd}, !{HH}, !{partition-id}, "+
				"!{sequence-number} and !{kafka-offset}", token)
		}
		template = after
	}
}

// whole returns the template with what makes its keys unique: a template that does not name the channel, the partition and one of offset and
// sequence would give two objects one key, and gets a last part that does.
func whole(template string) string {
	if template == "" {
		return DefaultTemplate
	}
	if strings.Contains(template, "!{channel-id}") && strings.Contains(template, "!{partition-id}") &&
		(strings.Contains(template, "!{kafka-offset}") || strings.Contains(template, "!{sequence-number}")) {
		return template
	}
	return strings.TrimSuffix(template, "/") + "/" + name
}

// CheckTemplate finds what is wrong with a key template and its prefix, for the person who wrote them.
func CheckTemplate(prefix, template, topic string) error {
	longest := place{channel: strings.Repeat("x", 36), topic: topic, partition: 1 << 30, offset: 1 << 62, at: time.Unix(0, 0)}
	key, err := longest.expand(prefix + whole(template))
	if err != nil {
		return err
	}
	if n := len(key) + len(".errors.jsonl"); n > keyMax {
		return fmt.Errorf("keys would have %d bytes; S3 takes %d", n, keyMax)
	}
	return nil
}

// suffix is added to the key of a compressed object that does not end in it.
func suffix(compression string) string {
	switch compression {
	case "GZIP":
		return ".gz"
	case "ZSTD":
		return ".zst"
	}
	return ""
}

func withSuffix(key, end string) string {
	if strings.HasSuffix(key, end) {
		return key
	}
	return key + end
}
