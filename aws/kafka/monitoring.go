package kafka

import (
	"cmp"
	"context"
	"regexp"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
)

// Levels of monitoring, exporters and places for logs. All metrics are served whatever the level, and by the JMX exporter's port whether it was
// switched on or not; nothing delivers logs yet. docs/guide/clusters.md says so.

// withExporters returns what a request says about exporters over what was said before; nil if neither says anything.
func withExporters(before *resource.OpenMonitoring, in *gen.OpenMonitoringInfo) *resource.OpenMonitoring {
	if in == nil || in.Prometheus == nil {
		return before
	}
	out := deref(before)
	if j := in.Prometheus.JmxExporter; j != nil && j.EnabledInBroker != nil {
		out.JMX = *j.EnabledInBroker
	}
	if n := in.Prometheus.NodeExporter; n != nil && n.EnabledInBroker != nil {
		out.Node = *n.EnabledInBroker
	}
	return &out
}

// withLogs returns the places for logs that a request names. Broker logs and authorizer logs are each replaced as a whole if they are mentioned.
func (a *api) withLogs(ctx context.Context, before resource.Logging, in *gen.LoggingInfo) (resource.Logging, error) {
	if in == nil {
		return before, nil
	}
	var err error
	if b := in.BrokerLogs; b != nil {
		if before.Broker, err = a.logDestinations(ctx, "loggingInfo.brokerLogs", b.CloudWatchLogs, b.Firehose, b.S3); err != nil {
			return before, err
		}
	}
	if b := in.AuthorizerLogs; b != nil {
		if before.Authorizer, err = a.logDestinations(ctx, "loggingInfo.authorizerLogs", b.CloudWatchLogs, b.Firehose, b.S3); err != nil {
			return before, err
		}
	}
	return before, nil
}

// The names that buckets and delivery streams may have.
var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	streamName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,64}$`)
)

// logDestinations checks each place that is switched on: it must be named, and a log group must exist. Buckets and delivery streams are other
// services', which cannot be asked yet: of those the name is checked.
func (a *api) logDestinations(ctx context.Context, parameter string, cw *gen.CloudWatchLogs, fh *gen.Firehose, s3 *gen.S3) (
	[]resource.LogDestination, error,
) {
	out := []resource.LogDestination{}
	if cw != nil {
		d := resource.LogDestination{Kind: resource.LogToCloudWatch, Enabled: deref(cw.Enabled), Target: deref(cw.LogGroup)}
		if d.Enabled {
			parameter := parameter + ".cloudWatchLogs.logGroup"
			if d.Target == "" {
				return nil, badRequest(parameter, "Specify the log group that logs are to be delivered to.")
			}
			ok, err := resource.LogGroupExists(ctx, a.store, scopeOf(ctx), d.Target)
			if err != nil {
				return nil, storeError(err)
			}
			if !ok {
				return nil, badRequest(parameter, "The log group [%s] doesn't exist. Create it, then try again.", d.Target)
			}
		}
		out = append(out, d)
	}
	if fh != nil {
		d := resource.LogDestination{Kind: resource.LogToFirehose, Enabled: deref(fh.Enabled), Target: deref(fh.DeliveryStream)}
		switch {
		case d.Enabled && d.Target == "":
			return nil, badRequest(parameter+".firehose.deliveryStream", "Specify the delivery stream that logs are to be delivered to.")
		case d.Enabled && !streamName.MatchString(d.Target):
			return nil, badRequest(parameter+".firehose.deliveryStream", "[%s] is not the name of a delivery stream.", d.Target)
		}
		out = append(out, d)
	}
	if s3 != nil {
		d := resource.LogDestination{Kind: resource.LogToS3, Enabled: deref(s3.Enabled), Target: deref(s3.Bucket), Prefix: deref(s3.Prefix)}
		switch {
		case d.Enabled && d.Target == "":
			return nil, badRequest(parameter+".s3.bucket", "Specify the bucket that logs are to be delivered to.")
		case d.Enabled && !bucketName.MatchString(d.Target):
			return nil, badRequest(parameter+".s3.bucket", "[%s] is not the name of a bucket.", d.Target)
		}
		out = append(out, d)
	}
	return out, nil
}

func monitoringLevel(c *resource.Cluster) gen.EnhancedMonitoring {
	return cmp.Or(gen.EnhancedMonitoring(c.Monitoring), gen.EnhancedMonitoringDefault)
}

func exporters(o *resource.OpenMonitoring) *gen.OpenMonitoring {
	on := deref(o)
	return &gen.OpenMonitoring{Prometheus: &gen.Prometheus{
		JmxExporter: &gen.JmxExporter{EnabledInBroker: new(on.JMX)}, NodeExporter: &gen.NodeExporter{EnabledInBroker: new(on.Node)},
	}}
}

func exportersV2(o *resource.OpenMonitoring) *gen.OpenMonitoringInfo {
	on := deref(o)
	return &gen.OpenMonitoringInfo{Prometheus: &gen.PrometheusInfo{
		JmxExporter: &gen.JmxExporterInfo{EnabledInBroker: new(on.JMX)}, NodeExporter: &gen.NodeExporterInfo{EnabledInBroker: new(on.Node)},
	}}
}

func logging(l *resource.Logging) *gen.LoggingInfo {
	if l.Broker == nil && l.Authorizer == nil {
		return nil
	}
	out := &gen.LoggingInfo{BrokerLogs: &gen.BrokerLogs{}}
	out.BrokerLogs.CloudWatchLogs, out.BrokerLogs.Firehose, out.BrokerLogs.S3 = shownDestinations(l.Broker)
	if l.Authorizer != nil {
		out.AuthorizerLogs = &gen.AuthorizerLogs{}
		out.AuthorizerLogs.CloudWatchLogs, out.AuthorizerLogs.Firehose, out.AuthorizerLogs.S3 = shownDestinations(l.Authorizer)
	}
	return out
}

func shownDestinations(ds []resource.LogDestination) (cw *gen.CloudWatchLogs, fh *gen.Firehose, s3 *gen.S3) {
	for _, d := range ds {
		switch d.Kind {
		case resource.LogToCloudWatch:
			cw = &gen.CloudWatchLogs{Enabled: new(d.Enabled), LogGroup: optional(d.Target)}
		case resource.LogToFirehose:
			fh = &gen.Firehose{Enabled: new(d.Enabled), DeliveryStream: optional(d.Target)}
		case resource.LogToS3:
			s3 = &gen.S3{Enabled: new(d.Enabled), Bucket: optional(d.Target), Prefix: optional(d.Prefix)}
		}
	}
	return cw, fh, s3
}
