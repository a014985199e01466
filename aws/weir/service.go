// Package weir is what clusters can do here and have no call for in the API of Amazon MSK: be stopped and started, and say how far an operation is.
// The service is our own, called and signed like those of AWS: restJson1, signing name weir (awsapi/models/weir).
//
// # Non-obvious
//
// The calls follow the rules of package aws/kafka: the same table of states, the same texts, X-Weir-Queue to wait for a turn. A cluster that is stopped is
// in MAINTENANCE, the state of the service's model in which a cluster is there and takes no updates.
package weir

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"weir/awsapi"
	gen "weir/awsapi/gen/weir"
	"weir/control/resource"
	"weir/metadata"
)

// api holds what the operations share.
type api struct {
	store metadata.Store
	now   func() time.Time
}

// New returns the operations. Every call's context must carry an awsapi.Scope.
func New(store metadata.Store) *gen.Service {
	a := &api{store: store, now: time.Now}
	return &gen.Service{
		DescribeOperationProgress: a.describeOperationProgress,
		StartCluster:              a.startCluster,
		StopCluster:               a.stopCluster,
	}
}

// Texts of MSK, which aws/kafka answers as well.
const (
	textStaleVersion = "The version of the cluster isn't current. Check the current version and try again."
	textNotFound     = "The requested resource doesn't exist."
)

func badRequest(parameter, format string, args ...any) error {
	return &gen.BadRequestException{InvalidParameter: parameter, Message: fmt.Sprintf(format, args...)}
}

func notFound(parameter string) error {
	return &gen.NotFoundException{InvalidParameter: parameter, Message: textNotFound}
}

func storeError(err error) error {
	if errors.Is(err, metadata.ErrUnavailable) {
		return awsapi.NewFault(http.StatusServiceUnavailable, "ServiceUnavailableException",
			"The control plane's metadata store can't be reached. Try again.").Wrap(err)
	}
	return err
}

// cluster reads the cluster of a reference, which must be of the call's own account and region. Callers compare the ARN, which the reference loses parts of.
func (a *api) cluster(ctx context.Context, ref resource.ClusterRef, parameter string) (resource.Cluster, metadata.Revision, error) {
	s := awsapi.ScopeFrom(ctx)
	if ref.Scope != (resource.Scope{Account: s.Account, Region: s.Region}) {
		return resource.Cluster{}, 0, notFound(parameter)
	}
	c, at, ok, err := resource.ReadCluster(ctx, a.store, ref.Scope.ClusterKey(ref.UUID))
	if err != nil {
		return resource.Cluster{}, 0, storeError(err)
	}
	if !ok || c.Name != ref.Name {
		return resource.Cluster{}, 0, notFound(parameter)
	}
	return c, at, nil
}
