// Package partition is one Kafka partition as its leader serves it: offsets, producer state, high watermark, leader epochs, reads.
//
// A Partition keeps two views of its log. The durable one is a stream.PartitionState, to which every entry is applied once it is on
// stable storage; all reads, the high watermark and the answers about epochs come from it. In front of it lie the appends in
// flight: offsets and sequence numbers that were given out, but that a crash, or a full disk, may still take back. Only Append looks
// at them. The two meet when the committer reports an entry: it moves from one to the other.
//
// There is no goroutine, timer or file per partition; files that answers are sent from are kept open by those answers, and by storage/cache.
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
//   - A read walks up the log: pieces of containers, extents of the journal, tail cache. Where data lie is looked up under the lock, and read without it;
//     what was moved away meanwhile and is gone (a container, a journal file) makes the read look again. Data may be moved at any moment, but their bytes
//     never change: an answer made of old and new places is still one answer.
//   - Bytes are checked before they are served for the first time: blocks of containers against their checksums, journal data batch by batch, both in this
//     process's life once; from then on they may be sent from the file unseen (Records.Files). Bytes of the tail cache were checked on the way in.
//   - Without holes an offset's batch is found in one place. Compaction leaves holes, and pieces that hold nothing at all: a read at an offset that is
//     gone begins with the first batch behind it.
//   - Blocks are returned whole where possible. Only the first of a read, which the offset may lie in the middle of, the one that the last stable offset cuts,
//     and one that is larger than what was asked for are read into memory and cut between batches.
//   - The tail cache holds the buffers that producers' requests were read into. A buffer with batches for many partitions stays until the
//     last of them is evicted; eviction is in log order over all partitions, so these go together.
//   - A producer id that the partition does not know may begin at any sequence number, as in Kafka since KIP-360: its state may have expired.
//     UNKNOWN_PRODUCER_ID is therefore never answered. But if its first append failed here, only the retry of that one may be its first: what it
//     had sent behind it would otherwise overtake it.
//   - Timestamps of compressed batches are what their headers claim. A look-up by time that finds a batch which cannot be decoded
//     answers with the batch's first offset: it never skips data, and a poisoned batch cannot break the look-up.
package partition
