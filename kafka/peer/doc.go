// Package peer is how a broker asks the brokers of its cluster: transaction coordinators write markers, leaders ask coordinators, and
// whoever takes over a partition asks who had it.
//
// Non-obvious:
//
//   - What a broker asks itself never leaves the process: a cluster of one broker opens no connection and has no goroutine for this.
//   - A remote broker gets its connection with the first request, and loses it when it leaves the metadata or comes back elsewhere.
//   - Nothing is tried again here, since only the caller knows whether its request may be done twice: an error may mean that the request was
//     executed and its answer lost.
//   - A broker that cannot serve has a recoverer, which is asked in its place (Server). Whatever else it is asked ends the connection: an error like that of a
//     broker that is not there.
//   - Requests to one broker share a connection and are answered in order. An API that waits for anything must be one that answers later
//     (kafka/broker, apis.go), or it holds up all others.
package peer
