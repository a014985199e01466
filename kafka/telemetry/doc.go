// Package telemetry takes the metrics that Kafka clients push (KIP-714) and shows them to Prometheus: which clients are asked for what, when they may push,
// and the series they pushed.
//
// Non-obvious:
//
//   - A broker knows only clients that talk to it; one that changes brokers is new to the next. Nothing is shared or stored.
//   - Clients push differences of their counters, because Clients asks for them: a broker that restarts counts from zero, which is what Prometheus takes a
//     restart for. A client that pushes absolute values is shown as it is.
//   - OTLP is decoded field by field from the bytes rather than into structs: two bytes can make a struct of a hundred, so that a small push could take
//     all memory. What is kept is bounded before it is kept.
//   - Nothing expires by a timer: what is too old goes when somebody pushes or looks.
package telemetry
