// Package daemon wires Weir's roles out of the other packages: it is the only one that knows them all. A role is a constructor and a Run:
//
//	up      NewUp, Up.Run   everything on one machine: metadata, control plane, AWS APIs, node (up.go)
//	broker  RunBroker       one broker process, started by a node (broker.go)
//
// The roles server and node, for many machines, will be parts of up on their own.
//
// The data directory of up:
//
//	FORMAT             version of everything below; a newer one than the program knows is refused before anything is opened
//	LOCK               locked by the weir up that uses the directory, with its process id
//	credentials        the account's root access key
//	etcd/              metadata
//	log/weir.log       log of weir up; each broker has its own
//	run/               sockets of weir up: etcd.sock for brokers, weir.sock for weir env and weir status
//	clusters/<uuid>/broker-N/{wal,log,run}   a broker; see package node
//
// All of it is readable by its owner only.
//
// Start and stop are ordered by what needs what. Start: lock; then credentials, metadata and the API's port at once; then the node, before
// the control plane that looks for machines; the demo cluster last. Stop: the control plane and the APIs, and the node, which stops the
// brokers while they can still say goodbye in the metadata; the metadata last.
package daemon
