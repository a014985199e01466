// Package streams runs Kafka Streams applications with exactly_once_v2 while brokers, and the applications themselves, are killed: a word count and a
// windowed join (App.java). Every input must have had its effect exactly once, which their outputs show record by record.
package streams
