// Package coordinator runs replicated state machines over the partitions of one internal topic. The broker that leads a partition loads
// it: it replays the log from its start into a State and serves from then on; when leadership goes, so does the State.
//
// Non-obvious:
//
//   - A State is guarded by its Shard's lock. All calls of its methods, of functions passed to Do, of timers and of the done functions
//     of Append happen under it, so a State needs no lock of its own. None of them may block.
//   - Append queues under the shard's lock, so log order is the order in which the State decided. done runs when the records are
//     durable, in log order, on the journal's goroutine: what a State tells clients it tells them from there.
//   - Lock order: Shard, then Timers or the partition. The journal and Timers.Run call back without holding their own locks.
package coordinator
