package resource

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"weir/metadata"
)

// Quotas is how much of what MSK counts there may be. A zero field means its default, which is MSK's own but where that is in
// people's way (QuotaTable).
type Quotas struct {
	Brokers                 int // of an account in a region; those of serverless clusters do not count
	ClusterBrokersZooKeeper int
	ClusterBrokersKRaft     int
	ServerlessClusters      int // of an account in a region
	ServerlessVPCs          int // of a serverless cluster
	Configurations          int // of an account in a region
	ConfigurationRevisions  int // of a configuration
	ScramSecrets            int // of a cluster
	VPCConnections          int // of an account in a region
}

// QuotaRow is one of the Quotas: its name in settings, what it counts, what it is unless it is set, and how far it can be raised.
type QuotaRow struct {
	Name    string
	Counts  string
	Default int
	Most    int
	MSK     string // what MSK's is, if it is another
	value   func(*Quotas) *int
}

// QuotaTable is every quota there is. The documentation's table is made of it.
func QuotaTable() []QuotaRow {
	return []QuotaRow{
		{"brokers", "brokers of an account in a Region, but for serverless clusters'", 90, 10_000, "", func(q *Quotas) *int { return &q.Brokers }},
		{"cluster-brokers-zookeeper", "brokers of a cluster with one of ZooKeeper's versions", 30, 1000, "", func(q *Quotas) *int { return &q.ClusterBrokersZooKeeper }},
		{"cluster-brokers-kraft", "brokers of a cluster with one of KRaft's versions", 60, 1000, "", func(q *Quotas) *int { return &q.ClusterBrokersKRaft }},
		{"serverless-clusters", "serverless clusters of an account in a Region", 10, 1000, "", func(q *Quotas) *int { return &q.ServerlessClusters }},
		{"serverless-vpcs", "VPCs of a serverless cluster", 5, 100, "", func(q *Quotas) *int { return &q.ServerlessVPCs }},
		{"configurations", "configurations of an account in a Region", 100, 10_000, "", func(q *Quotas) *int { return &q.Configurations }},
		{"configuration-revisions", "revisions of a configuration", 10_000, 100_000, "50", func(q *Quotas) *int { return &q.ConfigurationRevisions }},
		{"scram-secrets", "SCRAM secrets of a cluster", 1000, 10_000, "", func(q *Quotas) *int { return &q.ScramSecrets }},
		{"vpc-connections", "VPC connections of an account in a Region", 1000, 10_000, "not known", func(q *Quotas) *int { return &q.VPCConnections }},
	}
}

// WithDefaults returns the quotas with every zero field at its default.
func (q Quotas) WithDefaults() Quotas {
	for _, r := range QuotaTable() {
		if v := r.value(&q); *v == 0 {
			*v = r.Default
		}
	}
	return q
}

// ClusterBrokers is how many brokers a cluster of the version may have.
func (q Quotas) ClusterBrokers(v KafkaVersion) int {
	if v.KRaft() {
		return q.ClusterBrokersKRaft
	}
	return q.ClusterBrokersZooKeeper
}

// Of is the row's quota in q.
func (r *QuotaRow) Of(q Quotas) int { return *r.value(&q) }

// ParseQuotas reads quotas as name=number,name=number. Those that are not named stay zero.
func ParseQuotas(text string) (Quotas, error) {
	var q Quotas
	rows := QuotaTable()
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, number, ok := strings.Cut(part, "=")
		if !ok {
			return q, fmt.Errorf("%q is not name=number", part)
		}
		i := slices.IndexFunc(rows, func(r QuotaRow) bool { return r.Name == strings.TrimSpace(name) })
		if i < 0 {
			names := make([]string, len(rows))
			for i, r := range rows {
				names[i] = r.Name
			}
			return q, fmt.Errorf("there is no quota %q; there are %s", strings.TrimSpace(name), strings.Join(names, ", "))
		}
		r := &rows[i]
		n, err := strconv.Atoi(strings.TrimSpace(number))
		if err != nil || n < 1 || n > r.Most {
			return q, fmt.Errorf("%s can be 1 to %d, not %q", r.Name, r.Most, strings.TrimSpace(number))
		}
		if v := r.value(&q); *v != 0 {
			return q, fmt.Errorf("%s is given twice", r.Name)
		}
		*r.value(&q) = n
	}
	return q, nil
}

// Keys that are written with everything that counts against a quota of an account, so that two calls never take the last free place. What changes
// one is guarded by it too (Taking).

// ConfigurationQuotaKey is written with every configuration that is created.
func (s Scope) ConfigurationQuotaKey() string { return s.Prefix() + "configuration-quota" }

// ClusterQuotaKey is written with every cluster that is created and every operation that adds brokers.
func (s Scope) ClusterQuotaKey() string { return s.Prefix() + "cluster-quota" }

// ConnectionQuotaKey is written with every VPC connection that is created.
func (s Scope) ConnectionQuotaKey() string { return s.Prefix() + "vpc-connection-quota" }

// Taking is what a transaction must hold that takes a place of the quota which key stands for. at is the key's last revision, read before counting.
func Taking(key string, at metadata.Revision) (metadata.Cond, metadata.Op) {
	return metadata.Cond{Key: key, Modified: at}, metadata.Put(key, metadata.Encode(struct{}{}))
}
