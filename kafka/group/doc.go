// Package group is the group coordinator: the classic group protocol (JoinGroup, SyncGroup, Heartbeat, LeaveGroup) and committed
// offsets, kept in __consumer_offsets in Apache Kafka's own record formats, so that Kafka's tools read them.
//
// What lives where: committed offsets change when their record is durable, never before. A group's members, generation and
// assignments are written once per generation, when the leader's assignment arrives; until then they are in memory only, and a
// coordinator that dies sends everyone back to JoinGroup, as in Kafka.
//
// Non-obvious:
//
//   - All state of a shard is guarded by the shard's lock (package coordinator); functions here that do not say otherwise are called
//     under it. Replies are functions that must not block.
//   - The first rebalance of an empty group ends after a quiet window of 50 ms without a new member, not after
//     group.initial.rebalance.delay.ms: that is only its upper bound.
//   - A member id that was handed out (KIP-394) but not used yet holds the first rebalance up, until that bound.
//   - A member that waits for JoinGroup or SyncGroup cannot send heartbeats, as its connection is busy: it does not expire.
package group
