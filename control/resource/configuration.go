package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/kafka/configdef"
	"weir/metadata"
)

// Configuration is the head of a configuration: what holds for all of its revisions, and the newest of them. Every write is guarded by the record's
// last revision in the store. A cluster begins to use a configuration in a transaction that writes the head as well (Use), so a configuration is not
// removed at the moment at which a cluster takes it.
type Configuration struct {
	UUID        string             `json:"uuid"`
	Name        string             `json:"name"`
	Account     string             `json:"account"`
	Region      string             `json:"region"`
	Created     time.Time          `json:"created"`
	Description string             `json:"description"` // of the configuration; each revision has its own
	Versions    []string           `json:"kafkaVersions,omitempty"`
	State       ConfigurationState `json:"state"`
	Latest      RevisionHead       `json:"latest"`
}

// ConfigurationState is a configuration's state as MSK names it.
type ConfigurationState string

// ConfigurationActive is the state of every configuration that there is: creating and deleting one is one transaction each. MSK's others are DELETING
// and DELETE_FAILED.
const ConfigurationActive ConfigurationState = "ACTIVE"

// RevisionHead is a revision without its text.
type RevisionHead struct {
	Number      int64     `json:"number"` // from 1
	Created     time.Time `json:"created"`
	Description string    `json:"description"`
}

// ConfigurationRevision is one revision of a configuration. It never changes.
type ConfigurationRevision struct {
	RevisionHead
	// Text is server.properties as it was given.
	Text string `json:"text"`
	// Properties is what Text says.
	Properties map[string]string `json:"properties"`
}

// ConfigurationName points from a name to the configuration that has it.
type ConfigurationName struct {
	UUID string `json:"uuid"`
}

// Scope is the account and region that the configuration belongs to.
func (c *Configuration) Scope() Scope { return Scope{Account: c.Account, Region: c.Region} }

// Key is the key of the configuration's head.
func (c *Configuration) Key() string { return c.Scope().ConfigurationKey(c.UUID) }

// ARN is the configuration's ARN.
func (c *Configuration) ARN() string {
	return arn(c.Scope(), "configuration/"+c.Name+"/"+c.UUID+"-"+generation)
}

// Use is what a transaction must hold that makes a cluster use the configuration, which was read at revision at: it fails if the configuration
// changes or goes meanwhile, and makes fail what is about to remove it.
func (c *Configuration) Use(at metadata.Revision) (metadata.Cond, metadata.Op) {
	return metadata.Cond{Key: c.Key(), Modified: at}, metadata.Put(c.Key(), metadata.Encode(*c))
}

// ConfigurationID is what a configuration's ARN names.
type ConfigurationID struct {
	Scope
	Name string
	UUID string
}

// ParseConfigurationARN takes a configuration's ARN apart; ok is false for a text of any other form.
func ParseConfigurationARN(text string) (id ConfigurationID, ok bool) {
	scope, parts, ok := parseARN(text)
	if !ok || len(parts) != 3 || parts[0] != "configuration" {
		return ConfigurationID{}, false
	}
	bare, ok := bareUUID(parts[2])
	return ConfigurationID{Scope: scope, Name: parts[1], UUID: bare}, ok
}

// ErrConfigurationName means that another configuration has the name; ErrConfigurationQuota that there are as many as there may be.
var (
	ErrConfigurationName  = errors.New("a configuration of this name exists")
	ErrConfigurationQuota = errors.New("there are as many configurations as an account can have in a region")
)

// CreateConfiguration records a configuration with its first revision, or returns ErrConfigurationName or ErrConfigurationQuota: there may be most of them.
func CreateConfiguration(ctx context.Context, store metadata.Store, c Configuration, r ConfigurationRevision, most int) error {
	s := c.Scope()
	for {
		// The count is what serializes creations: without it two could both be the hundredth.
		_, counted, _, err := read[struct{}](ctx, store, s.ConfigurationQuotaKey())
		if err != nil {
			return err
		}
		_, taken, err := store.Get(ctx, s.ConfigurationNameKey(c.Name))
		if err != nil {
			return fmt.Errorf("look for the name of a configuration: %w", err)
		}
		if taken {
			return ErrConfigurationName
		}
		all, _, err := store.List(ctx, s.ConfigurationsPrefix())
		if err != nil {
			return fmt.Errorf("count configurations: %w", err)
		}
		if len(all) >= most {
			return ErrConfigurationQuota
		}
		free, take := Taking(s.ConfigurationQuotaKey(), counted)
		_, err = store.Commit(ctx, metadata.Txn{
			If: []metadata.Cond{free, {Key: s.ConfigurationNameKey(c.Name)}, {Key: c.Key()}},
			Then: []metadata.Op{
				take,
				metadata.Put(s.ConfigurationNameKey(c.Name), metadata.Encode(ConfigurationName{UUID: c.UUID})),
				metadata.Put(c.Key(), metadata.Encode(c)),
				metadata.Put(s.ConfigurationRevisionKey(c.UUID, r.Number), metadata.Encode(r)),
			},
		})
		if err == nil || !errors.Is(err, metadata.ErrConflict) {
			return err
		}
	}
}

// AddRevision returns the transaction that makes r the newest revision of the configuration, which was read at revision at. The caller gives r its
// number: one more than the newest.
func (c Configuration) AddRevision(at metadata.Revision, r ConfigurationRevision) metadata.Txn {
	c.Latest = r.RevisionHead
	key := c.Scope().ConfigurationRevisionKey(c.UUID, r.Number)
	return metadata.Txn{
		If:   []metadata.Cond{{Key: c.Key(), Modified: at}, {Key: key}},
		Then: []metadata.Op{metadata.Put(c.Key(), metadata.Encode(c)), metadata.Put(key, metadata.Encode(r))},
	}
}

// Remove returns the transaction that removes the configuration, which was read at revision at, with all its revisions. What uses it must be looked
// for after it was read (ConfigurationUsers): a cluster that takes it later makes the transaction fail.
func (c *Configuration) Remove(at metadata.Revision) metadata.Txn {
	s := c.Scope()
	return metadata.Txn{
		If: []metadata.Cond{{Key: c.Key(), Modified: at}},
		Then: []metadata.Op{
			metadata.Delete(c.Key()), metadata.Delete(s.ConfigurationNameKey(c.Name)), metadata.DeletePrefix(s.ConfigurationRevisionsPrefix(c.UUID)),
		},
	}
}

// ReadConfiguration returns the configuration that an ARN names and the revision to guard its next change with; ok is false if there is none.
func ReadConfiguration(ctx context.Context, store metadata.Store, id ConfigurationID) (c Configuration, at metadata.Revision, ok bool, err error) {
	c, at, ok, err = read[Configuration](ctx, store, id.Scope.ConfigurationKey(id.UUID))
	if err != nil || !ok || c.Name != id.Name {
		return Configuration{}, 0, false, err
	}
	return c, at, true, nil
}

// ReadRevision returns one revision of a configuration; ok is false if there is none of that number.
func ReadRevision(ctx context.Context, store metadata.Store, c *Configuration, number int64) (r ConfigurationRevision, ok bool, err error) {
	r, _, ok, err = read[ConfigurationRevision](ctx, store, c.Scope().ConfigurationRevisionKey(c.UUID, number))
	return r, ok, err
}

// ListConfigurations returns all configurations of the scope, in no order that means anything.
func ListConfigurations(ctx context.Context, store metadata.Store, s Scope) ([]Configuration, error) {
	return list[Configuration](ctx, store, s.ConfigurationsPrefix())
}

// ListRevisions returns all revisions of a configuration, oldest first.
func ListRevisions(ctx context.Context, store metadata.Store, c *Configuration) ([]ConfigurationRevision, error) {
	return list[ConfigurationRevision](ctx, store, c.Scope().ConfigurationRevisionsPrefix(c.UUID))
}

// ConfigurationUsers returns the names of the clusters that use the configuration, sorted: those that have it, and those with an operation that did
// not end and leads to it or away from it.
func ConfigurationUsers(ctx context.Context, store metadata.Store, c *Configuration) ([]string, error) {
	clusters, err := ListClusters(ctx, store, c.Scope())
	if err != nil {
		return nil, err
	}
	own := c.ARN()
	uses := func(change *Change) bool { return change.Configuration != nil && change.Configuration.ARN == own }
	var names []string
	for i := range clusters {
		k := &clusters[i]
		if k.Configuration.ARN == own {
			names = append(names, k.Name)
			continue
		}
		ops, err := ListOperations(ctx, store, k.Scope(), k.UUID)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(ops, func(o Operation) bool {
			return o.Ended.IsZero() && o.Update != nil && (uses(&o.Update.Source) || uses(&o.Update.Target))
		}) {
			names = append(names, k.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Finding is something that keeps a configuration from being used, in general or by one cluster.
type Finding = configdef.Problem

// Findings is all of them in one text, for a person: one on a line.
func Findings(all []Finding) string {
	lines := make([]string, len(all))
	for i, f := range all {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}
