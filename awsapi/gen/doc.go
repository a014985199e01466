// Package gen is where the generated service packages live; awsapi/models/codegen writes them from the models in awsapi/models.
// They are committed, and a test fails when generating them again would change a byte.
package gen

//go:generate go run weir/awsapi/models/codegen -models ../models -out .
