// Package load is what the benchmark drives a Kafka cluster with, whoever serves it: raw generators that cost as little as possible, because they
// share the machine with the broker under measurement, and loads of real clients where the client's own behaviour is part of the figure.
//
//   - Blast produces pre-encoded batches: nothing is encoded, compressed or copied per request but a few header bytes.
//   - Drain fetches and throws away; of each batch it reads the header.
//   - EndToEnd offers records at a fixed rate through franz-go and measures until a consumer has them.
//   - Idle holds many connections that do next to nothing.
//   - Group is a consumer group whose members join at once; Transactors commit transactions one after the other.
//   - Flood produces through franz-go as an application does.
//
// Every load is bounded in time; none connects to anything but the addresses it is given.
//
// # Non-obvious
//
//   - GB are 1e9 bytes of payload: record values, uncompressed, without any framing.
//   - One goroutine drives a connection of Blast: it writes all requests that may be in flight in one vectored write, then reads the answers that
//     are there. It is what a Java producer does, and half the cost of two goroutines that wake each other. An answer that arrives while the
//     next requests are being written is seen after that write, so the latency of an acknowledgement includes it.
//   - The batches of one Blast share one body in memory. Broker and generator run on the same cores: a body that stays in the cache costs the
//     generator little, and the broker nothing less, because the kernel copies it to the broker's own pages.
//   - Latencies are of closed loops, except EndToEnd's: there a record's clock starts when it was due, not when the client got round to it.
package load
