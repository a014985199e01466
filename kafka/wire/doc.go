// Package wire is the Kafka protocol's outer form: frames, request and response headers, guarded decoding of request bodies, and the
// fetch response, which is encoded by hand so that record batches go out as they lie in memory.
//
// Messages themselves are kmsg's. What kmsg does not do is distrust its input: it allocates an array by its count as soon as that many
// bytes are left, whatever an element takes in memory, and it reads as many tagged fields as a count says, even past the end of the data
// (four thousand million rounds for five bytes). So every body is first walked by a checker that allocates nothing (check.go), along a
// shape of the message that is learnt from kmsg's own encoder (shape.go), and kmsg sees only what passed.
package wire
