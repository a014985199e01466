// Package bench measures Weir beside Apache Kafka on the same machine in one run, in turns (A B A B), and prints medians and ratios. `make bench`
// runs the standard set in less than 15 minutes on two cores and writes docs/benchmarks.md; `make bench SET=full` runs every case. Speed is never
// a reason to fail; records that are missing after a restart are.
//
// One case on Weir alone takes seconds:
//
//	make bench CASE=blast64                                   # or: go test -v -run=TestBench ./test/bench -case=blast64
//	make bench CASE=warm,blast64,single SYSTEM=weir,kafka     # beside Kafka, whose compiler wants the case warm first
//	make bench CASE=single LENGTH=10 PERF=/tmp/single.perf    # with a profile of the broker: perf report -i /tmp/single.perf --no-children
//	make bench CASE=single ROUNDS=3                           # the median of three
//	make bench CASE=list                                      # names the cases
//
// WEIR_TEST_BINARY names a weir binary to measure instead of the checkout's, which is how two versions are compared. TMPDIR says where the data
// go: a memory file system makes syncs free and the figures worthless.
//
// The loads are in package load, what the machine could do at best in package limits; systems_test.go starts the systems; cases_test.go lists the
// cases; report_test.go has the targets and markdown_test.go the page. Figures are named CASE.FIGURE: cpu_gb is broker CPU seconds per GB (1e9
// bytes of values), mbs are 1e6 bytes a second, p50_ms a latency.
//
// # Non-obvious
//
//   - The system under measurement and the generator share the cores. A figure of throughput is that of both; CPU time is the system's alone, and
//     says more.
//   - CPU time counts all processes of a system: Kafka's one node is broker and controller, so Weir's control plane counts too.
//   - A JVM that was just started takes five times the CPU of a warm one for small requests. The case warm comes before the others for that reason.
//   - The first batch of a partition is cheap for Kafka; the second makes it map the partition's indexes, for some 28 ms of CPU time on two
//     cores. So "first touch" goes on to 2 GiB, and the case many writes several batches to each partition before it measures.
//   - A turn begins with a sync of all file systems, and latencies are measured after one, so that nobody waits for what another has left dirty.
//   - Cold means dropped from this kernel's page cache. The figure from_disk says how much of what was consumed came from below it; what a system
//     holds in memory of its own counts as its merit.
//   - The system stays up during a turn and its topics are deleted after each case; what it then does in the background falls into the pause
//     after the case or into the next case. The case after shows what a load leaves to be done.
package bench
