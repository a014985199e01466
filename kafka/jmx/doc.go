// Package jmx counts what Apache Kafka shows through JMX and shows it with the names that Prometheus' JMX exporter gives it, which dashboards and Cruise
// Control ask for: <domain>_<type>_<attribute>, the other properties as labels, all samples untyped.
//
// Meters and histograms are those of the metrics library that Kafka uses: rates are moving averages over 1, 5 and 15 minutes, weighted exponentially and brought
// up to date each 5 s; percentiles are of the last five minutes or so, weighted likewise; count, mean, extremes and deviation are of all time.
//
// Non-obvious:
//
//   - Marking a meter and recording in a histogram are a few atomic additions: no lock, no allocation, no clock. All else is done by whoever calls Tick or
//     scrapes.
//   - A histogram has buckets, of which each is at most an eighth wider than its lower bound, instead of Kafka's sample of 1,028 values. Its
//     percentiles are off by at most a sixteenth, and do not vary by chance.
//   - A meter that nobody ticks has a count and no rates.
package jmx
