// Package logs is what `aws logs` does: log groups as records, so that what delivers logs can be checked against them. Nothing is ingested yet:
// streams, events, queries and deliveries are answered as not implemented. One file per resource.
package logs

import (
	"context"
	"errors"
	"net/http"
	"time"

	"weir/awsapi"
	gen "weir/awsapi/gen/logs"
	"weir/control/resource"
	"weir/metadata"
)

type api struct {
	store metadata.Store
	now   func() time.Time
}

// New returns the operations that are built. All others stay nil, which the front answers as not implemented. Every call's context
// must carry an awsapi.Scope.
func New(store metadata.Store) *gen.Service {
	a := &api{store: store, now: time.Now}
	return &gen.Service{
		CreateLogGroup:                a.createLogGroup,
		DeleteLogGroup:                a.deleteLogGroup,
		DescribeLogGroups:             a.describeLogGroups,
		PutRetentionPolicy:            a.putRetentionPolicy,
		DeleteRetentionPolicy:         a.deleteRetentionPolicy,
		AssociateKmsKey:               a.associateKmsKey,
		DisassociateKmsKey:            a.disassociateKmsKey,
		PutLogGroupDeletionProtection: a.putLogGroupDeletionProtection,
		TagResource:                   a.tagResource,
		UntagResource:                 a.untagResource,
		ListTagsForResource:           a.listTagsForResource,
		TagLogGroup:                   a.tagLogGroup,
		UntagLogGroup:                 a.untagLogGroup,
		ListTagsLogGroup:              a.listTagsLogGroup,
	}
}

func scopeOf(ctx context.Context) resource.Scope {
	s := awsapi.ScopeFrom(ctx)
	return resource.Scope{Account: s.Account, Region: s.Region}
}

// storeError turns an error of the metadata store into what a caller is told: to try again, when the store was away.
func storeError(err error) error {
	if errors.Is(err, metadata.ErrUnavailable) {
		return awsapi.NewFault(http.StatusServiceUnavailable, "ServiceUnavailableException",
			"The control plane's metadata store can't be reached. Try again.").Wrap(err)
	}
	return err
}
