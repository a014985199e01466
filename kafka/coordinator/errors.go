package coordinator

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
)

// KafkaError is the Kafka error that err wraps, UNKNOWN_SERVER_ERROR for one that wraps none, nil for nil.
func KafkaError(err error) *kerr.Error {
	if err == nil {
		return nil
	}
	if k, ok := errors.AsType[*kerr.Error](err); ok {
		return k
	}
	return kerr.UnknownServerError
}
