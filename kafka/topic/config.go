package topic

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/configdef"
	"weir/kafka/image"
	"weir/metadata"
)

// Verb is what a ConfigOp does; the numbers are those of IncrementalAlterConfigs (KIP-339).
type Verb int8

// Append and Subtract work on list configs only.
const (
	Set      Verb = 0
	Unset    Verb = 1
	Append   Verb = 2
	Subtract Verb = 3
)

// ConfigOp changes one config. Value is not used by Unset.
type ConfigOp struct {
	Name  string
	Verb  Verb
	Value *string
}

// AlterTopic applies ops to the configs of a topic; with replace, they first lose all values (AlterConfigs). Errors are Faults.
func (a *Admin) AlterTopic(ctx context.Context, name string, ops []ConfigOp, replace, validateOnly bool) error {
	if err := checkOps(ops); err != nil {
		return err
	}
	return a.alter(ctx, validateOnly, func() (metadata.Txn, error) {
		t, kv, err := a.read(ctx, name)
		if err != nil {
			return metadata.Txn{}, err
		}
		l := a.Layers()
		before := t.Configs
		l.Topic = before
		rules := a.ruled(a.image.Current())
		if t.Configs, err = apply(before, rules.ops(ops), replace, configdef.Topic, l.TopicString); err != nil {
			return metadata.Txn{}, err
		}
		if err := rules.CheckTopic(before, t.Configs, false); err != nil && !image.IsInternal(name) {
			return metadata.Txn{}, fault(kerr.InvalidConfig, "%s", err)
		}
		if err := configdef.ValidateTopic(t.Configs); err != nil {
			return metadata.Txn{}, fault(kerr.InvalidConfig, "%s", err)
		}
		return metadata.Txn{
			If:   []metadata.Cond{{Key: kv.Key, Modified: kv.Modified}},
			Then: []metadata.Op{metadata.Put(kv.Key, metadata.Encode(t))},
		}, nil
	})
}

// AlterBroker applies ops to the dynamic configs of a broker, or to the cluster-wide defaults for the name "". Errors are Faults.
func (a *Admin) AlterBroker(ctx context.Context, name string, ops []ConfigOp, replace, validateOnly bool) error {
	if err := checkOps(ops); err != nil {
		return err
	}
	if name != "" {
		if _, err := strconv.ParseUint(name, 10, 31); err != nil {
			return fault(kerr.InvalidRequest, "Unexpected broker id, expected a number or the empty string, but received '%s'.", name)
		}
		name = strings.TrimLeft(name[:len(name)-1], "0") + name[len(name)-1:] // "01" is broker 1
	}
	rules := a.Rules()
	for _, op := range ops {
		c, ok := configdef.Broker(op.Name)
		if !ok {
			return fault(kerr.InvalidRequest, "Unknown broker config name: %s", op.Name)
		}
		switch {
		case c.Mode == configdef.ReadOnly:
			return fault(kerr.InvalidRequest, "Cannot update these configs dynamically: [%s]. They are part of the cluster's configuration.", op.Name)
		case rules.CheckBroker(op.Name) != nil:
			return fault(kerr.InvalidRequest, "%s", rules.CheckBroker(op.Name))
		case c.Mode == configdef.PerBroker && name == "":
			return fault(kerr.InvalidRequest, "Cannot update these configs at default cluster level, broker id must be specified: [%s]", op.Name)
		}
	}
	key := metadata.ConfigKey(a.cfg.Cluster, "broker", name)
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
		}
		l := a.Layers()
		if name != "" {
			l.Broker = e.Values
		} else {
			l.Broker, l.ClusterDefault = nil, e.Values
		}
		if e.Values, err = apply(e.Values, ops, replace, configdef.Broker, l.BrokerString); err != nil {
			return metadata.Txn{}, err
		}
		for _, n := range slices.Sorted(maps.Keys(e.Values)) {
			if err := configdef.ValidateBroker(n, e.Values[n]); err != nil {
				return metadata.Txn{}, fault(kerr.InvalidRequest, "%s", err) // INVALID_CONFIG is for the other resources, as in Kafka
			}
		}
		before := l
		if name != "" {
			l.Broker = e.Values
		} else {
			l.ClusterDefault = e.Values
		}
		if err := configdef.ValidateChange(before, l); err != nil {
			return metadata.Txn{}, fault(kerr.InvalidRequest, "%s", err)
		}
		txn := metadata.Txn{If: []metadata.Cond{{Key: key, Modified: kv.Modified}}, Then: []metadata.Op{metadata.Put(key, metadata.Encode(e))}}
		if len(e.Values) == 0 {
			txn.Then = []metadata.Op{metadata.Delete(key)}
		}
		return txn, nil
	})
}

// alter reads, changes and writes until nobody else did in between.
func (a *Admin) alter(ctx context.Context, validateOnly bool, plan func() (metadata.Txn, error)) error {
	for range tries {
		txn, err := plan()
		if err != nil || validateOnly {
			return err
		}
		rev, err := a.store.Commit(ctx, txn)
		if err == nil {
			a.settle(ctx, rev)
			return nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return unavailable(err)
		}
	}
	return unavailable(metadata.ErrConflict)
}

// valueMax is the longest value of a config, as in Kafka.
const valueMax = 32_767

func checkOps(ops []ConfigOp) error {
	seen := make(map[string]bool, len(ops))
	for _, op := range ops {
		if seen[op.Name] {
			return fault(kerr.InvalidRequest, "Error due to duplicate config keys: %s", op.Name)
		}
		seen[op.Name] = true
		switch op.Verb {
		case Set, Append, Subtract:
			if op.Value == nil {
				return fault(kerr.InvalidRequest, "Null value not supported for : %s", op.Name)
			}
			if len(*op.Value) > valueMax {
				return fault(kerr.InvalidConfig, "The configuration value cannot be added because it exceeds the maximum value size of %d bytes.", valueMax)
			}
		case Unset:
		default:
			return fault(kerr.InvalidRequest, "Unknown config operation: %d", op.Verb)
		}
	}
	return nil
}

// apply returns the values after ops, as a new map. current tells the value that holds now, for Append and Subtract.
func apply(values map[string]string, ops []ConfigOp, replace bool, find func(string) (*configdef.Config, bool), current func(string) string) (map[string]string, error) {
	out := make(map[string]string)
	if !replace {
		maps.Copy(out, values)
	}
	for _, op := range ops {
		switch op.Verb {
		case Set:
			out[op.Name] = *op.Value
		case Unset:
			delete(out, op.Name)
		case Append, Subtract:
			c, ok := find(op.Name)
			if !ok {
				return nil, fault(kerr.InvalidConfig, "Unknown topic config name: %s", op.Name)
			}
			if c.Type != configdef.List {
				return nil, fault(kerr.InvalidConfig, "Can't %s to key %s because its type is not LIST.", verbName(op.Verb), op.Name)
			}
			list := configdef.SplitList(current(op.Name))
			for _, e := range configdef.SplitList(*op.Value) {
				at := slices.Index(list, e)
				switch {
				case op.Verb == Append && at < 0:
					list = append(list, e)
				case op.Verb == Subtract && at >= 0:
					list = slices.Delete(list, at, at+1)
				}
			}
			out[op.Name] = strings.Join(list, ",")
		}
	}
	return out, nil
}

func verbName(v Verb) string {
	if v == Append {
		return "APPEND"
	}
	return "SUBTRACT"
}
