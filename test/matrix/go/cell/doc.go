// Package cell tells the features of the client matrix to the clients that are written in Go: a client's program fills in Client, and
// Main runs the features that come on standard input, as package weir/test/matrix describes.
//
// Non-obvious: a func of Client that is nil says that the client cannot do that; the features that need it are then not offered.
package cell
