package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// Users of SASL/SCRAM are secrets of Secrets Manager that are associated with a cluster. The association is checked, kept and shown now; it lets nobody
// in before clusters have a SASL listener (docs/adr/0006).

// What is said of a secret that could not be associated. The first two messages are the service's.
const (
	codeSecretARN    = "InvalidSecretArn"
	codeSecretKey    = "InvalidSecretKmsKey"
	codeSecretSchema = "InvalidSecretSchema"
	codeSecretQuota  = "SecretQuotaExceeded" //nolint:gosec // an error code

	textSecretPrefix     = "The provided secret arn cannot be used with Amazon MSK. Secret names must have the prefix 'AmazonMSK_'"
	textSecretUnreadable = "Amazon MSK wasn't able to access the provided secret." //nolint:gosec // a message
	textSecretKey        = "The provided secret is encrypted with the default KMS key. Use a customer managed key."
	textSecretSchema     = `The provided secret must be a JSON object with a username and a password, both texts: {"username": "...", "password": "..."}.`
	textSecretAbsent     = "The provided secret is not associated with the cluster."

	secretPrefix = "AmazonMSK_"
	// secretsPerCall is how many secrets one call takes, as on MSK.
	secretsPerCall = 10
	// defaultSecretKey is the alias of the key that Secrets Manager takes when none is named.
	defaultSecretKey = "aws/secretsmanager"
)

func (a *api) batchAssociateScramSecret(
	ctx context.Context, in *gen.BatchAssociateScramSecretInput,
) (*gen.BatchAssociateScramSecretOutput, error) {
	c, left, err := a.editSecrets(ctx, in.ClusterArn, in.SecretArnList, func(arn string, have *[]string) (*gen.UnprocessedScramSecret, error) {
		if slices.Contains(*have, arn) {
			return nil, nil //nolint:nilnil // it is there
		}
		why, err := a.checkSecret(ctx, arn)
		switch {
		case err != nil || why != nil:
			return why, err
		case len(*have) >= a.quotas.ScramSecrets:
			return unprocessed(arn, codeSecretQuota,
				fmt.Sprintf("The cluster has as many SCRAM secrets as a cluster can have (%d).", a.quotas.ScramSecrets)), nil
		}
		*have = append(*have, arn)
		return nil, nil //nolint:nilnil // nothing is wrong with it
	})
	if err != nil {
		return nil, err
	}
	return &gen.BatchAssociateScramSecretOutput{ClusterArn: new(c.ARN()), UnprocessedScramSecrets: left}, nil
}

func (a *api) batchDisassociateScramSecret(
	ctx context.Context, in *gen.BatchDisassociateScramSecretInput,
) (*gen.BatchDisassociateScramSecretOutput, error) {
	c, left, err := a.editSecrets(ctx, in.ClusterArn, in.SecretArnList, func(arn string, have *[]string) (*gen.UnprocessedScramSecret, error) {
		i := slices.Index(*have, arn)
		if i < 0 {
			return unprocessed(arn, codeSecretARN, textSecretAbsent), nil
		}
		*have = slices.Delete(*have, i, i+1)
		return nil, nil //nolint:nilnil // it is gone
	})
	if err != nil {
		return nil, err
	}
	return &gen.BatchDisassociateScramSecretOutput{ClusterArn: new(c.ARN()), UnprocessedScramSecrets: left}, nil
}

func (a *api) listScramSecrets(ctx context.Context, in *gen.ListScramSecretsInput) (*gen.ListScramSecretsOutput, error) {
	c, _, err := a.cluster(ctx, in.ClusterArn)
	if err != nil {
		return nil, err
	}
	if c.Kind() == metadata.Serverless {
		return nil, notOfServerless("SCRAM secrets")
	}
	s, _, err := resource.ReadScramSecrets(ctx, a.store, &c)
	if err != nil {
		return nil, storeError(err)
	}
	arns, next, err := page("ListScramSecrets/"+c.UUID, s.ARNs, func(s *string) string { return *s }, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &gen.ListScramSecretsOutput{SecretArnList: arns, NextToken: next}, nil
}

// editSecrets calls edit for each of the secrets of a call, with those that the cluster has, and keeps what becomes of them. What edit says of one is
// why that one was not processed; the others are.
func (a *api) editSecrets(
	ctx context.Context, cluster *string, arns []string, edit func(arn string, have *[]string) (*gen.UnprocessedScramSecret, error),
) (resource.Cluster, []gen.UnprocessedScramSecret, error) {
	for {
		c, at, err := a.cluster(ctx, cluster)
		switch {
		case err != nil:
			return c, nil, err
		case c.Kind() == metadata.Serverless:
			return c, nil, notOfServerless("SCRAM secrets")
		case len(arns) == 0 || len(arns) > secretsPerCall:
			return c, nil, badRequest("secretArnList", "Specify 1 to %d secrets.", secretsPerCall)
		case !c.State.Allows(resource.ActionWriteSecrets):
			return c, nil, refused(resource.ActionWriteSecrets, c.State)
		}
		s, secretsAt, err := resource.ReadScramSecrets(ctx, a.store, &c)
		if err != nil {
			return c, nil, storeError(err)
		}
		left := []gen.UnprocessedScramSecret{}
		have := slices.Clone(s.ARNs)
		for _, arn := range arns {
			why, err := edit(arn, &have)
			if err != nil {
				return c, nil, storeError(err)
			}
			if why != nil {
				left = append(left, *why)
			}
		}
		slices.Sort(have)
		if slices.Equal(have, s.ARNs) {
			return c, left, nil
		}
		key := c.Scope().ScramSecretsKey(c.UUID)
		_, err = a.store.Commit(ctx, metadata.Txn{
			If:   []metadata.Cond{{Key: c.Key(), Modified: at}, {Key: key, Modified: secretsAt}},
			Then: []metadata.Op{metadata.Put(key, metadata.Encode(resource.ScramSecrets{ARNs: have}))},
		})
		if !errors.Is(err, metadata.ErrConflict) {
			return c, left, storeError(err)
		}
	}
}

// checkSecret says what keeps a secret from being a user of a cluster; nil if nothing does.
func (a *api) checkSecret(ctx context.Context, arn string) (*gen.UnprocessedScramSecret, error) {
	scope := scopeOf(ctx)
	if !strings.HasPrefix(arn, "arn:") {
		return unprocessed(arn, codeSecretARN, "The provided secret arn isn't an ARN of Secrets Manager."), nil
	}
	s, _, ok, err := resource.FindSecret(ctx, a.store, scope, arn)
	switch {
	case err != nil:
		return nil, err
	case !ok || !s.PurgeAt.IsZero() || scope.SecretARN(s.Name, s.Suffix) != arn:
		return unprocessed(arn, codeSecretARN, textSecretUnreadable), nil
	case !strings.HasPrefix(s.Name, secretPrefix):
		return unprocessed(arn, codeSecretARN, textSecretPrefix), nil
	case s.Key == "" || strings.HasSuffix(s.Key, "alias/"+defaultSecretKey):
		return unprocessed(arn, codeSecretKey, textSecretKey), nil
	}
	value, ok, err := resource.ReadSecret(ctx, a.store, a.master, scope, arn)
	if err != nil {
		return nil, err
	}
	if !ok || !isUser(value.Reveal()) {
		return unprocessed(arn, codeSecretSchema, textSecretSchema), nil
	}
	return nil, nil //nolint:nilnil // nothing is wrong with it
}

// isUser tells whether a secret's value is a user with a password.
func isUser(value []byte) bool {
	var user struct{ Username, Password *string }
	err := json.Unmarshal(value, &user)
	return err == nil && deref(user.Username) != "" && deref(user.Password) != ""
}

func unprocessed(arn, code, message string) *gen.UnprocessedScramSecret {
	return &gen.UnprocessedScramSecret{SecretArn: &arn, ErrorCode: &code, ErrorMessage: &message}
}
