// Package terraform runs configurations of Terraform against a real `weir up`: those of examples/terraform and the tests' own. Terraform's AWS provider
// cannot be had from the registries that tests may ask, so the part of it that MSK clusters need is written here anew, one file per resource: the same
// calls in the same order, the same waiters, and the same fields read back and compared.
//
// # Non-obvious
//
// A waiter knows the states that it passes and the state that it waits for; any other string is an error, as in the provider. A server that shows, say,
// HEALING while it creates a cluster fails the test.
//
// After every apply each resource is read again and compared with its configuration: a plan that is not empty is a failure. What the provider ignores
// (computed attributes, blocks that need not be configured) is listed per resource in its schema; everything else counts, also what the server adds
// by itself. Then each resource is imported by its id and must come out as it was.
package terraform
