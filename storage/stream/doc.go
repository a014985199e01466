// Package stream is one broker incarnation's write-ahead log with what belongs to it: the committer that gathers appends of all
// partitions into group commits, the account of the tail cache, and the state that replaying the log gives back.
//
// A stream is written by one process and never continued: a broker that restarts opens a new one and replays its older ones through
// Recover. What an entry means for a partition is written down once, in PartitionState.Apply. Recovery calls it for every entry that it
// reads, and a serving partition calls it for every entry that became durable, so the two cannot differ.
//
// # Non-obvious
//
//   - Enqueue is called under the partition's mutex. The order of two entries of one partition in the log is therefore the order of
//     their offsets, and Enqueue may neither block nor call back.
//   - Committed, Failed, Evict and Wake run on the committer's goroutine, without any lock of this package, in the order of the log.
//   - Lock order: a partition's mutex, then the queue's. Never the other way round.
//   - There is no linger. Whatever arrives while a commit is in flight forms the next one; waiting for company was measured to cost
//     throughput as well as latency (design, section 6.1).
//   - A full disk (wal.ErrFull) fails the writes of one commit and the stream goes on. Later writes of the same partition, already
//     queued, carry offsets that come after the failed ones; committing them would leave a gap. So a partition that sees a write fail cancels
//     all its queued writes, and the committer skips what is cancelled. This needs no lock between the two: the committer is the goroutine
//     that both reports the failure and looks at the queue next. What a partition enqueues after it was told has good offsets again.
//     Nothing of a failed commit was written (the log's contract) or visible, so its offsets are given out again.
//   - Any other error of the log is final: everything queued fails, Enqueue fails from then on, and Run returns the error. The
//     process must exit; its successor replays what really became durable.
//   - Sequence numbers and expiry of producers take their time from the entries, never from a clock, so that a replay gives the same state.
//   - The account of the tail cache charges a whole buffer to the first entry that lies in it, since the smallest slice keeps all of it alive.
//   - Extents are packed 128 at a time; finding one unpacks its block. Only reads that miss the tail cache do that.
//   - Extents name their file by a number of Logs, in the order in which recovery and the committer first saw the files. Numbers mean
//     nothing in another process.
package stream
