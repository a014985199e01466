// Package balance moves partitions because somebody wants the cluster balanced: brokers that leave are emptied, brokers that came are filled, those that cannot be started are relieved, leaders go back to where they are
// preferred, and, if the cluster balances itself, leaders and replicas go where there is less load.
//
// Look is the planner: a pure function of an image, what was measured, and bounds. It says which moves to begin now and how far the work is. Balancer.Run, which runs in every
// broker and does something only in the one that clients are told is the controller, makes the moves through topic.Admin, and writes the cluster's
// metadata.BalanceStatus. The copying is kafka/ownership's.
//
// # Non-obvious
//
//   - There is no plan that is kept. Each look counts moves under way as done, and plans what is left; so a controller that dies is continued by the next, and what others
//     change meanwhile is taken as it is. What is under way is in the metadata only (PartitionAssignment.Target, with a Cause).
//   - Two brokers that both believe to be the controller do no harm. A move needs the partition, and the settings, to be as they were seen; the status is
//     written only over the one that was read.
//   - Plans end. Every step of spreading lowers a sum of squares (spread.go), every step of levelling load lowers the higher of two brokers' loads by a noticeable
//     part (load.go), and draining only takes away. The tests apply plans until nothing changes.
//   - Spreading counts leaders, levelling weighs them, and each would undo the other's work: while the cluster balances itself leaders are only weighed.
//   - A broker is reported as drained by an image that shows the settings; whatever places partitions needs the settings that it saw to hold (topic.Admin), so nothing can come to
//     such a broker later.
//   - What recoverers lead comes before everything (recover.go), and leaves the lists of replicas as they are: a leader that is not the first of them is one for a time, and giving
//     leaders back ends it.
//   - A replica that does not lead has no data, so moving it costs a transaction. Only another leader costs a copy, and counts against the bound.
package balance
