package kafka

import (
	"context"
	"errors"
	"net/http"
	"os"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/awsapi"
	gen "weir/awsapi/gen/kafka"
	"weir/control/dataplane"
)

// What brokers answer, as the exceptions of the model. Operations that write have one for each of Kafka's errors that matters; those that read
// have few, so that there a cluster that does not answer is a service that is unavailable, which SDKs try again.

// Texts of ours.
const (
	textUnreachable = "The brokers of the cluster can't be reached. Whether the change was made is not known. Look at the topic before you try again."
	textKafkaTime   = "The brokers of the cluster didn't answer in time. Whether the change was made is not known. Look at the topic before you try again."
	textNoAnswer    = "The brokers of the cluster don't answer. Try again."
)

// readFault is the fault of an operation that changes nothing. parameter names what may not exist.
func readFault(err error, parameter string) error {
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return notFound(parameter)
	case timedOut(err), unreachable(err), errors.Is(err, kerr.NotController), errors.Is(err, dataplane.ErrClosed):
		return awsapi.NewFault(http.StatusServiceUnavailable, "ServiceUnavailableException", textNoAnswer).Wrap(err)
	}
	return err
}

// lookFault is the fault of an operation that changes something, before it has begun: of a topic that was never there.
func lookFault(err error, parameter string) error {
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return notFound(parameter)
	}
	return writeFault(err, parameter)
}

func timedOut(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, kerr.RequestTimedOut)
}

func unreachable(err error) bool {
	for _, code := range []*kerr.Error{kerr.BrokerNotAvailable, kerr.NetworkException, kerr.LeaderNotAvailable} {
		if errors.Is(err, code) {
			return true
		}
	}
	return dataplane.Unreachable(err)
}

// writeFault is the fault of an operation that changes a topic. parameter names what the request asked to change; a code that is about
// another one names that.
func writeFault(err error, parameter string) error {
	refusal, refused := errors.AsType[*dataplane.Refusal](err)
	switch {
	case timedOut(err):
		return &gen.KafkaTimeoutException{InvalidParameter: "clusterArn", Message: textKafkaTime}
	case unreachable(err), errors.Is(err, dataplane.ErrClosed):
		return &gen.ClusterConnectivityException{InvalidParameter: "clusterArn", Message: textUnreachable}
	case !refused:
		return err
	}
	message := refusal.Message
	if message == "" {
		message = refusal.Code.Description
	}
	switch refusal.Code {
	case kerr.TopicAlreadyExists:
		return &gen.TopicExistsException{InvalidParameter: "topicName", Message: message}
	case kerr.UnknownTopicOrPartition, kerr.UnknownTopicID:
		return &gen.UnknownTopicOrPartitionException{InvalidParameter: "topicName", Message: message}
	case kerr.NotController:
		return &gen.NotControllerException{InvalidParameter: "clusterArn", Message: message}
	case kerr.StaleControllerEpoch:
		return &gen.ControllerMovedException{InvalidParameter: "clusterArn", Message: message}
	case kerr.ReassignmentInProgress:
		return &gen.ReassignmentInProgressException{InvalidParameter: "topicName", Message: message}
	case kerr.GroupSubscribedToTopic:
		return &gen.GroupSubscribedToTopicException{InvalidParameter: "topicName", Message: message}
	case kerr.ThrottlingQuotaExceeded:
		return &gen.TooManyRequestsException{InvalidParameter: "clusterArn", Message: message}
	}
	return &gen.KafkaRequestException{InvalidParameter: refusedParameter(refusal.Code, parameter), Message: refusal.Code.Message + ": " + message}
}

// refusedParameter is what a code of Kafka's is about.
func refusedParameter(code *kerr.Error, otherwise string) string {
	switch code {
	case kerr.InvalidTopicException, kerr.TopicDeletionDisabled, kerr.TopicAuthorizationFailed:
		return "topicName"
	case kerr.InvalidPartitions:
		return "partitionCount"
	case kerr.InvalidReplicationFactor:
		return "replicationFactor"
	case kerr.InvalidConfig:
		return "configs"
	}
	return otherwise
}
