// Package control moves clusters towards what was asked for. A Controller watches the control plane's records, the reports of the
// machines and the sessions of brokers; whenever one of them changes it looks at the cluster concerned: it observes, plans the
// next step (a pure function, plan) and commits it as one metadata transaction, guarded by the revisions it observed.
//
// Everything a step did is in the records of that one transaction, the operation's progress included. A control plane that is
// killed at any point, or that does not learn whether its commit went through, therefore just looks again: the step is either done
// or to be done.
//
// plan.go has creating, deleting, rebooting and steady clusters; plan_update.go updates, whose families are plan_roll.go, plan_count.go and plan_stop.go,
// and plan_undo.go what becomes of one that fails; queue.go begins what waits; collect.go removes what nobody asks to be removed.
//
// Non-obvious:
//
//   - Until its last step an update leaves what is desired in the cluster's record as it was. Undoing one is going by the record (docs/adr/0011).
//   - A spec's properties are those that its process was started with, and stay so when a running broker follows a change by itself: a node that
//     starts again takes over a process only if it is what the spec would start.
//   - A Restart number that a node refused is not asked for again; nextRestart leaves it out.
//   - Timeouts count from the later of the step's start and the controller's, so that a control plane that was down for an hour fails nothing at its start.
//   - Reports and the balancer's status change all the time. They wake the reconciler only for clusters that are being updated (watch.go).
//
// Control starts no process and talks to no broker. It writes resource.BrokerSpec; the machine's node runs the broker and reports
// resource.BrokerStatus; the broker registers a metadata.Session. Each has one writer.
package control
