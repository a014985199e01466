// Package kind is what a cluster's kind allows: MSK sells Standard, Express and Serverless clusters, which differ in the configs that topics and
// brokers may have, in who chooses replicas, and in quotas. The rules are data; package topic and package broker enforce them.
//
// Standard clusters have no rules here. A cluster's kind and its profile of limits are in metadata.Settings; the profile "off" lifts all quotas and all
// rules about configs, so that only what the kind is, such as who chooses replicas, is left.
//
// Non-obvious:
//
//   - Rates of a whole cluster are shared out: each broker has the total divided by the brokers that serve. Clients that only ever talk to one broker get
//     its share and no more. Counts (partitions, groups) are those of the whole cluster and are not shared out.
//   - What the service calls THROUGHPUT_QUOTA_EXCEEDED is THROTTLING_QUOTA_EXCEEDED (89) in Kafka's protocol.
//   - How many partitions came and went is counted from images (Churn), which every broker sees, whoever made the change. A topic that comes and goes
//     between two images of a broker is not counted by it.
//   - Internal topics are the service's own: no rule holds for them and they count for nothing.
package kind
