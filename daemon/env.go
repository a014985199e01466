package daemon

import (
	"context"
	"path/filepath"

	"weir/authn"
)

// Variable is one environment variable for a shell.
type Variable struct{ Name, Value string }

// ReadEnv is what programs need in their environment to use the weir up that runs on the data directory.
func ReadEnv(ctx context.Context, data string) ([]Variable, error) {
	data, err := filepath.Abs(data)
	if err != nil {
		return nil, problem("cannot use the data directory "+data, err, "")
	}
	s, err := ReadStatus(ctx, data)
	if err != nil {
		return nil, err
	}
	root, err := authn.LoadRoot(credentialsPath(data))
	if err != nil {
		return nil, problem("cannot read the account's credentials", err, "")
	}
	vars := []Variable{
		{"AWS_ENDPOINT_URL", s.API},
		{"AWS_ACCESS_KEY_ID", root.AccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", root.SecretAccessKey.Reveal()},
		{"AWS_REGION", s.Region},
		{"AWS_DEFAULT_REGION", s.Region},
	}
	if b := s.Bootstrap(); b != "" {
		vars = append(vars, Variable{"WEIR_BOOTSTRAP", b})
	}
	return vars, nil
}
