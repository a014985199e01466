package broker

import (
	"context"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/wire"
)

// A reply is the answer to one request. Replies of a connection are written in the order of its requests: the write loop takes them one
// after the other. Its methods are called from the write loop only, done always and last.
type reply interface {
	// ready tells whether frame would return at once.
	ready() bool
	// frame waits until the answer is complete and appends it to bufs, or nothing if there is none to send (acks=0). ctx ends when the
	// broker closes, which is when a waiting fetch answers with what it has, or when the connection is lost. An error closes the connection.
	frame(ctx context.Context, bufs net.Buffers) (net.Buffers, error)
	// done is called when the buffers of frame were written or given up. It releases what the reply holds.
	done()
}

// encoded is a reply that is complete from the start.
type encoded []byte

func encode(r *Request, resp kmsg.Response) encoded {
	return encoded(wire.AppendResponse(make([]byte, 0, 256), r.CorrelationID, resp))
}

func (e encoded) ready() bool { return true }
func (e encoded) done()       {}

func (e encoded) frame(_ context.Context, bufs net.Buffers) (net.Buffers, error) {
	return append(bufs, e), nil
}
