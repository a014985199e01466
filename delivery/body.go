package delivery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Record is a record of the topic. A nil Value is a tombstone.
type Record struct {
	Offset int64
	Time   time.Time
	Value  []byte
}

// deadLetter tells of a record that could not be converted: which one, and why. What it held stays in the topic.
type deadLetter struct {
	Channel   string    `json:"channelArn"`
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Time      time.Time `json:"timestamp"`
	Code      string    `json:"errorCode"`
	Message   string    `json:"errorMessage"`
}

// line converts a value to what stands in the object, without the newline.
func line(converter string, value []byte) ([]byte, error) {
	switch converter {
	case "JSON":
		if value == nil {
			return []byte("null"), nil
		}
		var b bytes.Buffer
		if err := json.Compact(&b, value); err != nil { // also takes line ends out
			return nil, fmt.Errorf("the value is not JSON: %w", err)
		}
		return b.Bytes(), nil
	case "STRING":
		if !utf8.Valid(value) {
			return nil, fmt.Errorf("the value is not UTF-8")
		}
	}
	return value, nil
}

// body is the objects that a range of records makes: one of the good, one of the bad ones. Either is nil if there are none.
func (d *Deliverer) body(partition int32, rs []Record) (good, bad []byte, err error) {
	var lines, letters bytes.Buffer
	for _, r := range rs {
		l, err := line(d.channel.Converter, r.Value)
		if err != nil {
			b, err := json.Marshal(deadLetter{
				Channel: d.channel.ARN(), Topic: d.channel.Topic, Partition: partition, Offset: r.Offset, Time: r.Time.UTC(),
				Code: "CONVERSION_FAILED", Message: err.Error(),
			})
			if err != nil {
				return nil, nil, fmt.Errorf("describe offset %d: %w", r.Offset, err)
			}
			letters.Write(append(b, '\n'))
			continue
		}
		lines.Write(l)
		lines.WriteByte('\n')
	}
	if letters.Len() > 0 {
		bad = letters.Bytes()
	}
	if lines.Len() > 0 {
		good, err = compress(d.channel.Storage.Compression, lines.Bytes())
	}
	return good, bad, err
}

// compress gives the same bytes for the same input.
func compress(compression string, in []byte) ([]byte, error) {
	var out bytes.Buffer
	var w io.WriteCloser
	switch compression {
	case "GZIP":
		w = gzip.NewWriter(&out)
	case "ZSTD":
		z, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("compress: %w", err)
		}
		w = z
	default:
		return in, nil
	}
	if _, err := w.Write(in); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return out.Bytes(), nil
}
