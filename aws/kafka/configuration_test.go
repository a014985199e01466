package kafka

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weir/awsapi"
	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
)

const unknownConfiguration = "arn:aws:kafka:us-east-1:000000000000:configuration/c/01234567-89ab-cdef-0123-456789abcdef-1"

func (a *account) createConfiguration(name, properties string, versions ...string) string {
	a.t.Helper()
	out, err := a.CreateConfiguration(a.ctx, &gen.CreateConfigurationInput{Name: &name, KafkaVersions: versions, ServerProperties: []byte(properties)})
	if err != nil {
		a.t.Fatal(err)
	}
	return *out.Arn
}

// The calls as Terraform makes them: create, read (head and newest revision), update, read, delete, read until it is gone.
func TestConfigurationLife(t *testing.T) {
	a := newAccount(t)
	const text = "# mine\nauto.create.topics.enable = true\nnum.partitions=3"
	created, err := a.CreateConfiguration(a.ctx, &gen.CreateConfigurationInput{
		Name: new("c"), Description: new("first"), KafkaVersions: []string{"3.9.x"}, ServerProperties: []byte(text),
	})
	if err != nil {
		t.Fatal(err)
	}
	if *created.Name != "c" || created.State != gen.ConfigurationStateActive || *created.LatestRevision.Revision != 1 || created.CreationTime.IsZero() {
		t.Errorf("created: %+v", created)
	}
	described, err := a.DescribeConfiguration(a.ctx, &gen.DescribeConfigurationInput{Arn: created.Arn})
	if err != nil {
		t.Fatal(err)
	}
	if *described.Arn != *created.Arn || *described.Description != "first" || !cmp.Equal(described.KafkaVersions, []string{"3.9.x"}) {
		t.Errorf("described: %+v", described)
	}
	updated, err := a.UpdateConfiguration(a.ctx, &gen.UpdateConfigurationInput{Arn: created.Arn, ServerProperties: []byte("num.partitions=4")})
	if err != nil || *updated.LatestRevision.Revision != 2 || *updated.LatestRevision.Description != "" {
		t.Fatalf("updated: %+v, %v", updated, err)
	}
	for n, want := range map[int64]string{1: text, 2: "num.partitions=4"} {
		r, err := a.DescribeConfigurationRevision(a.ctx, &gen.DescribeConfigurationRevisionInput{Arn: created.Arn, Revision: &n})
		if err != nil || string(r.ServerProperties) != want || *r.Revision != n || r.Description == nil {
			t.Errorf("revision %d: %+v, %v", n, r, err)
		}
	}
	described, err = a.DescribeConfiguration(a.ctx, &gen.DescribeConfigurationInput{Arn: created.Arn})
	if err != nil || *described.LatestRevision.Revision != 2 {
		t.Errorf("latest: %+v, %v", described, err)
	}
	deleted, err := a.DeleteConfiguration(a.ctx, &gen.DeleteConfigurationInput{Arn: created.Arn})
	if err != nil || deleted.State != gen.ConfigurationStateDeleting || *deleted.Arn != *created.Arn {
		t.Fatalf("deleted: %+v, %v", deleted, err)
	}
	_, err = a.DescribeConfiguration(a.ctx, &gen.DescribeConfigurationInput{Arn: created.Arn})
	if r := refusalOf(err); r != (refusal{"BadRequestException", "arn", "Configuration ARN does not exist"}) {
		t.Errorf("after the deletion: %+v", r)
	}
	if next := a.createConfiguration("c", ""); next == *created.Arn { // the name is free again
		t.Error("another configuration of the name has the same ARN")
	}
}

func TestConfigurationsAreListed(t *testing.T) {
	a := newAccount(t)
	out, err := a.ListConfigurations(a.ctx, &gen.ListConfigurationsInput{})
	if err != nil || out.Configurations == nil || len(out.Configurations) != 0 || out.NextToken != nil {
		t.Fatalf("none: %+v, %v", out, err)
	}
	for i := range 5 {
		a.createConfiguration(fmt.Sprintf("c%d", i), "")
	}
	var names []string
	in := &gen.ListConfigurationsInput{MaxResults: new(int32(2))}
	for {
		out, err := a.ListConfigurations(a.ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range out.Configurations {
			if c.Description == nil || c.KafkaVersions == nil || c.LatestRevision == nil || c.CreationTime == nil { // all of them are required by the model
				t.Errorf("an item lacks something: %+v", c)
			}
			names = append(names, *c.Name)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if got := strings.Join(names, " "); got != "c0 c1 c2 c3 c4" {
		t.Errorf("names: %s", got)
	}

	arn := a.createConfiguration("revised", "")
	for range 11 {
		if _, err := a.UpdateConfiguration(a.ctx, &gen.UpdateConfigurationInput{Arn: &arn, ServerProperties: []byte{}}); err != nil {
			t.Fatal(err)
		}
	}
	var numbers []int64
	rin := &gen.ListConfigurationRevisionsInput{Arn: &arn, MaxResults: new(int32(5))}
	for {
		out, err := a.ListConfigurationRevisions(a.ctx, rin)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Revisions {
			numbers = append(numbers, *r.Revision)
		}
		if rin.NextToken = out.NextToken; rin.NextToken == nil {
			break
		}
		other := a.createConfigurationOnce("other")
		_, err = a.ListConfigurationRevisions(a.ctx, &gen.ListConfigurationRevisionsInput{Arn: &other, NextToken: out.NextToken})
		if r := refusalOf(err); r.parameter != "nextToken" {
			t.Errorf("another configuration's token: %+v", r)
		}
	}
	if !cmp.Equal(numbers, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}) {
		t.Errorf("revisions: %v", numbers)
	}
}

// createConfigurationOnce returns the ARN of the configuration, which it makes if there is none.
func (a *account) createConfigurationOnce(name string) string {
	a.t.Helper()
	out, err := a.ListConfigurations(a.ctx, &gen.ListConfigurationsInput{})
	if err != nil {
		a.t.Fatal(err)
	}
	for _, c := range out.Configurations {
		if *c.Name == name {
			return *c.Arn
		}
	}
	return a.createConfiguration(name, "")
}

func TestCreateConfigurationRefuses(t *testing.T) {
	a := newAccount(t)
	a.createConfiguration("taken", "")
	tests := []struct {
		name                     string
		in                       gen.CreateConfigurationInput
		code, parameter, message string
	}{
		{"name with an underscore", gen.CreateConfigurationInput{Name: new("a_b")}, "BadRequestException", "name", textBadCharacters},
		{"name that begins with a hyphen", gen.CreateConfigurationInput{Name: new("-a")}, "BadRequestException", "name", textBadCharacters},
		{"empty name", gen.CreateConfigurationInput{Name: new("")}, "BadRequestException", "name", textBadCharacters},
		{
			"long name",
			gen.CreateConfigurationInput{Name: new(strings.Repeat("a", 129))},
			"BadRequestException", "name", "A configuration's name must have 1 to 128 characters.",
		},
		{
			"name that is taken",
			gen.CreateConfigurationInput{Name: new("taken")},
			"ConflictException", "name", "A configuration with the name taken already exists in this account and Region.",
		},
		{
			"long description",
			gen.CreateConfigurationInput{Description: new(strings.Repeat("ü", 1025))},
			"BadRequestException", "description", "A description can have at most 1024 characters.",
		},
		{
			"unknown version",
			gen.CreateConfigurationInput{KafkaVersions: []string{"3.9.x", "9.9.9"}},
			"BadRequestException", "kafkaVersions", "Unsupported KafkaVersion [9.9.9]. Valid values: [1.1.1, 2.1.0,",
		},
		{
			"too many versions",
			gen.CreateConfigurationInput{KafkaVersions: strings.Split(strings.Repeat("3.9.x,", 100)+"3.9.x", ",")},
			"BadRequestException", "kafkaVersions", "Specify at most 100 versions.",
		},
		{
			"long properties",
			gen.CreateConfigurationInput{ServerProperties: []byte(strings.Repeat("#", 65537))},
			"BadRequestException", "serverProperties", "The server properties have 65537 bytes. They can have at most 65536.",
		},
		{
			"encoded twice",
			gen.CreateConfigurationInput{ServerProperties: []byte(base64.StdEncoding.EncodeToString([]byte("num.partitions=3\n")))},
			"BadRequestException", "serverProperties", "The server properties are base64 text once they are decoded",
		},
		{
			"two bad properties",
			gen.CreateConfigurationInput{ServerProperties: []byte("num.partitions=0\nnum.network.threads=5\nno.such=x")},
			"BadRequestException", "serverProperties", `[
  {
    "line": 1,
    "name": "num.partitions",
    "value": "0",
    "errorMessages": [
      "\"0\" is not valid: Value must be at least 1. It takes a whole number of type INT from 1 on."
    ]
  },
  {
    "line": 3,
    "name": "no.such",
    "value": "x",
    "errorMessages": [
      "There is no such property."
    ]
  }
]`,
		},
		{
			"a property that the version has not",
			gen.CreateConfigurationInput{KafkaVersions: []string{"2.2.1"}, ServerProperties: []byte("replica.selector.class=x")},
			"BadRequestException", "serverProperties", "Kafka 2.2.1 has no such property: it is there from 2.4 on.",
		},
		{
			"a secret",
			gen.CreateConfigurationInput{ServerProperties: []byte("ssl.key.password=hush")},
			"BadRequestException", "serverProperties", "[hidden]",
		},
		{
			"no text at all",
			gen.CreateConfigurationInput{ServerProperties: []byte{0xff, 0xfe, 0}},
			"BadRequestException", "serverProperties", "The line is not UTF-8 text.",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := tt.in
			if in.Name == nil {
				in.Name = new("c")
			}
			_, err := a.CreateConfiguration(a.ctx, &in)
			if r := refusalOf(err); r.code != tt.code || r.parameter != tt.parameter || !strings.Contains(r.message, tt.message) {
				t.Errorf("got %+v", r)
			}
		})
	}
	out, err := a.ListConfigurations(a.ctx, &gen.ListConfigurationsInput{})
	if err != nil || len(out.Configurations) != 1 {
		t.Errorf("left behind: %+v, %v", out, err)
	}
}

// A file of nothing but mistakes is answered in bounds.
func TestProblemsOfAFileAreBounded(t *testing.T) {
	a := newAccount(t)
	_, err := a.CreateConfiguration(a.ctx, &gen.CreateConfigurationInput{Name: new("c"), ServerProperties: []byte(strings.Repeat("x\n", 30000))})
	if r := refusalOf(err); !strings.Contains(r.message, `"29900 more problems are not listed."`) || len(r.message) > 30_000 {
		t.Errorf("%d bytes: %s", len(r.message), r.message[max(0, len(r.message)-300):])
	}
}

func TestConfigurationQuota(t *testing.T) {
	a := newAccount(t)
	for i := range 100 {
		a.createConfiguration(fmt.Sprintf("c%d", i), "")
	}
	_, err := a.CreateConfiguration(a.ctx, &gen.CreateConfigurationInput{Name: new("one-more")})
	want := refusal{"BadRequestException", "name", "You can't have more than 100 configurations in a Region. Delete one that no cluster uses."}
	if r := refusalOf(err); r != want {
		t.Errorf("got %+v", r)
	}
}

// What each call that names a configuration says of ARNs that name none.
func TestConfigurationARNs(t *testing.T) {
	a := newAccount(t)
	arn := a.createConfiguration("c", "num.partitions=3")
	one := int64(1)
	calls := map[string]func(arn *string) error{
		"describe": func(arn *string) error {
			_, err := a.DescribeConfiguration(a.ctx, &gen.DescribeConfigurationInput{Arn: arn})
			return err
		},
		"describe revision": func(arn *string) error {
			_, err := a.DescribeConfigurationRevision(a.ctx, &gen.DescribeConfigurationRevisionInput{Arn: arn, Revision: &one})
			return err
		},
		"list revisions": func(arn *string) error {
			_, err := a.ListConfigurationRevisions(a.ctx, &gen.ListConfigurationRevisionsInput{Arn: arn})
			return err
		},
		"update": func(arn *string) error {
			_, err := a.UpdateConfiguration(a.ctx, &gen.UpdateConfigurationInput{Arn: arn, ServerProperties: []byte("num.partitions=4")})
			return err
		},
		"delete": func(arn *string) error {
			_, err := a.DeleteConfiguration(a.ctx, &gen.DeleteConfigurationInput{Arn: arn})
			return err
		},
	}
	const gone = "Configuration ARN does not exist"
	tests := map[string]string{
		unknownConfiguration: gone,
		strings.Replace(arn, "000000000000", "111111111111", 1):         gone,
		strings.Replace(arn, "us-east-1", "eu-west-1", 1):               gone,
		strings.Replace(arn, "configuration/c/", "configuration/d/", 1): gone,
		strings.Replace(arn, "configuration/", "cluster/", 1):           "is not the ARN of a configuration.",
		strings.TrimSuffix(arn, "-1"):                                   "is not the ARN of a configuration.",
		"c":                                                             `"c" is not the ARN of a configuration.`,
		"":                                                              `"" is not the ARN of a configuration.`,
	}
	for name, call := range calls {
		for bad, text := range tests {
			if r := refusalOf(call(&bad)); r.code != "BadRequestException" || r.parameter != "arn" || !strings.Contains(r.message, text) {
				t.Errorf("%s of %q: %+v", name, bad, r)
			}
		}
	}
	for _, n := range []int64{0, -1, 2, 1 << 62} {
		_, err := a.DescribeConfigurationRevision(a.ctx, &gen.DescribeConfigurationRevisionInput{Arn: &arn, Revision: &n})
		want := refusal{"NotFoundException", "revision", fmt.Sprintf("The configuration has no revision %d. Its revisions are 1 to 1.", n)}
		if r := refusalOf(err); r != want {
			t.Errorf("revision %d: %+v", n, r)
		}
	}
	// What is refused changes nothing.
	_, err := a.UpdateConfiguration(a.ctx, &gen.UpdateConfigurationInput{Arn: &arn, ServerProperties: []byte("num.partitions=no")})
	if r := refusalOf(err); r.parameter != "serverProperties" {
		t.Errorf("update: %+v", r)
	}
	out, err := a.DescribeConfiguration(a.ctx, &gen.DescribeConfigurationInput{Arn: &arn})
	if err != nil || *out.LatestRevision.Revision != 1 {
		t.Errorf("after refused updates: %+v, %v", out, err)
	}
	if f := awsapi.AsFault(calls["delete"](new(unknownConfiguration))); f == nil || f.HTTPStatus() != 400 {
		t.Errorf("an unknown configuration: %v", f)
	}
}

func TestConfigurationInUseIsNotDeleted(t *testing.T) {
	a := newAccount(t)
	arn := a.createConfiguration("c", "")
	cluster := a.create("k")
	a.set(cluster, func(c *resource.Cluster) { c.Configuration = resource.ConfigurationRef{ARN: arn, Revision: 1} })
	_, err := a.DeleteConfiguration(a.ctx, &gen.DeleteConfigurationInput{Arn: &arn})
	want := refusal{"BadRequestException", "arn", "Configuration is in use by one or more clusters. Dissociate the configuration from the clusters."}
	if r := refusalOf(err); r != want {
		t.Errorf("got %+v", r)
	}
	a.set(cluster, func(c *resource.Cluster) { c.Configuration = resource.ConfigurationRef{} })
	if _, err := a.DeleteConfiguration(a.ctx, &gen.DeleteConfigurationInput{Arn: &arn}); err != nil {
		t.Error(err)
	}
}

// A cluster that takes a configuration and its deletion, at the same moment: one of them is refused, and no cluster has a configuration that is gone.
func TestDeletingAConfigurationRacesWithUsingIt(t *testing.T) {
	a := newAccount(t)
	arn := a.create("k")
	a.activate(arn)
	for i := range 30 {
		configuration := a.createConfiguration(fmt.Sprintf("c%d", i), "")
		var current string
		a.set(arn, func(c *resource.Cluster) {
			c.State, c.Operation, c.Configuration, current = resource.Active, "", resource.ConfigurationRef{}, c.CurrentVersion
		})
		var used, deleted error
		var wg sync.WaitGroup
		wg.Go(func() {
			_, used = a.UpdateClusterConfiguration(a.ctx, &gen.UpdateClusterConfigurationInput{
				ClusterArn: &arn, CurrentVersion: &current, ConfigurationInfo: &gen.ConfigurationInfo{Arn: &configuration, Revision: new(int64(1))},
			})
		})
		wg.Go(func() { _, deleted = a.DeleteConfiguration(a.ctx, &gen.DeleteConfigurationInput{Arn: &configuration}) })
		wg.Wait()
		_, err := a.DescribeConfiguration(a.ctx, &gen.DescribeConfigurationInput{Arn: &configuration})
		switch {
		case used == nil && refusalOf(deleted).message == textConfigurationInUse && err == nil:
		case deleted == nil && refusalOf(used).message == textConfiguration && err != nil:
		default:
			t.Fatalf("used: %v; deleted: %v; then: %v", used, deleted, err)
		}
	}
}
