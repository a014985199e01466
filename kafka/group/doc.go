// Package group is the group coordinator: groups of several kinds and committed offsets, kept in __consumer_offsets in Apache Kafka's
// own record formats, so that Kafka's tools read them. Kinds are classic groups (JoinGroup, SyncGroup, Heartbeat, LeaveGroup) and those
// whose partitions the coordinator assigns: consumer groups (KIP-848), share groups (KIP-932) and streams groups (KIP-1071).
//
// A group is an id in one name space for all kinds (group.go): offsets and a kind. What offsets, expiry, deletion and listing need of it is the
// interface kind. To add one: a type that embeds *modern (modern.go: epochs, members, subscriptions, target assignment), implements kind, gives
// modern its record formats, and has its requests begin with state.modern; a line in Replay (record.go) for its keys; a file per idea,
// named after the kind. A change is made in memory, its records are put (group.put), and the answer is sent from group.flush.
//
// What lives where: committed offsets change when their record is durable, never before. A group's members, generation and
// assignments are written once per generation, when the leader's assignment arrives; until then they are in memory only, and a
// coordinator that dies sends everyone back to JoinGroup, as in Kafka.
//
// Non-obvious:
//
//   - Classic groups and offsets change when their record is durable. The other kinds change at once, answer when it is durable, and if the append
//     fails the shard is loaded again (coordinator.Shard.Reload).
//   - All state of a shard is guarded by the shard's lock (package coordinator); functions here that do not say otherwise are called
//     under it. Replies are functions that must not block.
//   - The first rebalance of an empty group ends after a quiet window without a new member, of 50 ms and 1 ms per member that is there, not after
//     group.initial.rebalance.delay.ms: that is only the window's upper bound.
//   - The first members of a streams group wait as those of classic groups do, at most for a quarter of a second; later assignments of it are
//     streams.assignment.interval.ms apart, as moving a task moves its state. Warm-up tasks are not assigned: Apache Kafka 4.4 does not either.
//   - A member id that was handed out (KIP-394) but not used yet holds the first rebalance up, until that bound.
//   - A member that waits for JoinGroup or SyncGroup cannot send heartbeats, as its connection is busy: it does not expire.
package group
