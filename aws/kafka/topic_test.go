package kafka

import (
	"context"
	"encoding/base64"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/awsapi"
	gen "weir/awsapi/gen/kafka"
	"weir/control/dataplane"
	"weir/control/dataplane/brokertest"
	"weir/control/resource"
	"weir/metadata"
)

// topicAccount is an account with an ACTIVE cluster, whose brokers answer as the test says.
type topicAccount struct {
	*account
	arn     string
	brokers *dataplane.Clients
}

// withBrokers gives the account's operations clients of brokers that give up after timeout.
func withBrokers(t *testing.T, timeout time.Duration) *topicAccount {
	t.Helper()
	a := newAccount(t)
	clients := dataplane.New(dataplane.Config{Timeout: timeout}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = clients.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	a.Service = New(a.store, Deps{Brokers: clients})
	return &topicAccount{account: a, arn: a.create("orders"), brokers: clients}
}

// serve makes the cluster ACTIVE with the broker's address.
func (a *topicAccount) serve(b *brokertest.Broker) {
	a.set(a.arn, func(c *resource.Cluster) {
		c.State, c.Operation = resource.Active, ""
		c.Nodes[0].Endpoints = []metadata.Endpoint{{Name: clientListener, Host: b.Host, Port: b.Port}}
	})
}

func encoded(text string) *string { return new(base64.StdEncoding.EncodeToString([]byte(text))) }

// topicCalls calls every topic operation in an orderly way.
func topicCalls(a *account) map[string]func(arn, topic string) error {
	return map[string]func(arn, topic string) error{
		"CreateTopic": func(arn, topic string) error {
			_, err := a.CreateTopic(a.ctx, &gen.CreateTopicInput{
				ClusterArn: &arn, TopicName: &topic, PartitionCount: new(int32(1)), ReplicationFactor: new(int32(1)),
			})
			return err
		},
		"DescribeTopic": func(arn, topic string) error {
			_, err := a.DescribeTopic(a.ctx, &gen.DescribeTopicInput{ClusterArn: &arn, TopicName: &topic})
			return err
		},
		"DescribeTopicPartitions": func(arn, topic string) error {
			_, err := a.DescribeTopicPartitions(a.ctx, &gen.DescribeTopicPartitionsInput{ClusterArn: &arn, TopicName: &topic})
			return err
		},
		"ListTopics": func(arn, _ string) error {
			_, err := a.ListTopics(a.ctx, &gen.ListTopicsInput{ClusterArn: &arn})
			return err
		},
		"UpdateTopic": func(arn, topic string) error {
			_, err := a.UpdateTopic(a.ctx, &gen.UpdateTopicInput{ClusterArn: &arn, TopicName: &topic, PartitionCount: new(int32(9))})
			return err
		},
		"DeleteTopic": func(arn, topic string) error {
			_, err := a.DeleteTopic(a.ctx, &gen.DeleteTopicInput{ClusterArn: &arn, TopicName: &topic})
			return err
		},
	}
}

// TestTopicOperationsRefuseTheWrongCluster is what every topic operation says of ARNs and of clusters that have no topic operations now.
func TestTopicOperationsRefuseTheWrongCluster(t *testing.T) {
	a := newAccount(t)
	arn := a.create("orders")
	old, serverless := a.create("old"), a.createServerless("serverless")
	a.activate(arn)
	a.set(old, func(c *resource.Cluster) { c.State, c.KafkaVersion = resource.Active, "3.5.1" })
	a.set(serverless, func(c *resource.Cluster) { c.State = resource.Active })
	inState := func(s resource.ClusterState) string {
		arn := a.create(strings.ToLower(strings.ReplaceAll(string(s), "_", "-")))
		a.set(arn, func(c *resource.Cluster) { c.State = s })
		return arn
	}
	for name, call := range topicCalls(a) {
		tests := []struct {
			name, arn string
			want      refusal
		}{
			{"malformed ARN", "orders", refusal{"BadRequestException", "clusterArn", `"orders" is not the ARN of a cluster.`}},
			{"unknown", strings.Replace(arn, "/orders/", "/other/", 1), refusal{"NotFoundException", "clusterArn", textNotFound}},
			{
				"another account's", strings.Replace(arn, ":000000000000:", ":111111111111:", 1),
				refusal{"NotFoundException", "clusterArn", textNotFound},
			},
			{
				"old version", old,
				refusal{"BadRequestException", "clusterArn", "Topic operations need Apache Kafka 3.6.0 or later. This cluster has version 3.5.1."},
			},
			{"serverless", serverless, refusal{"BadRequestException", "clusterArn", textProvisioned}},
		}
		for _, tt := range tests {
			if got := refusalOf(call(tt.arn, "t")); got != tt.want {
				t.Errorf("%s, %s: %+v; want %+v", name, tt.name, got, tt.want)
			}
		}
		if name != "ListTopics" {
			for _, topic := range []string{"a/b", "..", strings.Repeat("x", 250), "sp ace", "ümlaut"} {
				if got, want := refusalOf(call(arn, topic)), (refusal{"BadRequestException", "topicName", textTopicName}); got != want {
					t.Errorf("%s of topic %q: %+v; want %+v", name, topic, got, want)
				}
			}
		}
	}
	for _, s := range resource.ClusterStates() {
		arn := inState(s)
		for name, call := range topicCalls(a) {
			action, verb := resource.ActionWriteTopics, "change"
			if name == "ListTopics" || strings.HasPrefix(name, "Describe") {
				action, verb = resource.ActionReadTopics, "describe"
			}
			if s.Allows(action) {
				continue
			}
			want := refusal{"BadRequestException", "clusterArn", "You can't " + verb + " the topics of a cluster in " + string(s) + " state."}
			if got := refusalOf(call(arn, "t")); got != want {
				t.Errorf("%s in %s: %+v; want %+v", name, s, got, want)
			}
		}
	}
}

func TestTopicInputIsChecked(t *testing.T) {
	a := newAccount(t)
	arn := a.create("orders")
	a.activate(arn)
	create := func(change func(*gen.CreateTopicInput)) error {
		in := &gen.CreateTopicInput{ClusterArn: &arn, TopicName: new("t"), PartitionCount: new(int32(1)), ReplicationFactor: new(int32(3))}
		change(in)
		_, err := a.CreateTopic(a.ctx, in)
		return err
	}
	update := func(change func(*gen.UpdateTopicInput)) error {
		in := &gen.UpdateTopicInput{ClusterArn: &arn, TopicName: new("t")}
		change(in)
		_, err := a.UpdateTopic(a.ctx, in)
		return err
	}
	const form = "configs is the Base64 encoding of something that is not a JSON object whose values are strings: "
	configs := map[string]string{
		"!":                                    "configs is not valid Base64. Give the Base64 encoding of a JSON object whose values are strings.",
		"":                                     form + "it does not begin with {.", // also the encoding of nothing
		*encoded(`[]`):                         form + "it does not begin with {.",
		*encoded(`{"retention.ms":1}`):         form + `the value of "retention.ms" is not a string.`,
		*encoded(`{"retention.ms":null}`):      form + `the value of "retention.ms" is not a string.`,
		*encoded(`{"a":"1","a":"2"}`):          form + `"a" is there twice.`,
		*encoded(`{"a":"1"`):                   form + "it is not well-formed.",
		*encoded(`{"a"`):                       form + "it is not well-formed.",
		*encoded(`{"a":"1"}{}`):                form + "something follows the object.",
		*encoded(`{"a":{"b":"c"}}`):            form + `the value of "a" is not a string.`,
		strings.TrimRight(*encoded(`{}`), "="): "configs is not valid Base64. Give the Base64 encoding of a JSON object whose values are strings.",
		*encoded("retention.ms=1"):             form + "it does not begin with {.",
	}
	for text, message := range configs {
		want := refusal{"BadRequestException", "configs", message}
		if got := refusalOf(create(func(in *gen.CreateTopicInput) { in.Configs = &text })); got != want {
			t.Errorf("create with configs %q: %+v; want %+v", text, got, want)
		}
		if got := refusalOf(update(func(in *gen.UpdateTopicInput) { in.Configs = &text })); got != want {
			t.Errorf("update with configs %q: %+v; want %+v", text, got, want)
		}
	}
	got := refusalOf(create(func(in *gen.CreateTopicInput) { in.ReplicationFactor = new(int32(4)) }))
	if want := (refusal{
		"BadRequestException", "replicationFactor", "The replication factor 4 is larger than the number of brokers, which is 3.",
	}); got != want {
		t.Errorf("too many replicas: %+v; want %+v", got, want)
	}
	either := refusal{"BadRequestException", "configs", textUpdateTopic}
	if got := refusalOf(update(func(*gen.UpdateTopicInput) {})); got != either {
		t.Errorf("update of nothing: %+v; want %+v", got, either)
	}
	got = refusalOf(update(func(in *gen.UpdateTopicInput) { in.Configs, in.PartitionCount = encoded("{}"), new(int32(2)) }))
	if got != either {
		t.Errorf("update of both: %+v; want %+v", got, either)
	}
	got = refusalOf(update(func(in *gen.UpdateTopicInput) { in.PartitionCount = new(int32(0)) }))
	if want := (refusal{"BadRequestException", "partitionCount", "A topic has at least one partition."}); got != want {
		t.Errorf("no partitions: %+v; want %+v", got, want)
	}
}

// coded is a broker that has the topic t and answers changes with the code.
func coded(t *testing.T, code int16) *brokertest.Broker {
	t.Helper()
	var b *brokertest.Broker
	message := new("what the broker says")
	b = brokertest.Start(t, func(req kmsg.Request) kmsg.Response {
		switch req := req.(type) {
		case *kmsg.CreateTopicsRequest:
			resp, out := kmsg.NewPtrCreateTopicsResponse(), kmsg.NewCreateTopicsResponseTopic()
			out.Topic, out.ErrorCode, out.ErrorMessage = req.Topics[0].Topic, code, message
			resp.Topics = append(resp.Topics, out)
			return resp
		case *kmsg.DeleteTopicsRequest:
			resp, out := kmsg.NewPtrDeleteTopicsResponse(), kmsg.NewDeleteTopicsResponseTopic()
			out.Topic, out.ErrorCode, out.ErrorMessage = req.Topics[0].Topic, code, message
			resp.Topics = append(resp.Topics, out)
			return resp
		case *kmsg.CreatePartitionsRequest:
			resp, out := kmsg.NewPtrCreatePartitionsResponse(), kmsg.NewCreatePartitionsResponseTopic()
			out.Topic, out.ErrorCode, out.ErrorMessage = req.Topics[0].Topic, code, message
			resp.Topics = append(resp.Topics, out)
			return resp
		case *kmsg.AlterConfigsRequest:
			resp, out := kmsg.NewPtrAlterConfigsResponse(), kmsg.NewAlterConfigsResponseResource()
			out.ResourceType, out.ResourceName, out.ErrorCode, out.ErrorMessage = req.Resources[0].ResourceType, "t", code, message
			resp.Resources = append(resp.Resources, out)
			return resp
		}
		return b.Metadata(brokertest.Topic("t", 1))
	})
	return b
}

// TestWhatBrokersRefuse goes through Kafka's errors that the model has exceptions for, as each operation that changes topics shows them.
func TestWhatBrokersRefuse(t *testing.T) {
	const says = "what the broker says"
	tests := []struct {
		code   *kerr.Error
		status int
		want   refusal // an empty parameter: what the operation asked to change
	}{
		{kerr.TopicAlreadyExists, 409, refusal{"TopicExistsException", "topicName", says}},
		{kerr.UnknownTopicOrPartition, 404, refusal{"UnknownTopicOrPartitionException", "topicName", says}},
		{kerr.NotController, 409, refusal{"NotControllerException", "clusterArn", says}},
		{kerr.StaleControllerEpoch, 409, refusal{"ControllerMovedException", "clusterArn", says}},
		{kerr.ReassignmentInProgress, 409, refusal{"ReassignmentInProgressException", "topicName", says}},
		{kerr.GroupSubscribedToTopic, 409, refusal{"GroupSubscribedToTopicException", "topicName", says}},
		{kerr.RequestTimedOut, 409, refusal{"KafkaTimeoutException", "clusterArn", textKafkaTime}},
		{kerr.BrokerNotAvailable, 409, refusal{"ClusterConnectivityException", "clusterArn", textUnreachable}},
		{kerr.ThrottlingQuotaExceeded, 429, refusal{"TooManyRequestsException", "clusterArn", says}},
		{kerr.InvalidConfig, 400, refusal{"KafkaRequestException", "configs", "INVALID_CONFIG: " + says}},
		{kerr.InvalidPartitions, 400, refusal{"KafkaRequestException", "partitionCount", "INVALID_PARTITIONS: " + says}},
		{kerr.InvalidReplicationFactor, 400, refusal{"KafkaRequestException", "replicationFactor", "INVALID_REPLICATION_FACTOR: " + says}},
		{kerr.InvalidTopicException, 400, refusal{"KafkaRequestException", "topicName", "INVALID_TOPIC_EXCEPTION: " + says}},
		{kerr.TopicDeletionDisabled, 400, refusal{"KafkaRequestException", "topicName", "TOPIC_DELETION_DISABLED: " + says}},
		{kerr.PolicyViolation, 400, refusal{"KafkaRequestException", "", "POLICY_VIOLATION: " + says}},
	}
	a := withBrokers(t, 30*time.Second)
	for _, tt := range tests {
		a.serve(coded(t, tt.code.Code)) // all of them stay until the end, so that none gets the port of one before it
		calls := []struct {
			parameter string
			call      func(arn, topic string) error
		}{
			{"topicName", topicCalls(a.account)["CreateTopic"]},
			{"topicName", topicCalls(a.account)["DeleteTopic"]},
			{"partitionCount", topicCalls(a.account)["UpdateTopic"]},
			{"configs", func(arn, topic string) error {
				_, err := a.UpdateTopic(a.ctx, &gen.UpdateTopicInput{ClusterArn: &arn, TopicName: &topic, Configs: encoded("{}")})
				return err
			}},
		}
		for _, c := range calls {
			err := c.call(a.arn, "t")
			want := tt.want
			if want.parameter == "" {
				want.parameter = c.parameter
			}
			f := awsapi.AsFault(err)
			if f == nil || f.HTTPStatus() != tt.status || f.Code != want.code || f.Message != want.message || parameterOf(t, err) != want.parameter {
				t.Errorf("%s: %v, parameter %q; want %d %+v", tt.code.Message, err, parameterOf(t, err), tt.status, want)
			}
		}
	}
}

// parameterOf is the invalidParameter of any exception of the topic operations.
func parameterOf(t *testing.T, err error) string {
	t.Helper()
	switch e := err.(type) { //nolint:errorlint // exactly these are returned
	case *gen.TopicExistsException:
		return e.InvalidParameter
	case *gen.UnknownTopicOrPartitionException:
		return e.InvalidParameter
	case *gen.NotControllerException:
		return e.InvalidParameter
	case *gen.ControllerMovedException:
		return e.InvalidParameter
	case *gen.ReassignmentInProgressException:
		return e.InvalidParameter
	case *gen.GroupSubscribedToTopicException:
		return e.InvalidParameter
	case *gen.KafkaTimeoutException:
		return e.InvalidParameter
	case *gen.ClusterConnectivityException:
		return e.InvalidParameter
	case *gen.TooManyRequestsException:
		return e.InvalidParameter
	case *gen.KafkaRequestException:
		return e.InvalidParameter
	}
	return refusalOf(err).parameter
}

func TestTopicsOfClustersThatDoNotAnswer(t *testing.T) {
	tests := []struct {
		name    string
		timeout time.Duration
		start   func(t *testing.T) *brokertest.Broker
		write   string // the code of changes
		message string
	}{
		{"nobody listens", 30 * time.Second, func(t *testing.T) *brokertest.Broker {
			t.Helper()
			return &brokertest.Broker{Host: "127.0.0.1", Port: 1} // a port that was closed just now may be another test's by now
		}, "ClusterConnectivityException", textUnreachable},
		{"silence", 300 * time.Millisecond, func(t *testing.T) *brokertest.Broker {
			t.Helper()
			silent := make(chan struct{})
			b := brokertest.Start(t, func(kmsg.Request) kmsg.Response { <-silent; return nil })
			t.Cleanup(func() { close(silent) })
			return b
		}, "KafkaTimeoutException", textKafkaTime},
	}
	for _, tt := range tests {
		for _, name := range []string{"CreateTopic", "DescribeTopic", "DescribeTopicPartitions", "ListTopics", "UpdateTopic", "DeleteTopic"} {
			t.Run(tt.name+" "+name, func(t *testing.T) {
				a := withBrokers(t, tt.timeout) // of its own: a call that gives up may take the next one's connection with it
				a.serve(tt.start(t))
				err := topicCalls(a.account)[name](a.arn, "t")
				code, status, message := tt.write, 409, tt.message
				if name == "ListTopics" || strings.HasPrefix(name, "Describe") {
					code, status, message = "ServiceUnavailableException", 503, textNoAnswer
				}
				if f := awsapi.AsFault(err); f == nil || f.Code != code || f.HTTPStatus() != status || f.Message != message {
					t.Errorf("%v; want %d %s", err, status, code)
				}
			})
		}
	}
}

// TestTopicsAreShown compares what brokers say with what is shown of it.
func TestTopicsAreShown(t *testing.T) {
	a := withBrokers(t, 30*time.Second)
	whole, behind, fresh, moving := brokertest.Topic("whole", 3), brokertest.Topic("behind", 2), brokertest.Topic("fresh", 1), brokertest.Topic("moving", 1)
	behind.Partitions[1].Replicas, behind.Partitions[1].ISR, behind.Partitions[1].Leader = []int32{3, 1, 2}, []int32{2}, -1
	fresh.Partitions[0].Leader, fresh.Partitions[0].LeaderEpoch = -1, 0
	all := []kmsg.MetadataResponseTopic{whole, moving, fresh, behind}
	var b *brokertest.Broker
	b = brokertest.Start(t, func(req kmsg.Request) kmsg.Response {
		switch req := req.(type) {
		case *kmsg.MetadataRequest:
			if req.Topics == nil {
				return b.Metadata(all...)
			}
			for _, known := range all {
				if *known.Topic == *req.Topics[0].Topic {
					return b.Metadata(known)
				}
			}
			missing := brokertest.Topic(*req.Topics[0].Topic, 0)
			missing.ErrorCode = kerr.UnknownTopicOrPartition.Code
			return b.Metadata(missing)
		case *kmsg.ListPartitionReassignmentsRequest:
			resp := kmsg.NewPtrListPartitionReassignmentsResponse()
			if req.Topics[0].Topic == "moving" {
				out := kmsg.NewListPartitionReassignmentsResponseTopic()
				out.Topic = "moving"
				resp.Topics = append(resp.Topics, out)
			}
			return resp
		case *kmsg.DescribeConfigsRequest:
			resp, r := kmsg.NewPtrDescribeConfigsResponse(), kmsg.NewDescribeConfigsResponseResource()
			for name, value := range map[string]*string{"retention.ms": new("1000"), "cleanup.policy": new("delete"), "secret": nil} {
				c := kmsg.NewDescribeConfigsResponseResourceConfig()
				c.Name, c.Value = name, value
				r.Configs = append(r.Configs, c)
			}
			resp.Resources = append(resp.Resources, r)
			return resp
		}
		return nil
	})
	a.serve(b)
	topicARN := func(name string) *string { return new(strings.Replace(a.arn, ":cluster/", ":topic/", 1) + "/" + name) }

	states := map[string]gen.TopicState{
		"whole": gen.TopicStateActive, "behind": gen.TopicStateActive, "fresh": gen.TopicStateCreating, "moving": gen.TopicStateUpdating,
	}
	for name, want := range states {
		out, err := a.DescribeTopic(a.ctx, &gen.DescribeTopicInput{ClusterArn: &a.arn, TopicName: &name})
		if err != nil || out.Status != want || *out.TopicName != name || *out.TopicArn != *topicARN(name) {
			t.Errorf("describe %s: %+v, %v; want %s", name, out, err, want)
			continue
		}
		configs, err := base64.StdEncoding.DecodeString(*out.Configs)
		if err != nil || string(configs) != `{"cleanup.policy":"delete","retention.ms":"1000"}` {
			t.Errorf("configs of %s: %s, %v", name, configs, err)
		}
	}
	behindTopic, err := a.DescribeTopic(a.ctx, &gen.DescribeTopicInput{ClusterArn: &a.arn, TopicName: new("behind")})
	if err != nil || *behindTopic.PartitionCount != 2 || *behindTopic.ReplicationFactor != 3 {
		t.Errorf("describe behind: %+v, %v; want 2 partitions, 3 replicas", behindTopic, err)
	}
	for name, call := range topicCalls(a.account) {
		if name == "CreateTopic" || name == "ListTopics" {
			continue
		}
		if got, want := refusalOf(call(a.arn, "none")), (refusal{"NotFoundException", "topicName", textNotFound}); got != want {
			t.Errorf("%s of a topic that is not there: %+v; want %+v", name, got, want)
		}
	}

	ps, err := a.DescribeTopicPartitions(a.ctx, &gen.DescribeTopicPartitionsInput{ClusterArn: &a.arn, TopicName: new("behind")})
	if err != nil {
		t.Fatal(err)
	}
	want := []gen.TopicPartitionInfo{
		{Partition: new(int32(0)), Leader: new(int32(1)), Replicas: []int32{1}, Isr: []int32{1}},
		{Partition: new(int32(1)), Leader: new(int32(-1)), Replicas: []int32{3, 1, 2}, Isr: []int32{2}},
	}
	if diff := cmp.Diff(want, ps.Partitions); diff != "" || ps.NextToken != nil {
		t.Errorf("partitions differ (-want +got):\n%s", diff)
	}

	var names []string
	var token *string
	for range 5 { // in pages
		out, err := a.ListTopics(a.ctx, &gen.ListTopicsInput{ClusterArn: &a.arn, MaxResults: new(int32(3)), NextToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range out.Topics {
			names = append(names, *info.TopicName)
			if n := *info.OutOfSyncReplicaCount; (*info.TopicName == "behind") != (n == 2) || *info.TopicArn != *topicARN(*info.TopicName) {
				t.Errorf("%s: %d replicas are out of sync, ARN %s", *info.TopicName, n, *info.TopicArn)
			}
		}
		if token = out.NextToken; token == nil {
			break
		}
	}
	if diff := cmp.Diff([]string{"behind", "fresh", "moving", "whole"}, names); diff != "" {
		t.Errorf("topics differ (-want +got):\n%s", diff)
	}
	filtered, err := a.ListTopics(a.ctx, &gen.ListTopicsInput{ClusterArn: &a.arn, TopicNameFilter: new("wh")})
	if err != nil || len(filtered.Topics) != 1 || *filtered.Topics[0].TopicName != "whole" {
		t.Errorf("filtered: %+v, %v", filtered, err)
	}
	bad := refusal{"BadRequestException", "nextToken", "The value of nextToken is not one that this operation returned."}
	_, err = a.ListTopics(a.ctx, &gen.ListTopicsInput{ClusterArn: &a.arn, NextToken: new("x")})
	if got := refusalOf(err); got != bad {
		t.Errorf("a made-up token: %+v", got)
	}
}
