// Package upstream runs test suites that client libraries carry in their own modules against Weir: the integration tests of franz-go's kgo,
// and sarama's functional tests. They are run as they are, from the module cache, at the versions that modules/go.mod pins; what of
// them cannot run is in a list with the reason.
//
// Non-obvious: sarama's tests come with a harness of containers: five brokers behind toxiproxy, at fixed ports. Here they find the same
// interfaces: an HTTP API that takes toxiproxy's requests (toxiproxy_test.go), proxies that know enough of the Kafka protocol to put their
// own addresses in the place of the brokers' (proxy_test.go), and a command called docker that stops and starts brokers.
package upstream
