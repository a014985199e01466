package kafka

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
	"weir/secret"
)

const goodPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["123456789012"]},` +
	`"Action":["kafka:CreateVpcConnection","kafka-cluster:*"],"Resource":"arn:aws:kafka:us-east-1:000000000000:cluster/orders/u-1"}]}`

func TestClusterPolicy(t *testing.T) {
	a := newAccount(t)
	arn := a.create("orders")
	a.activate(arn)
	get := func() (*gen.GetClusterPolicyOutput, error) {
		return a.GetClusterPolicy(a.ctx, &gen.GetClusterPolicyInput{ClusterArn: &arn})
	}
	put := func(version *string, text string) (*gen.PutClusterPolicyOutput, error) {
		return a.PutClusterPolicy(a.ctx, &gen.PutClusterPolicyInput{ClusterArn: &arn, CurrentVersion: version, Policy: &text})
	}
	if _, err := get(); refusalOf(err) != (refusal{"NotFoundException", "clusterArn", textNoPolicy}) {
		t.Errorf("get before there is one: %v", err)
	}
	if _, err := a.DeleteClusterPolicy(a.ctx, &gen.DeleteClusterPolicyInput{ClusterArn: &arn}); refusalOf(err).code != "NotFoundException" {
		t.Errorf("delete before there is one: %v", err)
	}
	if _, err := put(new("K1"), goodPolicy); refusalOf(err).parameter != "currentVersion" {
		t.Errorf("first put with a version: %v", err)
	}
	first, err := put(new(""), goodPolicy) // an empty version is none
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []*string{nil, new("")} {
		if _, err := put(version, goodPolicy); refusalOf(err) != (refusal{"BadRequestException", "currentVersion", textPolicyVersion}) {
			t.Errorf("replace without version: %v", err)
		}
	}
	if _, err := put(new("KSTALE"), goodPolicy); refusalOf(err).parameter != "currentVersion" {
		t.Errorf("replace with a stale version: %v", err)
	}
	second, err := put(first.CurrentVersion, strings.Replace(goodPolicy, "Allow", "Deny", 1))
	if err != nil || *second.CurrentVersion == *first.CurrentVersion {
		t.Fatalf("replace: %v, version %v after %v", err, second, first)
	}
	if got, err := get(); err != nil || *got.CurrentVersion != *second.CurrentVersion || !strings.Contains(*got.Policy, "Deny") {
		t.Errorf("get: %v, %v", got, err)
	}
	a.set(arn, func(c *resource.Cluster) { c.State = resource.Updating })
	if _, err := put(second.CurrentVersion, goodPolicy); refusalOf(err).parameter != "clusterArn" {
		t.Errorf("while updating: %v", err)
	}
	a.set(arn, func(c *resource.Cluster) { c.State = resource.Active })
	if _, err := a.DeleteClusterPolicy(a.ctx, &gen.DeleteClusterPolicyInput{ClusterArn: &arn}); err != nil {
		t.Error(err)
	}
	if _, err := get(); refusalOf(err).code != "NotFoundException" {
		t.Errorf("get after it is gone: %v", err)
	}
}

func TestPoliciesThatAreRefused(t *testing.T) {
	edit := func(old, with string) string { return strings.Replace(goodPolicy, old, with, 1) }
	for name, tt := range map[string]struct{ text, says string }{
		"no JSON":       {"{", "unexpected EOF"},
		"two":           {goodPolicy + goodPolicy, "follows"},
		"version":       {edit("2012-10-17", "2020-01-01"), "2020-01-01"},
		"no statement":  {`{"Version":"2012-10-17","Statement":[]}`, "no Statement"},
		"effect":        {edit("Allow", "Perhaps"), "statement 1: Effect"},
		"principal":     {edit(`"Principal":{"AWS":["123456789012"]},`, ""), "Principal"},
		"action":        {edit("kafka:Create", "s3:Create"), "s3:CreateVpcConnection"},
		"resource":      {edit("arn:aws", "aws"), "not an ARN"},
		"unknown field": {edit("Effect", "Affect"), `unknown field "Affect"`},
		"too large":     {edit("orders", strings.Repeat("o", policyBytesMax)), "bytes"},
	} {
		r := refusalOf(checkPolicy(tt.text))
		if r.code != "BadRequestException" || r.parameter != "policy" || !strings.Contains(r.message, tt.says) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	one := `{"Id":"a","Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"kafka:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalAccount":"1"}}}}`
	if err := checkPolicy(one); err != nil {
		t.Errorf("a single statement: %v", err)
	}
}

// opened is a cluster that takes connections from other VPCs with IAM.
func (a *account) opened(name string) string {
	arn := a.create(name)
	a.activate(arn)
	a.set(arn, func(c *resource.Cluster) { c.Connectivity.VPC = &resource.ClientAuthentication{IAM: new(true)} })
	return arn
}

func (a *account) connection(target string) *gen.CreateVpcConnectionInput {
	group := a.network.SecurityGroups[0]
	return &gen.CreateVpcConnectionInput{
		TargetClusterArn: &target, Authentication: new("SASL_IAM"), VpcId: new(group.VPC), ClientSubnets: a.subnets(3),
		SecurityGroups: []string{group.ID}, Tags: map[string]string{"a": "1"},
	}
}

func TestVPCConnection(t *testing.T) {
	a := newAccount(t)
	target := a.opened("orders")
	made, err := a.CreateVpcConnection(a.ctx, a.connection(target))
	if err != nil {
		t.Fatal(err)
	}
	arn := made.VpcConnectionArn
	state := func() gen.VpcConnectionState {
		t.Helper()
		d, err := a.DescribeVpcConnection(a.ctx, &gen.DescribeVpcConnectionInput{Arn: arn})
		if err != nil {
			t.Fatal(err)
		}
		return d.State
	}
	d, err := a.DescribeVpcConnection(a.ctx, &gen.DescribeVpcConnectionInput{Arn: arn})
	if err != nil || d.State != "AVAILABLE" || *d.TargetClusterArn != target || !slices.Equal(d.Subnets, a.subnets(3)) || d.Tags["a"] != "1" {
		t.Errorf("describe: %+v, %v", d, err)
	}
	if l, err := a.ListVpcConnections(a.ctx, &gen.ListVpcConnectionsInput{}); err != nil || len(l.VpcConnections) != 1 || *l.VpcConnections[0].VpcConnectionArn != *arn {
		t.Errorf("list: %+v, %v", l, err)
	}
	clients := func() []gen.ClientVpcConnection {
		t.Helper()
		l, err := a.ListClientVpcConnections(a.ctx, &gen.ListClientVpcConnectionsInput{ClusterArn: &target})
		if err != nil {
			t.Fatal(err)
		}
		return l.ClientVpcConnections
	}
	if l := clients(); len(l) != 1 || *l[0].Owner != a.scope.Account {
		t.Errorf("the cluster's clients: %+v", l)
	}
	if _, err := a.TagResource(a.ctx, &gen.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"b": "2"}}); err != nil {
		t.Error(err)
	}
	if tags, err := a.ListTagsForResource(a.ctx, &gen.ListTagsForResourceInput{ResourceArn: arn}); err != nil || len(tags.Tags) != 2 {
		t.Errorf("tags: %v, %v", tags, err)
	}
	a.set(target, func(c *resource.Cluster) { c.Connectivity.VPC = nil })
	if s := state(); s != "INACTIVE" {
		t.Errorf("the cluster switched it off: %s", s)
	}
	reject := &gen.RejectClientVpcConnectionInput{ClusterArn: &target, VpcConnectionArn: arn}
	if _, err := a.RejectClientVpcConnection(a.ctx, reject); err != nil || state() != "REJECTED" {
		t.Errorf("reject: %v, state %s", err, state())
	}
	if _, err := a.RejectClientVpcConnection(a.ctx, reject); refusalOf(err).parameter != "vpcConnectionArn" {
		t.Errorf("reject again: %v", err)
	}
	if out, err := a.DeleteVpcConnection(a.ctx, &gen.DeleteVpcConnectionInput{Arn: arn}); err != nil || out.State != "DELETING" {
		t.Errorf("delete: %v, %v", out, err)
	}
	if _, err := a.DescribeVpcConnection(a.ctx, &gen.DescribeVpcConnectionInput{Arn: arn}); refusalOf(err).code != "NotFoundException" {
		t.Errorf("describe after delete: %v", err)
	}
	ops, err := a.ListClusterOperations(a.ctx, &gen.ListClusterOperationsInput{ClusterArn: &target})
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, op := range ops.ClusterOperationInfoList {
		if i := op.VpcConnectionInfo; i != nil && *i.VpcConnectionArn == *arn && *op.OperationState == "UPDATE_COMPLETE" {
			types = append(types, *op.OperationType)
		}
	}
	slices.Sort(types)
	if !slices.Equal(types, []string{"CREATE_VPC_CONNECTION", "DELETE_VPC_CONNECTION", "REJECT_VPC_CONNECTION"}) {
		t.Errorf("operations of the cluster: %v", types)
	}
}

func TestVPCConnectionsThatAreRefused(t *testing.T) {
	a := newAccount(t)
	target := a.opened("orders")
	closed := a.create("closed")
	a.activate(closed)
	other := strings.Replace(target, ":000000000000:", ":111111111111:", 1)
	for name, tt := range map[string]struct {
		edit      func(*gen.CreateVpcConnectionInput)
		parameter string
	}{
		"authentication":   {func(in *gen.CreateVpcConnectionInput) { in.Authentication = new("NONE") }, "authentication"},
		"not switched on":  {func(in *gen.CreateVpcConnectionInput) { in.Authentication = new("TLS") }, "authentication"},
		"closed cluster":   {func(in *gen.CreateVpcConnectionInput) { in.TargetClusterArn = &closed }, "authentication"},
		"no ARN":           {func(in *gen.CreateVpcConnectionInput) { in.TargetClusterArn = new("orders") }, "targetClusterArn"},
		"another account":  {func(in *gen.CreateVpcConnectionInput) { in.TargetClusterArn = &other }, "targetClusterArn"},
		"unknown VPC":      {func(in *gen.CreateVpcConnectionInput) { in.VpcId = new("vpc-0") }, "vpcId"},
		"unknown subnet":   {func(in *gen.CreateVpcConnectionInput) { in.ClientSubnets[0] = "subnet-0" }, "clientSubnets"},
		"too few subnets":  {func(in *gen.CreateVpcConnectionInput) { in.ClientSubnets = in.ClientSubnets[:2] }, "clientSubnets"},
		"same zone twice":  {func(in *gen.CreateVpcConnectionInput) { in.ClientSubnets[1] = in.ClientSubnets[0] }, "clientSubnets"},
		"no group":         {func(in *gen.CreateVpcConnectionInput) { in.SecurityGroups = nil }, "securityGroups"},
		"unknown group":    {func(in *gen.CreateVpcConnectionInput) { in.SecurityGroups = []string{"sg-0"} }, "securityGroups"},
		"reserved tag key": {func(in *gen.CreateVpcConnectionInput) { in.Tags = map[string]string{"aws:a": "1"} }, "tags"},
	} {
		in := a.connection(target)
		tt.edit(in)
		_, err := a.CreateVpcConnection(a.ctx, in)
		if r := refusalOf(err); r.code != "BadRequestException" || r.parameter != tt.parameter {
			t.Errorf("%s: %+v", name, r)
		}
	}
	a.set(target, func(c *resource.Cluster) { c.State = resource.Updating })
	if _, err := a.CreateVpcConnection(a.ctx, a.connection(target)); refusalOf(err).parameter != "targetClusterArn" {
		t.Errorf("while updating: %v", err)
	}
	absent := strings.Replace(target, ":cluster/orders/", ":vpc-connection/000000000000/orders/", 1)
	for name, tt := range map[string]struct{ arn, code string }{
		"malformed": {"vpc-connection", "BadRequestException"},
		"absent":    {absent, "NotFoundException"},
		"another":   {strings.Replace(absent, ":000000000000:", ":111111111111:", 1), "NotFoundException"},
	} {
		_, err := a.DescribeVpcConnection(a.ctx, &gen.DescribeVpcConnectionInput{Arn: &tt.arn})
		if r := refusalOf(err); r.code != tt.code || r.parameter != "arn" {
			t.Errorf("describe %s: %+v", name, r)
		}
	}
}

func testMaster(t *testing.T) *secret.Master {
	t.Helper()
	m, err := secret.NewMaster("m", bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// withSecrets is an account whose secrets can be opened.
func withSecrets(t *testing.T) (*account, func(name, key, value string) string) {
	a := newAccount(t)
	m := testMaster(t)
	a.Service = New(a.store, Deps{Master: m})
	return a, func(name, key, value string) string {
		t.Helper()
		s := resource.Secret{
			Name: name, Suffix: "AbCdEf", Key: key, Created: time.Now(),
			Versions: []resource.SecretVersion{{ID: "v1", Stages: []string{resource.Current}}},
		}
		sealed, err := m.Seal(resource.SecretContext(a.scope, s, "v1"), secret.NewValue([]byte(value)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.store.Commit(a.ctx, metadata.Txn{Then: []metadata.Op{
			metadata.Put(a.scope.SecretsPrefix()+name, metadata.Encode(s)),
			metadata.Put(a.scope.SecretValueKey(name, s.Suffix, "v1"), metadata.Encode(sealed)),
		}})
		if err != nil {
			t.Fatal(err)
		}
		return a.scope.SecretARN(name, s.Suffix)
	}
}

func TestScramSecrets(t *testing.T) {
	const user, key = `{"username":"ann","password":"secret"}`, "arn:aws:kms:us-east-1:000000000000:key/k"
	a, secretOf := withSecrets(t)
	arn := a.create("orders")
	a.activate(arn)
	good, second := secretOf("AmazonMSK_ann", key, user), secretOf("AmazonMSK_bob", key, user)
	associate := func(arns ...string) map[string]string {
		t.Helper()
		out, err := a.BatchAssociateScramSecret(a.ctx, &gen.BatchAssociateScramSecretInput{ClusterArn: &arn, SecretArnList: arns})
		if err != nil || *out.ClusterArn != arn {
			t.Fatal(err)
		}
		left := map[string]string{}
		for _, u := range out.UnprocessedScramSecrets {
			left[*u.SecretArn] = *u.ErrorCode + ": " + *u.ErrorMessage
		}
		return left
	}
	bad := map[string]string{
		secretOf("ann", key, user):                             codeSecretARN + ": " + textSecretPrefix,
		a.scope.SecretARN("AmazonMSK_absent", "AbCdEf"):        codeSecretARN + ": " + textSecretUnreadable,
		secretOf("AmazonMSK_default", "", user):                codeSecretKey + ": " + textSecretKey,
		secretOf("AmazonMSK_shape", key, `{"username":"ann"}`): codeSecretSchema + ": " + textSecretSchema,
		secretOf("AmazonMSK_text", key, "ann:secret"):          codeSecretSchema + ": " + textSecretSchema,
		"AmazonMSK_ann": codeSecretARN + ": The provided secret arn isn't an ARN of Secrets Manager.",
		strings.Replace(second, ":000000000000:", ":111111111111:", 1): codeSecretARN + ": " + textSecretUnreadable,
	}
	arns := []string{good}
	for b := range bad {
		arns = append(arns, b)
	}
	if left := associate(arns...); fmt.Sprint(left) != fmt.Sprint(bad) {
		t.Errorf("left unprocessed:\n%v\nwant\n%v", left, bad)
	}
	if left := associate(good, second); len(left) > 0 {
		t.Errorf("one that is there and a new one: %v", left)
	}
	list := func() []string {
		t.Helper()
		var all []string
		var token *string
		for {
			out, err := a.ListScramSecrets(a.ctx, &gen.ListScramSecretsInput{ClusterArn: &arn, MaxResults: new(int32(1)), NextToken: token})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, out.SecretArnList...)
			if token = out.NextToken; token == nil {
				return all
			}
		}
	}
	if got := list(); !slices.Equal(got, []string{good, second}) {
		t.Errorf("list: %v", got)
	}
	out, err := a.BatchDisassociateScramSecret(a.ctx, &gen.BatchDisassociateScramSecretInput{ClusterArn: &arn, SecretArnList: []string{good, "arn:aws:x"}})
	if err != nil || len(out.UnprocessedScramSecrets) != 1 || *out.UnprocessedScramSecrets[0].ErrorMessage != textSecretAbsent {
		t.Errorf("disassociate: %+v, %v", out, err)
	}
	if got := list(); !slices.Equal(got, []string{second}) {
		t.Errorf("list after disassociating: %v", got)
	}
	for name, in := range map[string]*gen.BatchAssociateScramSecretInput{
		"none":     {ClusterArn: &arn},
		"too many": {ClusterArn: &arn, SecretArnList: slices.Repeat([]string{good}, 11)},
	} {
		if _, err := a.BatchAssociateScramSecret(a.ctx, in); refusalOf(err).parameter != "secretArnList" {
			t.Errorf("%s: %v", name, err)
		}
	}
	a.set(arn, func(c *resource.Cluster) { c.State = resource.Updating })
	if _, err := a.BatchAssociateScramSecret(a.ctx, &gen.BatchAssociateScramSecretInput{ClusterArn: &arn, SecretArnList: []string{good}}); refusalOf(err).parameter != "clusterArn" {
		t.Errorf("while updating: %v", err)
	}
}
