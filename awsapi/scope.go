package awsapi

import "context"

// Partition is the only partition there is; the others of AWS are not served.
const Partition = "aws"

// Principal is who signed a request.
type Principal struct {
	ARN       string // "arn:aws:iam::000000000000:root"
	Account   string // 12 digits
	UserID    string // as in sts get-caller-identity: the account id for root
	AccessKey string // the key id the request was signed with
}

// Scope is what a request carries beside its input.
type Scope struct {
	Account   string // whose resources are meant
	Region    string // the one region served
	Principal Principal
	RequestID string // a UUID, on the answer and in the log
	// Queue tells that an update which cannot begin now is to wait for its turn instead of being refused: the caller sent QueueHeader.
	Queue bool
}

// QueueHeader is the request header that asks for Scope.Queue, with the value "true". It is ours: the real service refuses such updates.
const QueueHeader = "X-Weir-Queue"

// ARN names a resource of the scope's account and region.
func (s Scope) ARN(service, resource string) ARN {
	return ARN{Partition: Partition, Service: service, Region: s.Region, Account: s.Account, Resource: resource}
}

type scopeKey struct{}

// WithScope returns ctx with the request's scope.
func WithScope(ctx context.Context, s Scope) context.Context {
	return context.WithValue(ctx, scopeKey{}, s)
}

// ScopeFrom returns the scope that the front put into ctx. It panics when there is none: an operation called without a scope must not
// pick an account by default.
func ScopeFrom(ctx context.Context) Scope {
	s, ok := ctx.Value(scopeKey{}).(Scope)
	if !ok {
		panic("awsapi: no request scope in the context")
	}
	return s
}
