package kafka

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
)

// withQuotas is an account that was given those quotas.
func withQuotas(t *testing.T, q resource.Quotas) *account {
	t.Helper()
	a := newAccount(t)
	a.Service = New(a.store, Deps{Quotas: q})
	return a
}

// Each quota, as it was set: what fits is taken, one more is refused with MSK's error, and the text says how many there may be.
func TestQuotasAreEnforced(t *testing.T) {
	brokers := func(a *account, name, version string, n int32) error {
		in := a.request(name)
		in.KafkaVersion, in.NumberOfBrokerNodes = &version, &n
		_, err := a.CreateCluster(a.ctx, in)
		return err
	}
	revise := func(a *account, arn string) error {
		_, err := a.UpdateConfiguration(a.ctx, &gen.UpdateConfigurationInput{Arn: &arn, ServerProperties: []byte("num.partitions=2")})
		return err
	}
	tests := map[string]struct {
		quotas    resource.Quotas
		calls     func(*account) []error // the last must be refused, no other
		parameter string
		message   string
	}{
		"brokers": {resource.Quotas{Brokers: 6}, func(a *account) []error {
			return []error{brokers(a, "a", "3.9.x", 3), brokers(a, "b", "3.9.x", 3), brokers(a, "c", "3.9.x", 3)}
		}, "numberOfBrokerNodes", "An account can have at most 6 brokers in a Region. This one has 6 and the request asks for 3 more."},
		"brokers, raised": {resource.Quotas{Brokers: 93}, func(a *account) []error {
			return []error{
				brokers(a, "a", "3.9.x", 30), brokers(a, "b", "3.9.x", 30), brokers(a, "c", "3.9.x", 30),
				brokers(a, "d", "3.9.x", 3), brokers(a, "e", "3.9.x", 3),
			}
		}, "numberOfBrokerNodes", "at most 93 brokers"},
		"brokers, with an update": {resource.Quotas{Brokers: 9}, func(a *account) []error {
			arn := a.create("a")
			a.activate(arn)
			a.set(arn, func(c *resource.Cluster) { c.CurrentVersion = "K1" })
			return []error{count(9)(a, arn), brokers(a, "b", "3.9.x", 3)} // the brokers that the first is about to get count
		}, "numberOfBrokerNodes", "This one has 9 and the request asks for 3 more."},
		"more brokers": {resource.Quotas{Brokers: 9}, func(a *account) []error {
			arn := a.create("a")
			a.activate(arn)
			a.set(arn, func(c *resource.Cluster) { c.CurrentVersion = "K1" })
			return []error{brokers(a, "b", "3.9.x", 3), count(9)(a, arn)}
		}, "targetNumberOfBrokerNodes", "This one has 6 and the request asks for 6 more."},
		"a cluster's with ZooKeeper": {resource.Quotas{ClusterBrokersZooKeeper: 3}, func(a *account) []error {
			return []error{brokers(a, "a", "3.9.x", 3), brokers(a, "b", "3.9.x", 6)}
		}, "numberOfBrokerNodes", "A cluster with KafkaVersion [3.9.x] can have at most 3 brokers."},
		"a cluster's with KRaft": {resource.Quotas{ClusterBrokersKRaft: 3}, func(a *account) []error {
			return []error{brokers(a, "a", "3.9.x", 6), brokers(a, "b", "3.9.x.kraft", 3), brokers(a, "c", "3.9.x.kraft", 6)}
		}, "numberOfBrokerNodes", "A cluster with KafkaVersion [3.9.x.kraft] can have at most 3 brokers."},
		"serverless clusters": {resource.Quotas{ServerlessClusters: 1, Brokers: 1}, func(a *account) []error {
			a.createServerless("a")
			_, err := a.CreateClusterV2(a.ctx, a.serverlessRequest("b"))
			return []error{err}
		}, "serverless", "at most 1 serverless clusters"},
		"VPCs of a serverless cluster": {resource.Quotas{ServerlessVPCs: 1}, func(a *account) []error {
			subnets, group := a.vpc(3)
			in := a.serverlessRequest("a")
			in.Serverless.VpcConfigs = append(in.Serverless.VpcConfigs, gen.VpcConfig{SubnetIds: subnets, SecurityGroupIds: []string{group}})
			_, err := a.CreateClusterV2(a.ctx, in)
			return []error{err}
		}, "vpcConfigs", "Specify 1 to 1 VPC configurations."},
		"configurations": {resource.Quotas{Configurations: 2}, func(a *account) []error {
			a.createConfiguration("a", "")
			a.createConfiguration("b", "")
			_, err := a.CreateConfiguration(a.ctx, &gen.CreateConfigurationInput{Name: new("c")})
			return []error{err}
		}, "name", "You can't have more than 2 configurations in a Region."},
		"revisions": {resource.Quotas{ConfigurationRevisions: 3}, func(a *account) []error {
			arn, other := a.createConfiguration("a", ""), a.createConfiguration("b", "")
			return []error{revise(a, arn), revise(a, arn), revise(a, other), revise(a, arn)}
		}, "arn", "A configuration can't have more than 3 revisions."},
		"VPC connections": {resource.Quotas{VPCConnections: 2}, func(a *account) []error {
			target := a.opened("orders")
			var errs []error
			for range 2 { // one that was deleted leaves its place
				out, err := a.CreateVpcConnection(a.ctx, a.connection(target))
				if err != nil {
					return []error{err}
				}
				_, err = a.DeleteVpcConnection(a.ctx, &gen.DeleteVpcConnectionInput{Arn: out.VpcConnectionArn})
				errs = append(errs, err)
			}
			for range 3 {
				_, err := a.CreateVpcConnection(a.ctx, a.connection(target))
				errs = append(errs, err)
			}
			return errs
		}, "targetClusterArn", "An account can have at most 2 VPC connections in a Region."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := withQuotas(t, tt.quotas)
			errs := tt.calls(a)
			last := len(errs) - 1
			for i, err := range errs[:last] {
				if err != nil {
					t.Errorf("call %d: %v", i+1, err)
				}
			}
			if r := refusalOf(errs[last]); r.code != "BadRequestException" || r.parameter != tt.parameter || !strings.Contains(r.message, tt.message) {
				t.Errorf("the last call: %+v", r)
			}
		})
	}
}

func TestScramSecretsQuota(t *testing.T) {
	a, secretOf := withSecrets(t)
	a.Service = New(a.store, Deps{Master: testMaster(t), Quotas: resource.Quotas{ScramSecrets: 1}})
	arn := a.create("orders")
	a.activate(arn)
	const user, key = `{"username":"ann","password":"secret"}`, "arn:aws:kms:us-east-1:000000000000:key/k"
	out, err := a.BatchAssociateScramSecret(a.ctx, &gen.BatchAssociateScramSecretInput{
		ClusterArn: &arn, SecretArnList: []string{secretOf("AmazonMSK_ann", key, user), secretOf("AmazonMSK_bob", key, user)},
	})
	if err != nil || len(out.UnprocessedScramSecrets) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	if u := out.UnprocessedScramSecrets[0]; *u.ErrorCode != codeSecretQuota || !strings.Contains(*u.ErrorMessage, "(1)") {
		t.Errorf("%s: %s", *u.ErrorCode, *u.ErrorMessage)
	}
}

// Calls at the same moment never take more places than there are, and none of those that fit is refused for it.
func TestQuotasHoldForCallsAtTheSameMoment(t *testing.T) {
	const callers, places = 12, 4
	tests := map[string]func(*account) func(i int) error{
		"brokers": func(a *account) func(int) error {
			return func(i int) error {
				_, err := a.CreateCluster(a.ctx, a.request(fmt.Sprint("c", i)))
				return err
			}
		},
		"serverless clusters": func(a *account) func(int) error {
			return func(i int) error {
				_, err := a.CreateClusterV2(a.ctx, a.serverlessRequest(fmt.Sprint("c", i)))
				return err
			}
		},
		"VPC connections": func(a *account) func(int) error {
			target := a.opened("orders")
			return func(int) error {
				_, err := a.CreateVpcConnection(a.ctx, a.connection(target))
				return err
			}
		},
		"revisions": func(a *account) func(int) error {
			arn := a.createConfiguration("c", "")
			return func(int) error {
				_, err := a.UpdateConfiguration(a.ctx, &gen.UpdateConfigurationInput{Arn: &arn, ServerProperties: []byte("num.partitions=2")})
				return err
			}
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			a := withQuotas(t, resource.Quotas{Brokers: 3 * places, ServerlessClusters: places, VPCConnections: places, ConfigurationRevisions: places + 1})
			call := prepare(a)
			errs := make([]error, callers)
			var wg sync.WaitGroup
			for i := range callers {
				wg.Go(func() { errs[i] = call(i) })
			}
			wg.Wait()
			made := 0
			for _, err := range errs {
				if r := refusalOf(err); err == nil {
					made++
				} else if r.code != "BadRequestException" {
					t.Error(err)
				}
			}
			if made != places {
				t.Errorf("%d made, want %d", made, places)
			}
		})
	}
}

// TestQuotasGuide compares the table of docs/guide/limits.md with the quotas that there are.
func TestQuotasGuide(t *testing.T) {
	const (
		begin = "<!-- written by go test ./aws/kafka -run TestQuotasGuide -update -->\n"
		end   = "<!-- end of what is written -->\n"
	)
	file := filepath.Join("..", "..", "docs", "guide", "limits.md")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(b), begin)
	old, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", file)
	}
	var table strings.Builder
	table.WriteString("\n| name | counts | here | on MSK | can be raised to |\n|---|---|---|---|---|\n")
	for _, r := range resource.QuotaTable() {
		msk := r.MSK
		if msk == "" {
			msk = fmt.Sprint(r.Default)
		}
		fmt.Fprintf(&table, "| `%s` | %s | %d | %s | %d |\n", r.Name, r.Counts, r.Default, msk, r.Most)
	}
	table.WriteString("\n")
	if old == table.String() {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the quotas are: run go test ./aws/kafka -run TestQuotasGuide -update", file)
	}
	if err := os.WriteFile(file, []byte(head+begin+table.String()+end+tail), 0o600); err != nil {
		t.Fatal(err)
	}
}
