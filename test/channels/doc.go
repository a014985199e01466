// Package channels tests the delivery of topics to a real S3-compatible server, with `weir up` killed in between.
package channels
