// Package rolling changes a cluster under load through the AWS API, one operation after the other, and looks at what its clients notice: Java, librdkafka
// and franz-go, idempotent and with acks=all, must not see one failed send, and nothing may be lost or be there twice. What they had to wait is printed.
//
// TestRestartStalls measures without a client library in between for how long a partition gives no answer, which is what a restart takes.
//
// WEIR_TEST_RESTARTS sets the number of restarts of TestRestartStalls, WEIR_TEST_ROLLING the operations, by name and separated by commas.
package rolling
