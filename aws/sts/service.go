// Package sts is what `aws sts` does. So far there is the account's root user only, so GetCallerIdentity is all there is to ask.
package sts

import (
	"context"

	"weir/awsapi"
	gen "weir/awsapi/gen/sts"
)

// New returns the operations that are built. All others stay nil, which the front answers as not implemented. Every call's context
// must carry an awsapi.Scope.
func New() *gen.Service {
	return &gen.Service{GetCallerIdentity: getCallerIdentity}
}

// getCallerIdentity says who signed the request. It needs no permission, as on AWS.
func getCallerIdentity(ctx context.Context, _ *gen.GetCallerIdentityInput) (*gen.GetCallerIdentityOutput, error) {
	p := awsapi.ScopeFrom(ctx).Principal
	return &gen.GetCallerIdentityOutput{Account: new(p.Account), Arn: new(p.ARN), UserId: new(p.UserID)}, nil
}
