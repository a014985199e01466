// Package control moves clusters towards what was asked for. A Controller watches the control plane's records, the reports of the
// machines and the sessions of brokers; whenever one of them changes it looks at the cluster concerned: it observes, plans the
// next step (a pure function, plan) and commits it as one metadata transaction, guarded by the revisions it observed.
//
// Everything a step did is in the records of that one transaction, the operation's progress included. A control plane that is
// killed at any point, or that does not learn whether its commit went through, therefore just looks again: the step is either done
// or to be done.
//
// Control starts no process and talks to no broker. It writes resource.BrokerSpec; the machine's node runs the broker and reports
// resource.BrokerStatus; the broker registers a metadata.Session. Each has one writer.
package control
