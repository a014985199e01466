// Package bench measures Weir beside Apache Kafka on the same machine in one run, in turns (A B A B), and prints medians and ratios: `make bench`.
// Speed is never a reason to fail.
//
// One case on Weir alone takes seconds:
//
//	make bench CASE=blast64                                   # or: go test -v -run=TestBench ./test/bench -case=blast64
//	make bench CASE=warm,blast64,single SYSTEM=weir,kafka     # beside Kafka, whose compiler wants the case warm first
//	make bench CASE=single LENGTH=10 PERF=/tmp/single.perf   # with a profile of the broker; read it with perf report -i
//	make bench CASE=list                                      # names the cases
//
// WEIR_TEST_BINARY names a weir binary to measure instead of the checkout's, which is how two versions are compared.
package bench
