package resource

import (
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weir/kafka/configdef"
	"weir/metadata"
)

var updateReference = flag.Bool("update", false, "write docs/guide/configuration-properties.md")

const referencePage = "../../docs/guide/configuration-properties.md"

func TestReferenceIsFresh(t *testing.T) {
	want := reference()
	if *updateReference {
		if err := os.WriteFile(referencePage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/guide/configuration-properties.md is not what the tables say: go test ./control/resource -run Reference -update")
	}
}

// ofMSK is every property that MSK's pages name: in the default configuration, for custom ones, as dynamic, and for Express.
func ofMSK() []string {
	all := slices.Concat(StandardProperties(), TieredProperties(), DefaultOnlyProperties(), ExpressProperties(), ExpressDynamicProperties(),
		ExpressFixedProperties(), RunTimeProperties(), []string{"custom.advertised.listeners"})
	slices.Sort(all)
	return slices.Compact(all)
}

// refusedName are properties that MSK's pages name and no configuration can set, with what stands for them.
var refusedNames = [][2]string{
	{"inter.broker.protocol.version", "Kafka 4 has no such property. All brokers speak what the cluster's Kafka version has: see kafka-versions.md."},
	{"local.retention.bytes, local.retention.ms", "Of topics. log.local.retention.bytes and log.local.retention.ms are what holds for topics that do not set them."},
	{"log.message.format.version", "Kafka 4 has no such property. Records are stored in the present format."},
	{"remote.log.msk.disable.policy", "Of topics, on tiered clusters. Weir has no tiered topics yet."},
	{"remote.storage.enable", "Of topics, on tiered clusters. Weir has no tiered topics yet."},
	{"retention.ms", "Of topics. log.retention.ms is what holds for topics that do not set it."},
}

// settable tells whether a configuration may set the property for clusters of the kind.
func settable(name string, k metadata.ClusterKind) bool {
	c, ok := configdef.Broker(name)
	if !ok {
		return false
	}
	value := c.Default
	if r := ruleOf(name); r.oneOf != nil {
		value = r.oneOf[0]
	} else if c.Null {
		value = map[configdef.Type]string{configdef.Int: "1", configdef.Long: "1", configdef.Short: "1", configdef.Boolean: "true"}[c.Type]
	}
	return len(CheckProperties(name+"="+value, nil, k)) == 0 && (c.Only == nil || len(c.Only) > 0)
}

// mskDefault is what the default configurations set, with what differs by kind of cluster.
func mskDefault(name string) string {
	of := func(c Cluster, zones int) string {
		c.Subnets = make([]ClientSubnet, zones)
		if v, ok := DefaultProperties(&c)[name]; ok {
			return v
		}
		return ""
	}
	std := Cluster{InstanceType: "kafka.m7g.large", KafkaVersion: "3.6.0"}
	tiered := std
	tiered.StorageMode = StorageTiered
	express := Cluster{InstanceType: "express.m7g.large", KafkaVersion: "3.6.0"}
	base := of(std, 3)
	text := base
	add := func(v, where string) {
		if v == base || v == "" {
			return
		}
		if text != "" {
			text += "; "
		}
		text += v + " " + where
	}
	add(of(std, 2), "in two zones")
	if strings.HasPrefix(name, "num.") || name == "remote.log.reader.threads" { // by size
		formulas := map[string]string{
			"num.io.threads": "max(8, vCPU) tiered; max(8, 2 vCPU) Express", "num.network.threads": "max(5, vCPU/2) tiered; max(8, vCPU) Express",
			"num.replica.fetchers": "max(2, vCPU/4) tiered", "remote.log.reader.threads": "max(10, 0.67 vCPU) tiered",
		}
		if f := formulas[name]; f != "" {
			if text == "" {
				return f
			}
			return text + "; " + f
		}
		return text
	}
	add(of(tiered, 3), "tiered")
	add(of(express, 3), "Express")
	return text
}

func reference() string {
	var b strings.Builder
	b.WriteString("# Properties of configurations\n\nWritten from `kafka/configdef` and `control/resource`; do not edit. [configurations.md](configurations.md) says how configurations work,\n" +
		"[../protocol/configs.md](../protocol/configs.md) lists all configs of brokers, topics and groups.\n\n" +
		"*Kafka* is Apache Kafka's default, *MSK* what the default configuration sets beside it (empty: nothing). *Change*: a change of a **live** property holds on running\n" +
		"brokers at once; of one that says **restart**, after the rolling restart that the update makes. *Versions*: the Kafka versions that have it, empty for all.\n" +
		"*In Weir* is empty where the property does what it says.\n")
	row := func(name string) {
		c, _ := configdef.Broker(name)
		takes, def := c.Expects(), c.Default
		if r := ruleOf(name); r.within != nil {
			takes = fmt.Sprintf("a whole number from %d to %d", r.within[0], r.within[1])
		} else if r.oneOf != nil {
			takes = strings.Join(r.oneOf, ", ")
		}
		if c.Null {
			def = "none"
		}
		kinds := map[metadata.ClusterKind]string{metadata.Standard: "no", metadata.Express: "no"}
		for k := range kinds {
			if settable(name, k) {
				kinds[k] = "yes"
			}
		}
		change := "restart"
		if c.Live() {
			change = "live"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", name, c.Type, strings.ReplaceAll(takes, "|", "\\|"), def, mskDefault(name),
			kinds[metadata.Standard], kinds[metadata.Express], change, spanOf(name), c.Doc, c.Meaning())
	}
	const head = "| property | type | takes | Kafka | MSK | Standard | Express | change | versions | what it is | in Weir |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
	b.WriteString("\n## Amazon MSK's properties\n\n*Standard* and *Express* say whether a configuration may set it for such clusters. Serverless clusters have no configuration.\n\n" + head)
	named := ofMSK()
	for _, n := range named {
		row(n)
	}
	b.WriteString("\nNames on MSK's pages that are no properties of brokers here:\n\n| name | why |\n|---|---|\n")
	for _, r := range refusedNames {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(r[0], ", ", "`, `"), r[1])
	}
	b.WriteString("\n## Properties that Weir allows and MSK refuses\n\nEach has an effect here (docs/adr/0013).\n\n" + head)
	var refused []string
	for _, c := range configdef.Brokers() {
		switch {
		case slices.Contains(named, c.Name):
		case settable(c.Name, metadata.Standard) || settable(c.Name, metadata.Express):
			row(c.Name)
		default:
			refused = append(refused, c.Name)
		}
	}
	b.WriteString("\n## Properties of Kafka that a configuration cannot set\n\n| property | why |\n|---|---|\n")
	for _, n := range refused {
		fmt.Fprintf(&b, "| `%s` | %s |\n", n, whyRefused(n))
	}
	return b.String()
}

// whyRefused is the message that setting the property to something gets.
func whyRefused(name string) string {
	c, _ := configdef.Broker(name)
	switch {
	case notInFiles(name):
		return "Set at run time only."
	case !c.HasEffect():
		return string(c.Effect)
	}
	return c.Meaning()
}

// The lists of the service, as its guide has them: what an engineer who comes from there looks for.
const (
	mskDefaults = `allow.everyone.if.no.acl.found auto.create.topics.enable auto.leader.rebalance.enable default.replication.factor min.insync.replicas
num.io.threads num.network.threads num.partitions num.replica.fetchers replica.lag.time.max.ms log.segment.bytes local.retention.ms local.retention.bytes
log.message.timestamp.difference.max.ms remote.storage.enable remote.log.reader.threads remote.log.msk.disable.policy retention.ms socket.receive.buffer.bytes
socket.send.buffer.bytes socket.request.max.bytes unclean.leader.election.enable zookeeper.session.timeout.ms zookeeper.set.acl`
	mskCustom = `allow.everyone.if.no.acl.found auto.create.topics.enable compression.type connections.max.idle.ms default.replication.factor delete.topic.enable
group.initial.rebalance.delay.ms group.max.session.timeout.ms group.min.session.timeout.ms leader.imbalance.per.broker.percentage
log.cleaner.delete.retention.ms log.cleaner.min.cleanable.ratio log.cleanup.policy log.flush.interval.messages log.flush.interval.ms
log.message.timestamp.difference.max.ms log.message.timestamp.before.max.ms log.message.timestamp.after.max.ms log.message.timestamp.type log.retention.bytes
log.retention.hours log.retention.minutes log.retention.ms log.roll.ms log.segment.bytes max.incremental.fetch.session.cache.slots message.max.bytes
min.insync.replicas num.io.threads num.network.threads num.partitions num.recovery.threads.per.data.dir num.replica.fetchers offsets.retention.minutes
offsets.topic.replication.factor replica.fetch.max.bytes replica.fetch.response.max.bytes replica.lag.time.max.ms replica.selector.class
replica.socket.receive.buffer.bytes socket.receive.buffer.bytes socket.request.max.bytes socket.send.buffer.bytes transaction.max.timeout.ms
transaction.state.log.min.isr transaction.state.log.replication.factor transactional.id.expiration.ms unclean.leader.election.enable
zookeeper.connection.timeout.ms zookeeper.session.timeout.ms`
	mskOther = `custom.advertised.listeners listener.name.client_iam.max.connections max.connections.per.ip advertised.listeners log.cleaner.min.compaction.lag.ms
log.cleaner.max.compaction.lag.ms max.connection.creation.rate max.connections max.connections.per.ip.overrides producer.id.expiration.ms broker.id broker.rack
fetch.max.bytes group.max.size inter.broker.listener.name inter.broker.protocol.version listeners log.message.format.version request.timeout.ms`
)

func TestEveryPropertyOfMSKIsInTheReference(t *testing.T) {
	page := reference()
	for n := range strings.FieldsSeq(mskDefaults + "\n" + mskCustom + "\n" + mskOther) {
		if !strings.Contains(page, "`"+n+"`") {
			t.Errorf("%s is not in the reference", n)
		}
	}
	for n := range strings.FieldsSeq(mskCustom) {
		if !settable(n, metadata.Standard) {
			t.Errorf("MSK lets configurations set %s, and Weir does not: %v", n, CheckProperties(n+"=1", nil, metadata.Standard))
		}
	}
	for _, n := range ExpressProperties() {
		if !settable(n, metadata.Express) {
			t.Errorf("MSK lets configurations of Express clusters set %s, and Weir does not: %v", n, CheckProperties(n+"=1", nil, metadata.Express))
		}
	}
	for _, n := range ExpressFixedProperties() {
		if settable(n, metadata.Express) {
			t.Errorf("%s is fixed on Express clusters", n)
		}
	}
}

// What has an effect is shown to have it by a test of the data plane, by its own name or that of the topic config that it is the default of.
func TestPropertiesWithEffectHaveTests(t *testing.T) {
	topics := make(map[string]string)
	for _, c := range configdef.Topics() {
		for _, s := range c.Synonyms {
			topics[s.Name] = c.Name
		}
	}
	missing := make(map[string]bool)
	for _, n := range ofMSK() {
		c, _ := configdef.Broker(n)
		// What is "held for any value" is a property of the engine, which has tests of its own; what nobody can set has none.
		if c.HasEffect() && c.Only == nil && !strings.HasPrefix(string(c.Effect), "Holds for any value") {
			missing[n] = true
		}
	}
	for _, dir := range []string{"../../kafka", "../../daemon", "../../storage", "../../test"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() && (d.Name() == "configdef" || d.Name() == "node_modules") {
				if err == nil {
					err = filepath.SkipDir
				}
				return err
			}
			if d.IsDir() || !strings.HasSuffix(path, ".go") || !strings.HasSuffix(path, "_test.go") && !strings.Contains(path, "/test/") {
				return nil
			}
			text, err := os.ReadFile(path)
			for n := range maps.Clone(missing) {
				if strings.Contains(string(text), `"`+n+`"`) || topics[n] != "" && strings.Contains(string(text), `"`+topics[n]+`"`) {
					delete(missing, n)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(missing)) {
		t.Errorf("no test of the data plane names %s", n)
	}
}
