// Package bench measures Weir beside Apache Kafka on the same machine in one run, in turns, and prints medians and ratios: `make bench`.
// It runs only when it is asked to, by WEIR_BENCH_ROUNDS; WEIR_BENCH_WRITE names the file that the table goes to.
package bench
