// Package broker serves the Kafka protocol: connections, dispatch, and one file per API key, numbered by it.
package broker

import (
	"log/slog"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/metadata"
)

// Config is what a broker process is told at start. The zero value of a limit means its default.
type Config struct {
	Cluster   string // the cluster's uuid in metadata keys
	ClusterID string // what clients see: 22 characters of base64, as Kafka's
	Broker    metadata.BrokerID
	Rack      string
	Endpoints []metadata.Endpoint
	// Properties are the static broker properties (server.properties), validated by configdef.
	Properties map[string]string
}

// Broker is the protocol server of one broker process.
type Broker struct {
	cfg     Config
	log     *slog.Logger
	store   metadata.Store
	image   *image.Live
	leaders *partition.Leaders
}

// Request is one decoded request with what its handler may need of its connection.
type Request struct {
	Body          kmsg.Request // its version is set
	ClientID      string
	CorrelationID int32
	ClientHost    string // address of the peer, without port
	Listener      string // name of the listener it came in on
}
