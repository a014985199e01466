// Package differential sends the same requests, valid and not, to Apache Kafka and to Weir, and compares what comes back field by field.
//
// A scenario is a function that speaks to one broker through a dialogue; it runs once on each system, and what it asked and got is two
// transcripts. What must differ between two brokers (ids that they choose, times, ports, the words of error messages) is renamed or masked
// by the name of its field; every other difference fails, unless differences.go lists it with its reason. An entry of that list which
// matches nothing fails as well, so the list cannot outlive what it excuses.
//
// Every API key that Kafka advertises has a scenario in which Kafka answers with an error, and all are sent damaged frames. Keys that Weir does
// not advertise are skipped by name; they are compared as soon as it does.
//
// Non-obvious:
//   - What is expected is never written down: it is what Kafka answers. So a scenario that asks nonsense still passes. The check that each key
//     was refused at least once reads Kafka's transcript, not the scenario's intent.
//   - Scenarios run in order on one broker each and use names of their own. Those that look at everything there is run first.
//   - Kafka and Weir run one broker each, so that replica lists and node ids agree.
package differential
