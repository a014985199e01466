// Package examples runs what the examples folder shows, as its READMEs say, against a fresh demo cluster.
package examples
