package kafka

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/kafka/configdef"
	"weir/metadata"
)

const (
	// textConfigurationInUse is the service's (HTTP 400), as clients print it.
	textConfigurationInUse = "Configuration is in use by one or more clusters. Dissociate the configuration from the clusters."

	// configurationNameMax is the longest name of a configuration; ARNs and keys hold it.
	configurationNameMax = 128
	// descriptionMax is the service's, in characters.
	descriptionMax = 1024
	// propertiesBytesMax is the longest server.properties: ten times one that sets everything.
	propertiesBytesMax = 64 << 10
	// kafkaVersionsMax bounds the list, which may name a version more than once.
	kafkaVersionsMax = 100
	// findingsMax is how many problems of a file one answer names.
	findingsMax = 100
)

func (a *api) createConfiguration(ctx context.Context, in *gen.CreateConfigurationInput) (*gen.CreateConfigurationOutput, error) {
	scope, now := scopeOf(ctx), a.now().UTC()
	switch name := *in.Name; {
	case len(name) > configurationNameMax:
		return nil, badRequest("name", "A configuration's name must have 1 to %d characters.", configurationNameMax)
	case !nameForm.MatchString(name):
		return nil, badRequest("name", "%s", textBadCharacters)
	case len(in.KafkaVersions) > kafkaVersionsMax:
		return nil, badRequest("kafkaVersions", "Specify at most %d versions.", kafkaVersionsMax)
	}
	for _, v := range in.KafkaVersions {
		if _, ok := resource.LookupKafkaVersion(v); !ok {
			return nil, badRequest("kafkaVersions", "Unsupported KafkaVersion [%s]. Valid values: [%s]",
				v, list(resource.KafkaVersions(), func(v resource.KafkaVersion) string { return v.Name }))
		}
	}
	r, err := newRevision(1, in.Description, in.ServerProperties, in.KafkaVersions, now)
	if err != nil {
		return nil, err
	}
	c := resource.Configuration{
		UUID: resource.NewUUID(), Name: *in.Name, Account: scope.Account, Region: scope.Region, Created: now,
		Description: r.Description, Versions: slices.Clone(in.KafkaVersions), State: resource.ConfigurationActive, Latest: r.RevisionHead,
	}
	switch err := resource.CreateConfiguration(ctx, a.store, c, r, a.quotas.Configurations); {
	case errors.Is(err, resource.ErrConfigurationName):
		return nil, &gen.ConflictException{
			InvalidParameter: "name", Message: "A configuration with the name " + c.Name + " already exists in this account and Region.",
		}
	case errors.Is(err, resource.ErrConfigurationQuota):
		return nil, badRequest("name", "You can't have more than %d configurations in a Region. Delete one that no cluster uses.", a.quotas.Configurations)
	case err != nil:
		return nil, storeError(err)
	}
	return &gen.CreateConfigurationOutput{
		Arn: new(c.ARN()), Name: new(c.Name), CreationTime: new(c.Created), State: gen.ConfigurationState(c.State), LatestRevision: revisionHead(c.Latest),
	}, nil
}

func (a *api) updateConfiguration(ctx context.Context, in *gen.UpdateConfigurationInput) (*gen.UpdateConfigurationOutput, error) {
	for {
		c, at, err := a.configuration(ctx, in.Arn)
		if err != nil {
			return nil, err
		}
		if most := a.quotas.ConfigurationRevisions; c.Latest.Number >= int64(most) { // revisions are never removed one by one
			return nil, badRequest("arn", "A configuration can't have more than %d revisions. Create another configuration.", most)
		}
		r, err := newRevision(c.Latest.Number+1, in.Description, in.ServerProperties, c.Versions, a.now().UTC())
		if err != nil {
			return nil, err
		}
		_, err = a.store.Commit(ctx, c.AddRevision(at, r))
		if err == nil {
			return &gen.UpdateConfigurationOutput{Arn: new(c.ARN()), LatestRevision: revisionHead(r.RevisionHead)}, nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return nil, storeError(err)
		}
	}
}

// newRevision checks what both calls give of a revision.
func newRevision(number int64, description *string, properties []byte, versions []string, now time.Time) (resource.ConfigurationRevision, error) {
	var none resource.ConfigurationRevision
	if utf8.RuneCountInString(deref(description)) > descriptionMax {
		return none, badRequest("description", "A description can have at most %d characters.", descriptionMax)
	}
	if len(properties) > propertiesBytesMax {
		return none, badRequest("serverProperties", "The server properties have %d bytes. They can have at most %d.", len(properties), propertiesBytesMax)
	}
	text := string(properties)
	if findings := resource.CheckProperties(text, versions, ""); len(findings) > 0 {
		return none, badProperties(text, findings)
	}
	lines, _ := configdef.ParseProperties(text)
	values := make(map[string]string, len(lines))
	for _, l := range lines {
		values[l.Name] = l.Value
	}
	return resource.ConfigurationRevision{
		RevisionHead: resource.RevisionHead{Number: number, Created: now, Description: deref(description)},
		Text:         text, Properties: values,
	}, nil
}

// propertyError is one problem in the form in which the service lists them; the line is ours.
type propertyError struct {
	Line          int      `json:"line,omitempty"`
	Name          string   `json:"name"`
	Value         string   `json:"value"`
	ErrorMessages []string `json:"errorMessages"`
}

// shownValueMax is how much of a value an answer repeats.
const shownValueMax = 100

// badProperties is the refusal of a file with all that was found, as the service writes it: a JSON list of properties, their values and what is wrong.
func badProperties(text string, findings []resource.Finding) error {
	if m := encodedTwice(text); m != "" {
		return badRequest("serverProperties", "%s", m)
	}
	lines, _ := configdef.ParseProperties(text)
	values := make(map[int]string, len(lines))
	for _, l := range lines {
		values[l.Line] = l.Value
	}
	var all []propertyError
	for i, f := range findings {
		if i == findingsMax {
			all = append(all, propertyError{ErrorMessages: []string{fmt.Sprintf("%d more problems are not listed.", len(findings)-i)}})
			break
		}
		v := values[f.Line]
		if len(v) > shownValueMax {
			v = strings.ToValidUTF8(v[:shownValueMax], "") + "..."
		}
		if c, ok := configdef.Broker(f.Property); ok && c.Sensitive() {
			v = "[hidden]"
		}
		all = append(all, propertyError{Line: f.Line, Name: f.Property, Value: v, ErrorMessages: []string{f.Message}})
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return badRequest("serverProperties", "%s", b)
}

// encodedTwice says so of a text that is base64 itself: the SDKs and the CLI encode serverProperties, and people do it before them.
func encodedTwice(text string) string {
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(plain) == 0 || !utf8.Valid(plain) {
		return ""
	}
	if found, _ := configdef.ParseProperties(string(plain)); len(found) == 0 {
		return ""
	}
	return "The server properties are base64 text once they are decoded: they were encoded twice. SDKs and the CLI's fileb:// encode them; give them the plain text."
}

// configuration reads the configuration that an ARN names. The service answers 400 for one that does not exist, in words that Terraform takes for "gone".
func (a *api) configuration(ctx context.Context, arn *string) (resource.Configuration, metadata.Revision, error) {
	id, ok := resource.ParseConfigurationARN(*arn)
	if !ok {
		return resource.Configuration{}, 0, badRequest("arn", "%q is not the ARN of a configuration.", *arn)
	}
	if id.Scope != scopeOf(ctx) {
		return resource.Configuration{}, 0, badRequest("arn", "%s", textConfiguration)
	}
	c, at, ok, err := resource.ReadConfiguration(ctx, a.store, id)
	if err != nil {
		return c, 0, storeError(err)
	}
	if !ok {
		return c, 0, badRequest("arn", "%s", textConfiguration)
	}
	return c, at, nil
}

func (a *api) describeConfiguration(ctx context.Context, in *gen.DescribeConfigurationInput) (*gen.DescribeConfigurationOutput, error) {
	c, _, err := a.configuration(ctx, in.Arn)
	if err != nil {
		return nil, err
	}
	out := gen.DescribeConfigurationOutput(configurationInfo(&c))
	return &out, nil
}

func (a *api) describeConfigurationRevision(ctx context.Context, in *gen.DescribeConfigurationRevisionInput) (*gen.DescribeConfigurationRevisionOutput, error) {
	c, _, err := a.configuration(ctx, in.Arn)
	if err != nil {
		return nil, err
	}
	r, ok, err := resource.ReadRevision(ctx, a.store, &c, *in.Revision)
	if err != nil {
		return nil, storeError(err)
	}
	switch {
	case !ok && *in.Revision >= 1 && *in.Revision <= c.Latest.Number: // it was deleted after its head was read
		return nil, badRequest("arn", "%s", textConfiguration)
	case !ok:
		return nil, &gen.NotFoundException{
			InvalidParameter: "revision",
			Message:          fmt.Sprintf("The configuration has no revision %d. Its revisions are 1 to %d.", *in.Revision, c.Latest.Number),
		}
	}
	return &gen.DescribeConfigurationRevisionOutput{
		Arn: new(c.ARN()), CreationTime: new(r.Created), Description: new(r.Description), Revision: new(r.Number), ServerProperties: []byte(r.Text),
	}, nil
}

func (a *api) listConfigurations(ctx context.Context, in *gen.ListConfigurationsInput) (*gen.ListConfigurationsOutput, error) {
	all, err := resource.ListConfigurations(ctx, a.store, scopeOf(ctx))
	if err != nil {
		return nil, storeError(err)
	}
	name := func(c *resource.Configuration) string { return c.Name }
	configurations, next, err := page("ListConfigurations", all, name, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &gen.ListConfigurationsOutput{Configurations: []gen.Configuration{}, NextToken: next}
	for i := range configurations {
		out.Configurations = append(out.Configurations, configurationInfo(&configurations[i]))
	}
	return out, nil
}

func (a *api) listConfigurationRevisions(ctx context.Context, in *gen.ListConfigurationRevisionsInput) (*gen.ListConfigurationRevisionsOutput, error) {
	c, _, err := a.configuration(ctx, in.Arn)
	if err != nil {
		return nil, err
	}
	all, err := resource.ListRevisions(ctx, a.store, &c)
	if err != nil {
		return nil, storeError(err)
	}
	number := func(r *resource.ConfigurationRevision) string { return fmt.Sprintf("%019d", r.Number) }
	revisions, next, err := page("ListConfigurationRevisions "+c.UUID, all, number, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &gen.ListConfigurationRevisionsOutput{Revisions: []gen.ConfigurationRevision{}, NextToken: next}
	for _, r := range revisions {
		out.Revisions = append(out.Revisions, *revisionHead(r.RevisionHead))
	}
	return out, nil
}

// deleteConfiguration removes a configuration at once; the answer says DELETING, as the service's does. A cluster that takes the configuration at the
// same moment either comes first, and the configuration stays, or finds it gone.
func (a *api) deleteConfiguration(ctx context.Context, in *gen.DeleteConfigurationInput) (*gen.DeleteConfigurationOutput, error) {
	for {
		c, at, err := a.configuration(ctx, in.Arn)
		if err != nil {
			return nil, err
		}
		users, err := resource.ConfigurationUsers(ctx, a.store, &c)
		if err != nil {
			return nil, storeError(err)
		}
		if len(users) > 0 {
			return nil, badRequest("arn", "%s", textConfigurationInUse)
		}
		_, err = a.store.Commit(ctx, c.Remove(at))
		if err == nil {
			return &gen.DeleteConfigurationOutput{Arn: new(c.ARN()), State: gen.ConfigurationStateDeleting}, nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return nil, storeError(err)
		}
	}
}

func configurationInfo(c *resource.Configuration) gen.Configuration {
	return gen.Configuration{
		Arn: new(c.ARN()), CreationTime: new(c.Created), Description: new(c.Description), KafkaVersions: append([]string{}, c.Versions...),
		LatestRevision: revisionHead(c.Latest), Name: new(c.Name), State: gen.ConfigurationState(c.State),
	}
}

func revisionHead(r resource.RevisionHead) *gen.ConfigurationRevision {
	return &gen.ConfigurationRevision{CreationTime: new(r.Created), Description: new(r.Description), Revision: new(r.Number)}
}
