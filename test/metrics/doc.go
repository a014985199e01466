// Package metrics scrapes a broker as Prometheus does and checks that it shows what dashboards for Amazon MSK and Cruise Control ask for.
//
// testdata/families.txt lists what the JMX exporter of an MSK broker shows: a name, labels that must be there, and, after a #, what to know of it. A line
// that begins with a minus is a family that Weir does not show, with the reason.
//
// It takes 10 to 30 s: rates come with the first tick, and groups wait for their members.
package metrics
