// Package share gives the records of a partition to the members of share groups (KIP-932): who has which record for how long, what became of
// it, and which are next. A Partition is what one group and one partition have in common; the broker that leads the partition has it in
// memory, and its share coordinator (package sharestate) keeps what has to survive.
//
// Non-obvious:
//
//   - Offsets between the share-partition start and end offset are held as runs: neighbours with the same fate are one entry, so that a million
//     records that are acknowledged together cost as much as one. Runs cover that range without hole or overlap (run.go).
//   - An acknowledgement counts once the coordinator has it. Until then its records are neither locked for anybody else nor available: they have
//     a change pending (change.go). If the write fails they are as before, or free if their lock ran out meanwhile. Records whose lock runs
//     out are free at once; that they were delivered once more is written behind.
//   - One write per partition is under way. What comes in meanwhile goes out together, as the next one.
//   - That a record was acquired is written nowhere. A new leader gives it to somebody else, as if its lock had run out, but without counting.
//   - Records that the log does not hold any more, or that were aborted, end as archived when a fetch passes by.
//   - Lock order: Partition.mu before Partitions' own. No lock is held while the coordinator, a waiter or the log is called.
package share
