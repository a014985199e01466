// Package tooling runs every command-line tool that ships with Apache Kafka, against Apache Kafka and against Weir, and checks what it prints.
//
// The scripts in testdata are command lines as users type them, with the expectations that hold for both systems. They say what a tool is
// for; the answers of each API are compared in test/differential. tools_test.go lists the tools by the names of the distribution's scripts,
// with those for which there is nothing to run against a cluster and why; a tool that no script runs fails the test.
//
// Non-obvious:
//   - A JVM takes longer to start than most tools take to do their work, so Runner.java runs one tool after the other in one JVM for each
//     system. The classes of the tools are loaded anew each time: some count in static fields.
package tooling
