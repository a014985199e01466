// Command codegen writes awsapi/gen from the service models beside it: per service the Go types, enumerations, exceptions and the operation
// table. It is run by go generate in awsapi/gen. Everything a codec or validator needs to know of a member is in its struct tag (see
// awsapi/protocol); no behaviour is generated.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// service is what the model does not say, one line each. Adding a service is adding its model and a line here.
type service struct {
	name       string // folder of the model: the AWS CLI's name
	validation string // constant of awsapi.Validation
	// unbounded are shapes whose maximum is not a constraint: the model gives one that the service itself does not keep.
	unbounded []string
}

func services() []service {
	return []service{
		{name: "application-autoscaling", validation: "ValidationException"},
		{name: "cloudwatch", validation: "MissingOrInvalid"},
		{name: "ec2", validation: "MissingOrInvalid"},
		{name: "iam", validation: "ValidationError"},
		// MSK's clusters may have 30 and 60 brokers, whatever its model says.
		{name: "kafka", validation: "BadRequestWithParameter", unbounded: []string{"__integerMin1Max15"}},
		{name: "kafkaconnect", validation: "BadRequest"},
		{name: "kms", validation: "ValidationException"},
		{name: "logs", validation: "InvalidParameterException"},
		{name: "secretsmanager", validation: "ValidationException"},
		{name: "sts", validation: "ValidationError"},
		{name: "weir", validation: "BadRequestWithParameter"}, // our own: what no service of AWS has a call for
	}
}

// folder is that of the output, and the package's name.
func (s service) folder() string { return strings.ReplaceAll(s.name, "-", "") }

func newReader(b []byte) io.Reader { return bytes.NewReader(b) }

func main() {
	models := flag.String("models", "../models", "folder of the service models")
	out := flag.String("out", ".", "folder to write to")
	flag.Parse()
	if err := run(*models, *out); err != nil {
		fmt.Fprintln(os.Stderr, "codegen:", err)
		os.Exit(1)
	}
}

func run(models, out string) error {
	for _, s := range services() {
		m, err := readModel(filepath.Join(models, s.name))
		if err != nil {
			return err
		}
		files, err := generate(s, m)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		dir := filepath.Join(out, s.folder())
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
		for name, src := range files {
			if err := os.WriteFile(filepath.Join(dir, name), src, 0o666); err != nil {
				return err
			}
		}
	}
	return nil
}
