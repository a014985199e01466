// Package partition is one Kafka partition as its leader serves it: offsets, producer state, high watermark, leader epochs, reads.
//
// A Partition keeps two views of its log. The durable one is a stream.PartitionState, to which every entry is applied once it is on
// stable storage; all reads, the high watermark and the answers about epochs come from it. In front of it lie the appends in
// flight: offsets and sequence numbers that were given out, but that a crash, or a full disk, may still take back. Only Append looks
// at them. The two meet when the committer reports an entry: it moves from one to the other.
//
// There is no goroutine, timer or file per partition.
//
// # Non-obvious
//
//   - Append queues to the stream under the partition's mutex, so that the order in the log is the order of offsets. Lock order:
//     the mutex of a partition, then the stream's queue. The mutex of Leaders is never held together with either.
//   - Callbacks (done of Append, OnAdvance) run on the committer's goroutine with no lock held. They may call the partition, and must not block: all
//     partitions of the broker wait for them.
//   - A failed write takes every later append of its partition with it, whatever their callers, because their offsets come after a gap that will be
//     filled with other data. They fail with KAFKA_STORAGE_ERROR, which clients retry; sequence numbers fall back as well, so the retries of
//     an idempotent producer fit again. Nothing that was given back was ever readable.
//   - A retry that finds its batch still in flight waits for it: answering from what is not durable could acknowledge a batch that is
//     taken back afterwards.
//   - The epoch in ADOPT must come before data of that epoch in the log. If the disk was full when the partition was adopted, ADOPT
//     is written again before the next append.
//   - Bytes read back from the log are checked (CRC, offsets) before they are served; bytes of the tail cache were checked on the way in.
//   - The tail cache holds the buffers that producers' requests were read into. A buffer with batches for many partitions stays until the
//     last of them is evicted; eviction is in log order over all partitions, so these go together.
//   - A producer id that the partition does not know may begin at any sequence number, as in Kafka since KIP-360: its state may have expired.
//     UNKNOWN_PRODUCER_ID is therefore never answered. But if its first append failed here, only the retry of that one may be its first: what it
//     had sent behind it would otherwise overtake it.
//   - Timestamps of compressed batches are what their headers claim. A look-up by time that finds a batch which cannot be decoded
//     answers with the batch's first offset: it never skips data, and a poisoned batch cannot break the look-up.
package partition
