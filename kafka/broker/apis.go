package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A handler answers one request. It is called on the connection's read loop, so requests of one connection are handled in order and a
// handler that blocks holds back only its own connection; ctx ends when the connection or the broker closes.
// Produce and Fetch answer later through a pending reply instead (see reply.go).
// Handlers never return Go errors: a failure is a code in the response.
type handler func(b *Broker, ctx context.Context, r *Request) kmsg.Response

// api is one row of the dispatch table.
type api struct {
	key      int16
	min, max int16 // versions served, advertised by ApiVersions
	handle   handler
}
