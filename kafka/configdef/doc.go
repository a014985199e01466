// Package configdef holds every topic and broker config as data: name, type, default, bounds, synonyms, how it may change, what it
// does in Weir and since when. Validation, DescribeConfigs and the configs page of the documentation all read the same tables.
//
// A config whose effect is not built yet says so in its Effect. One that can be stored without lying (retention, compaction) is
// accepted; one that would promise something which does not happen (recompression, tiered storage) accepts only the values in
// Only and is refused otherwise.
//
// Non-obvious: values are kept as the client wrote them, as in Kafka; "  5 " is a valid retention.ms and is described as such.
// Numbers are read after trimming white space.
package configdef
