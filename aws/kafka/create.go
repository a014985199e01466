package kafka

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// createRequest is what both versions of the create call ask for.
type createRequest struct {
	name string
	tags map[string]string
	gen.ProvisionedRequest
	// oneZone lets the cluster have one zone and any number of brokers. Only the demo cluster may: MSK has no such clusters.
	oneZone bool
}

const (
	publicAccessDisabled = "DISABLED"
	// volumeDefaultGiB is the size of a Standard broker's volume when the request has none.
	volumeDefaultGiB = 100
	// clusterSubnetsMin and Max are how many zones a cluster spans.
	clusterSubnetsMin, clusterSubnetsMax = 2, 3
)

// nameForm is what a cluster's name may be; the model limits its length.
var nameForm = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z-]*$`)

// build checks the request and makes the cluster's record of it, with the conditions on the network records that were relied on.
func (r *createRequest) build(scope resource.Scope, network *resource.Network, now time.Time) (
	resource.Cluster, []metadata.Cond, error,
) {
	if !nameForm.MatchString(r.name) {
		return resource.Cluster{}, nil, badRequest("clusterName", "%s", textBadCharacters)
	}
	if err := checkTags(r.tags); err != nil {
		return resource.Cluster{}, nil, err
	}
	size, version, err := r.kind()
	if err != nil {
		return resource.Cluster{}, nil, err
	}
	subnets, groups, given, err := r.place(scope, network)
	if err != nil {
		return resource.Cluster{}, nil, err
	}
	if size.Express() && len(subnets) != clusterSubnetsMax {
		return resource.Cluster{}, nil, badRequest("clientSubnets", "Express brokers need subnets in three Availability Zones.")
	}
	volume, throughput, err := r.storage(size)
	if err != nil {
		return resource.Cluster{}, nil, err
	}
	logging, authentication, err := r.settings()
	if err != nil {
		return resource.Cluster{}, nil, err
	}
	id, kafkaID := resource.NewClusterUUID()
	brokers := int(*r.NumberOfBrokerNodes)
	c := resource.Cluster{
		UUID: id, Name: r.name, Account: scope.Account, Region: scope.Region, Created: now, KafkaID: kafkaID,
		KafkaVersion: version.Name, InstanceType: size.Name, Brokers: brokers,
		Subnets: subnets, SecurityGroups: groups, VolumeGiB: volume, Throughput: throughput,
		Monitoring: string(gen.EnhancedMonitoringDefault), Logging: logging,
		Security:  resource.Security{ClientAuthentication: authentication, ClientBroker: string(gen.ClientBrokerPlaintext)},
		InCluster: true, Tags: maps.Clone(r.tags),
		CurrentVersion: resource.NewVersion(),
		Nodes:          resource.NewNodes(brokers, subnets, now),
	}
	if e := r.EncryptionInfo; e != nil && e.EncryptionInTransit != nil && e.EncryptionInTransit.InCluster != nil {
		c.InCluster = *e.EncryptionInTransit.InCluster
	}
	return c, given, nil
}

// kind checks the size and the version, and that they go together.
func (r *createRequest) kind() (resource.InstanceType, resource.KafkaVersion, error) {
	version, ok := resource.LookupKafkaVersion(*r.KafkaVersion)
	if !ok {
		return resource.InstanceType{}, version, badRequest("kafkaVersion", "Unsupported KafkaVersion [%s]. Valid values: [%s]",
			*r.KafkaVersion, list(resource.KafkaVersions(), func(v resource.KafkaVersion) string { return v.Name }))
	}
	size, ok := resource.LookupInstanceType(*r.BrokerNodeGroupInfo.InstanceType)
	if !ok {
		return size, version, badRequest("instanceType", "Unsupported InstanceType [%s]. Valid values: [%s]",
			*r.BrokerNodeGroupInfo.InstanceType, list(resource.InstanceTypes(), func(t resource.InstanceType) string { return t.Name }))
	}
	switch {
	case size.Express() && !version.Express:
		return size, version, badRequest("kafkaVersion", "Express brokers don't support KafkaVersion [%s].", version.Name)
	case size.NoKRaft() && version.KRaft():
		return size, version, badRequest("instanceType", "%s doesn't support KRaft mode, which KafkaVersion [%s] uses.", size.Name, version.Name)
	}
	return size, version, nil
}

func list[T any](all []T, name func(T) string) string {
	names := make([]string, len(all))
	for i, v := range all {
		names[i] = name(v)
	}
	return strings.Join(names, ", ")
}

// place checks where the brokers are to live.
func (r *createRequest) place(scope resource.Scope, network *resource.Network) (
	subnets []resource.ClientSubnet, groups []string, given []metadata.Cond, err error,
) {
	g := r.BrokerNodeGroupInfo
	zones := make(map[string]bool)
	for _, id := range g.ClientSubnets {
		i := slices.IndexFunc(network.Subnets, func(s resource.Subnet) bool { return s.ID == id })
		if i < 0 {
			return nil, nil, nil, badRequest("clientSubnets", "The subnet ID '%s' does not exist", id)
		}
		s := network.Subnets[i]
		zones[s.ZoneID] = true
		subnets = append(subnets, resource.ClientSubnet{ID: s.ID, VPC: s.VPC, Zone: s.Zone, ZoneID: s.ZoneID})
		given = append(given, metadata.Cond{Key: scope.SubnetsPrefix() + s.ID, Modified: network.Modified[s.ID]})
	}
	switch n := len(subnets); {
	case n == 1 && r.oneZone:
	case n < clusterSubnetsMin || n > clusterSubnetsMax:
		return nil, nil, nil, badRequest("clientSubnets", "Specify two or three client subnets, each in an Availability Zone of its own.")
	case len(zones) != n:
		return nil, nil, nil, badRequest("clientSubnets", "%s", textZones)
	}
	if int(*r.NumberOfBrokerNodes)%len(subnets) != 0 {
		return nil, nil, nil, badRequest("numberOfBrokerNodes", "%s", textBrokerCount)
	}
	vpc := subnets[0].VPC
	for _, s := range subnets {
		if s.VPC != vpc {
			return nil, nil, nil, badRequest("clientSubnets", "The client subnets must be in the same VPC.")
		}
	}
	if want := g.ZoneIds; len(want) > 0 {
		for _, z := range want {
			if !zones[z] {
				return nil, nil, nil, badRequest("zoneIds", "The zone ID '%s' is not that of a client subnet.", z)
			}
		}
		if len(want) != len(zones) {
			return nil, nil, nil, badRequest("zoneIds", "Specify the zone ID of each client subnet, or none.")
		}
	}
	groups, conds, err := securityGroups(scope, network, vpc, g.SecurityGroups)
	return subnets, groups, append(given, conds...), err
}

// securityGroups checks the given groups; without any, the VPC's default group is taken.
func securityGroups(scope resource.Scope, network *resource.Network, vpc string, ids []string) ([]string, []metadata.Cond, error) {
	if len(ids) == 0 {
		for _, sg := range network.SecurityGroups {
			if sg.VPC == vpc && sg.Name == resource.DefaultGroupName {
				ids = []string{sg.ID}
			}
		}
		if len(ids) == 0 {
			return nil, nil, badRequest("securityGroups", "The VPC '%s' has no default security group. Specify one.", vpc)
		}
	}
	var given []metadata.Cond
	seen := make(map[string]bool)
	for _, id := range ids {
		i := slices.IndexFunc(network.SecurityGroups, func(s resource.SecurityGroup) bool { return s.ID == id })
		switch {
		case i < 0:
			return nil, nil, badRequest("securityGroups", "The security group '%s' does not exist", id)
		case network.SecurityGroups[i].VPC != vpc:
			return nil, nil, badRequest("securityGroups", "The security group '%s' is not in the VPC '%s' of the client subnets.", id, vpc)
		case seen[id]:
			return nil, nil, badRequest("securityGroups", "The security group '%s' is given twice.", id)
		}
		seen[id] = true
		given = append(given, metadata.Cond{Key: scope.SecurityGroupsPrefix() + id, Modified: network.Modified[id]})
	}
	return slices.Clone(ids), given, nil
}

// storage checks the volumes.
func (r *createRequest) storage(size resource.InstanceType) (gib int32, throughput *resource.Throughput, err error) {
	if r.StorageMode == gen.StorageModeTiered {
		return 0, nil, notYet("storageMode", "tiered storage is")
	}
	var ebs *gen.EBSStorageInfo
	if s := r.BrokerNodeGroupInfo.StorageInfo; s != nil {
		ebs = s.EbsStorageInfo
	}
	if size.Express() {
		if ebs != nil || r.StorageMode != "" {
			return 0, nil, badRequest("storageInfo", "Express brokers manage their storage themselves: specify neither storageInfo nor storageMode.")
		}
		return 0, nil, nil
	}
	if ebs == nil {
		return volumeDefaultGiB, nil, nil
	}
	if p := ebs.ProvisionedThroughput; p != nil {
		if deref(p.Enabled) {
			return 0, nil, notYet("provisionedThroughput", "provisioned storage throughput is")
		}
		if p.VolumeThroughput != nil {
			return 0, nil, badRequest("volumeThroughput", "Specify volumeThroughput only together with enabled provisioned throughput.")
		}
		if p.Enabled != nil {
			throughput = &resource.Throughput{Enabled: *p.Enabled}
		}
	}
	return cmp.Or(deref(ebs.VolumeSize), volumeDefaultGiB), throughput, nil
}

// settings checks everything that concerns features which are not built: it may be switched off, not on.
func (r *createRequest) settings() (logs resource.Logging, auth *resource.ClientAuthentication, err error) {
	if r.ConfigurationInfo != nil { // there are no configurations yet, so none of them exists
		return logs, nil, badRequest("configurationInfo", "%s", textConfiguration)
	}
	if m := r.EnhancedMonitoring; m != "" && m != gen.EnhancedMonitoringDefault {
		return logs, nil, notYet("enhancedMonitoring", fmt.Sprintf("the level %s is", m))
	}
	if r.Rebalancing != nil && r.Rebalancing.Status == gen.RebalancingStatusActive {
		return logs, nil, notYet("rebalancing", "intelligent rebalancing is")
	}
	if p := r.OpenMonitoring; p != nil && p.Prometheus != nil {
		if j := p.Prometheus.JmxExporter; j != nil && deref(j.EnabledInBroker) {
			return logs, nil, notYet("openMonitoring.prometheus.jmxExporter", "the JMX exporter is")
		}
		if n := p.Prometheus.NodeExporter; n != nil && deref(n.EnabledInBroker) {
			return logs, nil, notYet("openMonitoring.prometheus.nodeExporter", "the node exporter is")
		}
	}
	if err := r.connectivity(); err != nil {
		return logs, nil, err
	}
	if err := r.encryption(); err != nil {
		return logs, nil, err
	}
	if auth, err = r.authentication(); err != nil {
		return logs, nil, err
	}
	if l := r.LoggingInfo; l != nil {
		if b := l.BrokerLogs; b != nil {
			if logs.Broker, err = logsOff("loggingInfo.brokerLogs", b.CloudWatchLogs, b.Firehose, b.S3); err != nil {
				return logs, nil, err
			}
		}
		if b := l.AuthorizerLogs; b != nil {
			if logs.Authorizer, err = logsOff("loggingInfo.authorizerLogs", b.CloudWatchLogs, b.Firehose, b.S3); err != nil {
				return logs, nil, err
			}
		}
	}
	return logs, auth, nil
}

func (r *createRequest) connectivity() error {
	c := r.BrokerNodeGroupInfo.ConnectivityInfo
	if c == nil {
		return nil
	}
	if p := c.PublicAccess; p != nil && p.Type != nil && *p.Type != publicAccessDisabled {
		return badRequest("publicAccess", "Public access can't be enabled when a cluster is created. Set publicAccess.type to DISABLED.")
	}
	if v := c.VpcConnectivity; v != nil && v.ClientAuthentication != nil {
		a := v.ClientAuthentication
		on := a.Tls != nil && deref(a.Tls.Enabled)
		if s := a.Sasl; s != nil {
			on = on || s.Scram != nil && deref(s.Scram.Enabled) || s.Iam != nil && deref(s.Iam.Enabled)
		}
		if on {
			return badRequest("vpcConnectivity", "%s", textMultiVPC)
		}
	}
	if c.NetworkType == gen.NetworkTypeDual {
		return notYet("networkType", "dual-stack (IPv6) networking is")
	}
	return nil
}

// encryption: only plaintext listeners exist, and nothing is encrypted at rest (docs/adr/0006).
func (r *createRequest) encryption() error {
	e := r.EncryptionInfo
	if e == nil {
		return nil
	}
	if e.EncryptionAtRest != nil {
		return notYet("encryptionInfo.encryptionAtRest", "encryption at rest is")
	}
	if t := e.EncryptionInTransit; t != nil {
		switch t.ClientBroker {
		case "", gen.ClientBrokerPlaintext:
		case gen.ClientBrokerTls, gen.ClientBrokerTlsPlaintext:
			return notYet("encryptionInfo.encryptionInTransit.clientBroker", "TLS between clients and brokers (use PLAINTEXT) is")
		}
	}
	return nil
}

func (r *createRequest) authentication() (*resource.ClientAuthentication, error) {
	a := r.ClientAuthentication
	if a == nil {
		return nil, nil //nolint:nilnil // nothing was said
	}
	out := &resource.ClientAuthentication{}
	if s := a.Sasl; s != nil {
		if s.Scram != nil {
			out.SCRAM = s.Scram.Enabled
		}
		if s.Iam != nil {
			out.IAM = s.Iam.Enabled
		}
	}
	if a.Tls != nil {
		out.TLS = a.Tls.Enabled
		if len(a.Tls.CertificateAuthorityArnList) > 0 {
			return nil, notYet("clientAuthentication.tls", "mutual TLS authentication is")
		}
	}
	if a.Unauthenticated != nil {
		out.Unauthenticated = a.Unauthenticated.Enabled
	}
	switch {
	case deref(out.SCRAM):
		return nil, notYet("clientAuthentication.sasl.scram", "SASL/SCRAM authentication is")
	case deref(out.IAM):
		return nil, notYet("clientAuthentication.sasl.iam", "IAM authentication is")
	case deref(out.TLS):
		return nil, notYet("clientAuthentication.tls", "mutual TLS authentication is")
	case out.Unauthenticated != nil && !*out.Unauthenticated:
		return nil, badRequest("clientAuthentication",
			"Unauthenticated access is the only way of client authentication in this version of Weir: it can't be disabled.")
	}
	return out, nil
}

// logsOff keeps log destinations that are switched off, and refuses the others.
func logsOff(parameter string, cw *gen.CloudWatchLogs, fh *gen.Firehose, s3 *gen.S3) ([]resource.LogDestination, error) {
	var out []resource.LogDestination
	if cw != nil {
		out = append(out, resource.LogDestination{Kind: resource.LogToCloudWatch, Enabled: deref(cw.Enabled), Target: deref(cw.LogGroup)})
	}
	if fh != nil {
		out = append(out, resource.LogDestination{Kind: resource.LogToFirehose, Enabled: deref(fh.Enabled), Target: deref(fh.DeliveryStream)})
	}
	if s3 != nil {
		out = append(out, resource.LogDestination{
			Kind: resource.LogToS3, Enabled: deref(s3.Enabled), Target: deref(s3.Bucket), Prefix: deref(s3.Prefix),
		})
	}
	for _, d := range out {
		if d.Enabled {
			return nil, notYet(parameter+"."+string(d.Kind), "log delivery is")
		}
	}
	return out, nil
}
