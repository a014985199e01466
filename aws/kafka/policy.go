package kafka

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// The resource policy of a cluster. It is kept and shown now; nothing is decided by it yet (docs/adr/0006).

const (
	// textPolicyVersion is the service's.
	textPolicyVersion = "Current cluster policy version needed for Update"
	textNoPolicy      = "The cluster has no policy."

	// policyBytesMax is the service's limit on resource policies.
	policyBytesMax = 20 << 10
)

func (a *api) putClusterPolicy(ctx context.Context, in *gen.PutClusterPolicyInput) (*gen.PutClusterPolicyOutput, error) {
	if err := checkPolicy(*in.Policy); err != nil {
		return nil, err
	}
	p := resource.ClusterPolicy{Text: *in.Policy, Version: resource.NewVersion()}
	err := a.editPolicy(ctx, in.ClusterArn, func(old *resource.ClusterPolicy) (*resource.ClusterPolicy, error) {
		switch {
		case old == nil && deref(in.CurrentVersion) == "": // programs that were tested with a mock send an empty one
		case old == nil:
			return nil, badRequest("currentVersion", "The cluster has no policy yet: leave out currentVersion to make one.")
		case deref(in.CurrentVersion) == "":
			return nil, badRequest("currentVersion", "%s", textPolicyVersion)
		case *in.CurrentVersion != old.Version:
			return nil, badRequest("currentVersion", "The version of the cluster policy isn't current. Check the current version and try again.")
		}
		return &p, nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.PutClusterPolicyOutput{CurrentVersion: new(p.Version)}, nil
}

func (a *api) getClusterPolicy(ctx context.Context, in *gen.GetClusterPolicyInput) (*gen.GetClusterPolicyOutput, error) {
	c, _, err := a.cluster(ctx, in.ClusterArn)
	if err != nil {
		return nil, err
	}
	if err := hasPolicies(&c); err != nil {
		return nil, err
	}
	p, _, ok, err := resource.ReadClusterPolicy(ctx, a.store, &c)
	if err != nil {
		return nil, storeError(err)
	}
	if !ok {
		return nil, &gen.NotFoundException{InvalidParameter: "clusterArn", Message: textNoPolicy}
	}
	return &gen.GetClusterPolicyOutput{CurrentVersion: new(p.Version), Policy: new(p.Text)}, nil
}

func (a *api) deleteClusterPolicy(ctx context.Context, in *gen.DeleteClusterPolicyInput) (*gen.DeleteClusterPolicyOutput, error) {
	err := a.editPolicy(ctx, in.ClusterArn, func(old *resource.ClusterPolicy) (*resource.ClusterPolicy, error) {
		if old == nil {
			return nil, &gen.NotFoundException{InvalidParameter: "clusterArn", Message: textNoPolicy}
		}
		return nil, nil //nolint:nilnil // none is what is wanted
	})
	if err != nil {
		return nil, err
	}
	return &gen.DeleteClusterPolicyOutput{}, nil
}

// hasPolicies refuses kinds of clusters that have no policies.
func hasPolicies(c *resource.Cluster) error {
	if c.Kind() == metadata.Serverless {
		return notOfServerless("cluster policy")
	}
	return nil
}

// editPolicy puts what edit makes of the cluster's policy in its place; nil stands for none, before and after.
func (a *api) editPolicy(ctx context.Context, arn *string, edit func(*resource.ClusterPolicy) (*resource.ClusterPolicy, error)) error {
	for {
		c, at, err := a.cluster(ctx, arn)
		if err != nil {
			return err
		}
		if err := hasPolicies(&c); err != nil {
			return err
		}
		if !c.State.Allows(resource.ActionWritePolicy) {
			return refused(resource.ActionWritePolicy, c.State)
		}
		p, policyAt, ok, err := resource.ReadClusterPolicy(ctx, a.store, &c)
		if err != nil {
			return storeError(err)
		}
		old := &p
		if !ok {
			old = nil
		}
		want, err := edit(old)
		if err != nil {
			return err
		}
		key := c.Scope().ClusterPolicyKey(c.UUID)
		change := metadata.Delete(key)
		if want != nil {
			change = metadata.Put(key, metadata.Encode(*want))
		}
		_, err = a.store.Commit(ctx, metadata.Txn{
			If:   []metadata.Cond{{Key: c.Key(), Modified: at}, {Key: key, Modified: policyAt}},
			Then: []metadata.Op{change},
		})
		if !errors.Is(err, metadata.ErrConflict) {
			return storeError(err)
		}
	}
}

// policyDocument is what is looked at in a policy.
type policyDocument struct {
	Version   string
	Statement oneOrMore[policyStatement]
}

type policyStatement struct {
	Effect       string
	Principal    json.RawMessage
	NotPrincipal json.RawMessage
	Action       oneOrMore[string]
	NotAction    oneOrMore[string]
	Resource     oneOrMore[string]
	NotResource  oneOrMore[string]
	Condition    map[string]map[string]oneOrMore[any]
	Sid          string
}

// oneOrMore is a list that may be written as its only element.
type oneOrMore[T any] []T

func (l *oneOrMore[T]) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // which the decoder around this one cannot pass on
	if len(b) > 0 && b[0] == '[' {
		return d.Decode((*[]T)(l))
	}
	var one T
	if err := d.Decode(&one); err != nil {
		return err
	}
	*l = oneOrMore[T]{one}
	return nil
}

// checkPolicy checks a policy's form: what it would allow is up to whoever evaluates it.
func checkPolicy(text string) error {
	bad := func(format string, args ...any) error {
		return badRequest("policy", "The cluster policy is not valid: "+format, args...)
	}
	if len(text) > policyBytesMax {
		return bad("it has %d bytes; at most %d are allowed.", len(text), policyBytesMax)
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	var doc struct {
		ID string `json:"Id"`
		policyDocument
	}
	if err := d.Decode(&doc); err != nil {
		return bad("%v.", err)
	}
	if d.More() {
		return bad("something follows the document.")
	}
	if !slices.Contains([]string{"2012-10-17", "2008-10-17"}, doc.Version) {
		return bad("Version is %q; it must be 2012-10-17.", doc.Version)
	}
	if len(doc.Statement) == 0 {
		return bad("it has no Statement.")
	}
	for i, s := range doc.Statement {
		n := i + 1
		switch {
		case s.Effect != "Allow" && s.Effect != "Deny":
			return bad("statement %d: Effect is %q; it must be Allow or Deny.", n, s.Effect)
		case (s.Principal == nil) == (s.NotPrincipal == nil):
			return bad("statement %d: a resource policy needs Principal or NotPrincipal.", n)
		case (len(s.Action) == 0) == (len(s.NotAction) == 0):
			return bad("statement %d: either Action or NotAction is needed.", n)
		case (len(s.Resource) == 0) == (len(s.NotResource) == 0):
			return bad("statement %d: either Resource or NotResource is needed.", n)
		}
		for _, action := range slices.Concat(s.Action, s.NotAction) {
			if service, _, ok := strings.Cut(action, ":"); action != "*" && (!ok || service != "kafka" && service != "kafka-cluster") {
				return bad("statement %d: %q is not an action of kafka or kafka-cluster.", n, action)
			}
		}
		for _, r := range slices.Concat(s.Resource, s.NotResource) {
			if r != "*" && !strings.HasPrefix(r, "arn:") {
				return bad("statement %d: the resource %q is not an ARN.", n, r)
			}
		}
	}
	return nil
}
