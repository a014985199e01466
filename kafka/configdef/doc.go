// Package configdef holds every topic and broker config as data: name, type, default, bounds, synonyms, how it may change, and what it
// does in Weir. Validation, DescribeConfigs and the configs page of the documentation all read the same tables.
//
// No config is taken and then silently ignored. A topic config has its effect, or holds whatever its value because it asks for less than Weir always
// does, or accepts only the values that Weir can honour (Only, Within) and is refused otherwise with a message that says why and what to do. A broker
// config may also have no effect, because it is about threads or replication that Weir does not have and people carry it along; it says so.
//
// Non-obvious:
//
//   - Values are kept as the client wrote them, as in Kafka; "  5 " is a valid retention.ms and is described as such. Numbers are read after
//     trimming white space.
//   - The default is accepted even where it is not what Weir does (index.interval.bytes), because tools send defaults back.
package configdef
