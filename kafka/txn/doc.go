// Package txn is the transaction coordinator (KIP-98, KIP-360, KIP-890): which producer a transactional id has, in which epoch, which partitions
// its transaction touches, and how it ends, kept in __transaction_state in Apache Kafka's own record format. It also hands out producer ids.
//
// A transaction's way: Init gives its producer id and epoch; the first AddPartitions makes it Ongoing; End writes Prepare*, which decides it whatever
// happens later, then markers go to the leaders of its partitions, and Complete* follows the last of them. What of that lies on this broker is queued for
// the journal at once (decide.go), and mostly becomes durable together: docs/adr/0021.
//
// Non-obvious:
//
//   - Every record holds all that is known of a transactional id, so that the newest one is the truth and nothing depends on those before it. That is
//     why Complete* need not be durable before the next transaction begins: if it is lost and what follows is not, what follows says as much; if
//     all of it is lost, the markers are written once more, and nobody was told of the next transaction.
//   - No marker may be durable, anywhere, without Prepare*. Other brokers are asked when Prepare* is durable. In this broker's journal the marker comes behind
//     it, which is enough in a crash; as a full journal may refuse one write and take a later one, each rests on what was queued before it
//     (partition.Premise). The same holds for the first data of a transaction and the record that adds their partition (Add.Queued).
//   - Outcomes do not come in the order of the journal: what has lost its premise fails before what precedes it is written. A decision goes on only when all
//     outcomes are known.
//   - A request that meets a transition under way waits for its end, up to a second, where Kafka answers CONCURRENT_TRANSACTIONS at once and clients
//     come back after a pause: a producer that begins its next transaction right after the last one would always meet one.
//   - A client of transactions v2 gets a new epoch with every end, and markers carry the new one: whatever is late of the old transaction is fenced
//     by its epoch, in every partition. For older clients the partitions' leaders ask whether the partition is in the transaction (kafka/partition,
//     Verify).
//   - Lock order: a shard's lock, then the sender's queue; a shard's lock, then that of a group coordinator's shard (Deps.Mark), then a partition's. The sender,
//     and what Mark queued, call back without a lock of their own.
package txn
