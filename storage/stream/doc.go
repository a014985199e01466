// Package stream is one broker incarnation's write-ahead log with what belongs to it: the committer that gathers appends of all
// partitions into group commits, the account of the tail cache, and the state that replaying the log gives back.
//
// A stream is written by one process and never continued: a broker that restarts opens a new one and replays its older ones, from the newest
// checkpoint on (Load, Checkpoint.Replay) or from their start (Recover). What an entry means for a partition is written down once, in PartitionState.Apply. Recovery calls it for every entry that it
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
//   - Extents name their file by a number of Logs, in the order in which recovery and the committer first saw the files. Checkpoints have these
//     numbers as they are, so they are for ever: the next process restores those that its checkpoint names and goes on behind the largest.
//     A number that was forgotten is never given again, and reading it fails.
//   - A checkpoint is fuzzy. Its mark is noted first, then each partition is looked at under its own lock, at any later moment; nothing stops meanwhile. What
//     makes it whole is Applied: a replay from the mark passes over what a partition has already. That needs two things of the mark (Stream.Mark): all
//     entries before it were applied, not just durable, and all that are queued later lie behind it. The log's end is not such a place: between
//     the sync and Committed it is ahead of the states.
//   - A partition that is just gone from the partitions that Take is shown is an error. It may still have entries behind the mark, and without
//     its state they would not fit: its data would be lost, or the next start refused. Logs.Release says that it was deleted, and leaves a tombstone in the
//     checkpoint until all its entries are sure to lie before a mark.
//   - Take holds a partition's lock while it copies the state: some microseconds, and a few milliseconds for one with a million extents. Pieces are not
//     copied, because slices of them are never modified.
//   - After a failed Take the next one is a base: what the failed one noted as written may not be.
//   - A checkpoint that was taken but not published is built upon. Publishing may have worked without our hearing of it, so everything that
//     the last one that is known to be current needs, and everything since, stays until a later one is.
//   - Evicting producers depends on sizes and times in the state only (ProducersMax, sweepAt), all of which checkpoints keep.
package stream
