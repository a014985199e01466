// Package node is the agent of one machine: it runs the brokers that the control plane wants there, each as a process of its own.
//
// A broker's desired state is a resource.BrokerSpec in metadata; the node reports a resource.BrokerStatus. Per broker there is one
// supervisor (supervisor.go): it gives the broker an address for life (address.go), hands its configuration over in a file
// (handover.go), starts the process, restarts it when it ends (backoff.go), and reports (reporter.go).
//
// Processes outlive a node that is killed. A broker process claims its directory with a lock and leaves a record of who it is; the
// next node adopts it if it is the process that would be started now, and ends it otherwise (adopt_linux.go). A process id alone
// proves nothing: the record also has the process's start time and the machine's boot id, and the signal goes through a handle
// that was opened before these were compared, so that no foreign process is ever signalled.
//
// Files of broker N, under <data>/clusters/<cluster uuid>/broker-N:
//
//	run/broker.json   the hand-over, mode 0600
//	run/claim.json    which process runs it; run/claim.lock is held by that process
//	log/stderr.log    what it wrote around its logger: the reason of a crash
//	log/broker.log    its log
//	wal/              its data
package node
