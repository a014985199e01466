package image

import (
	"maps"
	"slices"

	"weir/metadata"
)

// adminRecords are the small records that admins change. The maps are never modified: a change copies them.
type adminRecords struct {
	features *metadata.Features
	settings *metadata.Settings
	settled  metadata.Revision                       // of settings
	configs  map[string]map[string]map[string]string // kind, but for brokers -> name -> dynamic configs

	acls  map[string]metadata.ACL       // by id
	scram map[string]metadata.ScramUser // by user

	// copied are the kinds of configs whose maps are copies that no image has: each is copied once for a batch of changes.
	copied map[string]bool

	aclsCopied, scramCopied bool
}

// Features are the finalized levels of the cluster's features; nil if they are those that its version starts with. The record must not be modified.
func (i *Image) Features() *metadata.Features { return i.admin.features }

// Settings are what the control plane wants of the cluster; nil if it said nothing yet. The record must not be modified.
func (i *Image) Settings() *metadata.Settings { return i.admin.settings }

// SettingsRevision is the revision of Settings, zero if there are none. What places partitions is guarded by it.
func (i *Image) SettingsRevision() metadata.Revision { return i.admin.settled }

// Draining reports whether a broker is to hold nothing: partitions leave it, and none is placed on it.
func (i *Image) Draining(b metadata.BrokerID) bool {
	return i.admin.settings != nil && slices.Contains(i.admin.settings.Balance.Drain, b)
}

// GroupConfigs are the dynamic configs of a group (KIP-848, KIP-932), nil if it has none. The map must not be modified; what it does not set has the
// broker's default.
func (i *Image) GroupConfigs(group string) map[string]string {
	return i.admin.configs[metadata.GroupConfigs][group]
}

// Configs are all resources of a kind that have dynamic configs, by name. Brokers are not among the kinds. The maps must not be modified.
func (i *Image) Configs(kind string) map[string]map[string]string { return i.admin.configs[kind] }

// feature takes a change of the features' record.
func (r *adminRecords) feature(e metadata.Event) error {
	r.features = nil
	if e.Deleted {
		return nil
	}
	f, err := metadata.Decode[metadata.Features](e.KV)
	r.features = &f
	return err
}

// setting takes a change of the control plane's settings.
func (r *adminRecords) setting(e metadata.Event) error {
	r.settings, r.settled = nil, 0
	if e.Deleted {
		return nil
	}
	s, err := metadata.Decode[metadata.Settings](e.KV)
	r.settings, r.settled = &s, e.Modified
	return err
}

// config takes a change of a dynamic config resource.
func (r *adminRecords) config(kind, part string, e metadata.Event) error {
	name, err := metadata.ConfigName(part)
	if err != nil {
		return err
	}
	var entry metadata.ConfigEntry
	if !e.Deleted {
		if entry, err = metadata.Decode[metadata.ConfigEntry](e.KV); err != nil {
			return err
		}
	}
	if r.copied == nil {
		r.configs, r.copied = maps.Clone(r.configs), make(map[string]bool)
		if r.configs == nil {
			r.configs = make(map[string]map[string]map[string]string)
		}
	}
	if !r.copied[kind] {
		names := make(map[string]map[string]string, len(r.configs[kind])+1)
		maps.Copy(names, r.configs[kind])
		r.configs[kind], r.copied[kind] = names, true
	}
	if e.Deleted {
		delete(r.configs[kind], name)
	} else {
		r.configs[kind][name] = entry.Values
	}
	return nil
}

// ACLs are all access control lists, by id. The map must not be modified; it is the same one until they change.
func (i *Image) ACLs() map[string]metadata.ACL { return i.admin.acls }

// ScramUser has the SCRAM credentials of a user. The record must not be modified.
func (i *Image) ScramUser(user string) (metadata.ScramUser, bool) {
	u, ok := i.admin.scram[user]
	return u, ok
}

// ScramUsers are all users that have SCRAM credentials. The map must not be modified.
func (i *Image) ScramUsers() map[string]metadata.ScramUser { return i.admin.scram }

// acl takes a change of an access control list.
func (r *adminRecords) acl(id string, e metadata.Event) (err error) {
	r.acls, r.aclsCopied, err = changed(r.acls, r.aclsCopied, id, e)
	return err
}

// scramUser takes a change of a user's credentials.
func (r *adminRecords) scramUser(part string, e metadata.Event) error {
	user, err := metadata.ConfigName(part)
	if err != nil {
		return err
	}
	r.scram, r.scramCopied, err = changed(r.scram, r.scramCopied, user, e)
	return err
}

// changed applies an event to a map of records, which it copies first unless that was done.
func changed[T any](records map[string]T, copied bool, name string, e metadata.Event) (map[string]T, bool, error) {
	if !copied {
		fresh := make(map[string]T, len(records)+1)
		maps.Copy(fresh, records)
		records = fresh
	}
	if e.Deleted {
		delete(records, name)
		return records, true, nil
	}
	v, err := metadata.Decode[T](e.KV)
	records[name] = v
	return records, true, err
}
