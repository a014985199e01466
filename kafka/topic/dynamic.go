package topic

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/configdef"
	"weir/metadata"
)

// ResourcesMax is how many groups, or subscriptions to clients' metrics, may have configs.
const ResourcesMax = 10_000

// AlterGroup applies ops to the configs of a group, which need not exist. Errors are Faults.
func (a *Admin) AlterGroup(ctx context.Context, group string, ops []ConfigOp, replace, validateOnly bool) error {
	if group == "" {
		return fault(kerr.InvalidRequest, "Default group resources are not allowed.")
	}
	return a.alterResource(ctx, metadata.GroupConfigs, group, ops, replace, validateOnly, func(values map[string]string) error {
		if err := a.Layers().ValidateGroup(values); err != nil {
			return fault(kerr.InvalidConfig, "%s", err)
		}
		return nil
	})
}

// AlterClientMetrics applies ops to a subscription to clients' metrics, which begins to exist with its first config and ends with its last. check says
// what is wrong with all of its values. Errors are Faults, or those of check.
func (a *Admin) AlterClientMetrics(
	ctx context.Context, name string, ops []ConfigOp, replace, validateOnly bool, check func(values map[string]string) error,
) error {
	if name == "" {
		return fault(kerr.InvalidRequest, "Subscription name can't be empty")
	}
	return a.alterResource(ctx, metadata.ClientMetricsConfigs, name, ops, replace, validateOnly, check)
}

// alterResource applies ops to a resource whose configs are all that there is of it.
func (a *Admin) alterResource(
	ctx context.Context, kind, name string, ops []ConfigOp, replace, validateOnly bool, check func(values map[string]string) error,
) error {
	if err := checkOps(ops); err != nil {
		return err
	}
	if len(name) > resourceNameMax {
		return fault(kerr.InvalidRequest, "The name of a resource has at most %d bytes.", resourceNameMax)
	}
	key := metadata.ConfigKey(a.cfg.Cluster, kind, name)
	return a.alter(ctx, validateOnly, func() (metadata.Txn, error) {
		kv, ok, err := a.store.Get(ctx, key)
		if err != nil {
			return metadata.Txn{}, unavailable(err)
		}
		var e metadata.ConfigEntry
		if ok {
			if e, err = metadata.Decode[metadata.ConfigEntry](kv); err != nil {
				return metadata.Txn{}, err
			}
		} else if len(a.image.Current().Configs(kind)) >= ResourcesMax {
			return metadata.Txn{}, fault(kerr.PolicyViolation, "%d resources of this kind have configs, which is the most there can be.", ResourcesMax)
		}
		if e.Values, err = apply(e.Values, ops, replace, noLists, nil); err != nil {
			return metadata.Txn{}, err
		}
		if err := check(e.Values); err != nil {
			return metadata.Txn{}, err
		}
		txn := metadata.Txn{If: []metadata.Cond{{Key: key, Modified: kv.Modified}}, Then: []metadata.Op{metadata.Put(key, metadata.Encode(e))}}
		if len(e.Values) == 0 {
			txn.Then = []metadata.Op{metadata.Delete(key)}
		}
		return txn, nil
	})
}

// resourceNameMax is the longest name of a group or subscription, as it is of a Kafka string.
const resourceNameMax = 32_767

// noLists finds any config: Kafka appends to no list of these resources.
func noLists(name string) (*configdef.Config, bool) {
	return &configdef.Config{Name: name, Type: configdef.String}, true
}
