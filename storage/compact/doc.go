// Package compact says what log compaction (cleanup.policy=compact) leaves of a partition: for each key its last record, at its offset. It
// follows Apache Kafka's log cleaner, delete horizons of KIP-534 included. It is pure: batches in, batches out; where they come from, when that
// happens and how the result takes its place is storage/tier's.
//
// A cleaning has two passes. Learn reads the dirty batches, those behind what was cleaned before, and notes the last offset of each key. Rewrite
// reads everything from the log's start and yields what stays. When the map of keys is full, Learn stops, and what lies behind the last batch
// that it took, Cleaner.End, passes Rewrite as it is: a prefix of the dirty part is cleaned, the rest the next time.
//
// # Non-obvious
//
//   - A tombstone goes only delete.retention.ms after the first cleaning whose map covered it, so that a consumer which began to read before
//     that cleaning, and saw the key's older values, still meets it. That cleaning stamps the batch with the time (its base timestamp becomes the
//     horizon). Batches behind End are not stamped: the older values of their tombstones may still be there. Apache Kafka stamps those too.
//   - A marker (commit, abort) is treated so from the first cleaning on that met no batch of its transaction any more. While a batch of an aborted
//     transaction is there, even an empty one, its marker stays, or a later transaction of the producer would look aborted to consumers.
//   - Data of aborted transactions never get into the map; they would hide what really is the key's last value.
//   - The last batch that each live producer has, and the last of the cleaned range, stay, if need be without records: the one says the producer's
//     last sequence number, the other lets a consumer come to the end of the log.
//   - Compressed batches were not looked into when they were produced. What cannot be decoded, or whose offsets do not ascend within the batch,
//     is kept as it is and counted; none of its keys gets into the map, so nothing is lost for it. Since it may hold values that consumers can
//     read and we can't (more than the decoder's limit), no tombstone behind it goes.
//   - Records without a key cannot be compacted: Kafka drops them, and so do we (counted). They get into compacted topics by a change of
//     cleanup.policy and inside of compressed batches.
//   - Keys are known by 128 bits of their SHA-256. Two keys that share them would lose one's value; nobody can make such two on purpose.
//   - No output batch is larger than its input or max.message.bytes, whichever is larger: stamping makes timestamps longer, and compressors differ. What
//     would be is split in two. A batch is not stamped if it cannot be done without growing too large; its tombstones stay. What remains is
//     a single record that its producer compressed better than we can: it grows. Leaving older records of a batch in place instead would be wrong:
//     a tombstone that hides them may go later.
package compact
