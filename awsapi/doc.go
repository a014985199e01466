// Package awsapi holds the words that every AWS face shares: the fault a caller is answered with, ARNs, the calling principal, the request's
// scope, and the shape in which the generated packages under awsapi/gen describe a service to awsapi/front.
//
// An operation is a func field of a generated Service struct. It takes the decoded, validated input and returns an output or an error; an error
// that is (or wraps) a *Fault or a generated exception reaches the client as the model says, every other error as an internal failure.
package awsapi
