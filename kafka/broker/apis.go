package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A handler answers one request. It is called on the connection's read loop, so requests of one connection are handled in order and a
// handler that blocks holds back only its own connection; ctx ends when the broker closes or the connection fails. As in Kafka, a client that
// goes away is noticed only when the next request would be read or an answer cannot be written, that is, not while its handler blocks.
// Produce and Fetch answer later through a reply of their own instead (see reply.go).
// Handlers never return Go errors: a failure is a code in the response. The version of the response is set by the caller.
type handler func(b *Broker, ctx context.Context, r *Request) kmsg.Response

// body is the request's body as its handler knows it: the row's key is the body's.
func body[T kmsg.Request](r *Request) T { return r.Body.(T) } //nolint:errcheck // another type is a bug, and a panic is caught

// A starter begins to answer a request on the connection's read loop and returns what the write loop will wait for.
type starter func(b *Broker, ctx context.Context, r *Request) reply

// api is one row of the dispatch table: it has one of a handler, a handler that answers later (see later.go) and a starter.
type api struct {
	key      int16
	min, max int16 // versions served, advertised by ApiVersions
	handle   handler
	later    laterHandler
	start    starter

	// older is set if ApiVersions advertises version 0 although only min and later are served.
	older bool
}

// table is all that this broker serves, in order of key. docs/protocol/apis.md is checked against it.
func table() []api {
	return []api{
		// As Kafka 4 does (KAFKA-18659): librdkafka compresses only if it sees that old versions of Produce exist. It does not use them.
		{key: 0, min: 3, max: 13, start: (*Broker).produce, older: true},
		{key: 1, min: 4, max: 18, start: (*Broker).fetch},
		{key: 2, min: 1, max: 11, handle: (*Broker).listOffsets},
		{key: 3, min: 0, max: 13, handle: (*Broker).metadata},
		{key: 8, min: 2, max: 10, handle: (*Broker).offsetCommit},
		{key: 9, min: 1, max: 10, handle: (*Broker).offsetFetch},
		{key: 10, min: 0, max: 6, handle: (*Broker).findCoordinator},
		{key: 11, min: 0, max: 9, handle: (*Broker).joinGroup},
		{key: 12, min: 0, max: 4, handle: (*Broker).heartbeat},
		{key: 13, min: 0, max: 5, handle: (*Broker).leaveGroup},
		{key: 14, min: 0, max: 5, handle: (*Broker).syncGroup},
		{key: 15, min: 0, max: 6, handle: (*Broker).describeGroups},
		{key: 16, min: 0, max: 5, handle: (*Broker).listGroups},
		{key: 17, min: 0, max: 1, handle: (*Broker).saslHandshake},
		{key: 18, min: 0, max: 5, handle: (*Broker).apiVersions},
		{key: 19, min: 2, max: 7, handle: (*Broker).createTopics},
		{key: 20, min: 1, max: 6, handle: (*Broker).deleteTopics},
		{key: 21, min: 0, max: 2, handle: (*Broker).deleteRecords},
		{key: 22, min: 0, max: 5, handle: (*Broker).initProducerID},
		{key: 23, min: 2, max: 4, handle: (*Broker).offsetForLeaderEpoch},
		{key: 24, min: 0, max: 5, later: (*Broker).addPartitionsToTxn},
		{key: 25, min: 0, max: 4, later: (*Broker).addOffsetsToTxn},
		{key: 26, min: 0, max: 5, later: (*Broker).endTxn},
		{key: 27, min: 1, max: 2, later: (*Broker).writeTxnMarkers},
		{key: 28, min: 0, max: 6, handle: (*Broker).txnOffsetCommit},
		{key: 29, min: 1, max: 3, handle: (*Broker).describeACLs},
		{key: 30, min: 1, max: 3, handle: (*Broker).createACLs},
		{key: 31, min: 1, max: 3, handle: (*Broker).deleteACLs},
		{key: 32, min: 1, max: 4, handle: (*Broker).describeConfigs},
		{key: 33, min: 0, max: 2, handle: (*Broker).alterConfigs},
		{key: 34, min: 1, max: 2, handle: (*Broker).alterReplicaLogDirs},
		{key: 35, min: 1, max: 5, handle: (*Broker).describeLogDirs},
		{key: 36, min: 0, max: 2, handle: (*Broker).saslAuthenticate},
		{key: 37, min: 0, max: 3, handle: (*Broker).createPartitions},
		{key: 38, min: 1, max: 3, handle: (*Broker).createDelegationToken},
		{key: 39, min: 1, max: 2, handle: (*Broker).renewDelegationToken},
		{key: 40, min: 1, max: 2, handle: (*Broker).expireDelegationToken},
		{key: 41, min: 1, max: 3, handle: (*Broker).describeDelegationToken},
		{key: 42, min: 0, max: 3, handle: (*Broker).deleteGroups},
		{key: 43, min: 0, max: 2, handle: (*Broker).electLeaders},
		{key: 44, min: 0, max: 1, handle: (*Broker).incrementalAlterConfigs},
		{key: 45, min: 0, max: 1, handle: (*Broker).alterPartitionReassignments},
		{key: 46, min: 0, max: 0, handle: (*Broker).listPartitionReassignments},
		{key: 47, min: 0, max: 0, handle: (*Broker).offsetDelete},
		{key: 48, min: 0, max: 1, handle: (*Broker).describeClientQuotas},
		{key: 49, min: 0, max: 1, handle: (*Broker).alterClientQuotas},
		{key: 50, min: 0, max: 0, handle: (*Broker).describeUserScramCredentials},
		{key: 51, min: 0, max: 0, handle: (*Broker).alterUserScramCredentials},
		{key: 55, min: 0, max: 2, handle: (*Broker).describeQuorum},
		{key: 57, min: 0, max: 2, handle: (*Broker).updateFeatures},
		{key: 60, min: 0, max: 2, handle: (*Broker).describeCluster},
		{key: 61, min: 0, max: 0, handle: (*Broker).describeProducers},
		{key: 64, min: 0, max: 0, handle: (*Broker).unregisterBroker},
		{key: 65, min: 0, max: 0, handle: (*Broker).describeTransactions},
		{key: 66, min: 0, max: 2, handle: (*Broker).listTransactions},
		{key: 68, min: 0, max: 1, handle: (*Broker).consumerGroupHeartbeat},
		{key: 69, min: 0, max: 1, handle: (*Broker).consumerGroupDescribe},
		{key: 71, min: 0, max: 0, handle: (*Broker).getTelemetrySubscriptions},
		{key: 72, min: 0, max: 0, handle: (*Broker).pushTelemetry},
		{key: 74, min: 0, max: 1, handle: (*Broker).listConfigResources},
		{key: 75, min: 0, max: 0, handle: (*Broker).describeTopicPartitions},
		{key: 76, min: 1, max: 1, handle: (*Broker).shareGroupHeartbeat},
		{key: 77, min: 1, max: 1, handle: (*Broker).shareGroupDescribe},
		{key: 78, min: 1, max: 2, start: (*Broker).shareFetch},
		{key: 79, min: 1, max: 2, later: (*Broker).shareAcknowledge},
		{key: 80, min: 0, max: 1, handle: (*Broker).addRaftVoter},
		{key: 81, min: 0, max: 0, handle: (*Broker).removeRaftVoter},
		{key: 83, min: 0, max: 0, later: (*Broker).initializeShareGroupState},
		{key: 84, min: 0, max: 0, later: (*Broker).readShareGroupState},
		{key: 85, min: 0, max: 1, later: (*Broker).writeShareGroupState},
		{key: 86, min: 0, max: 0, later: (*Broker).deleteShareGroupState},
		{key: 87, min: 0, max: 1, later: (*Broker).readShareGroupStateSummary},
		{key: 88, min: 0, max: 1, handle: (*Broker).streamsGroupHeartbeat},
		{key: 89, min: 0, max: 1, handle: (*Broker).streamsGroupDescribe},
		{key: 90, min: 0, max: 1, handle: (*Broker).describeShareGroupOffsets},
		{key: 91, min: 0, max: 0, handle: (*Broker).alterShareGroupOffsets},
		{key: 92, min: 0, max: 0, handle: (*Broker).deleteShareGroupOffsets},
		{key: 93, min: 0, max: 0, handle: (*Broker).streamsGroupTopologyDescriptionUpdate},
		{key: 94, min: 0, max: 0, handle: (*Broker).unregisterController},
	}
}

// keysMax bounds the keys that are looked up; Kafka's highest is below 100.
const keysMax = 128

// dispatch finds rows by key.
type dispatch struct {
	rows  []api
	byKey [keysMax]*api
}

func newDispatch(rows []api) *dispatch {
	d := &dispatch{rows: rows}
	for i := range rows {
		d.byKey[rows[i].key] = &rows[i]
	}
	return d
}

// find returns the row of the key, nil if it is not served.
func (d *dispatch) find(key int16) *api {
	if key < 0 || key >= keysMax {
		return nil
	}
	return d.byKey[key]
}

// advertised is the lowest version that clients are told of.
func (a *api) advertised() int16 {
	if a.older {
		return 0
	}
	return a.min
}

func (a *api) serves(version int16) bool { return version >= a.min && version <= a.max }
