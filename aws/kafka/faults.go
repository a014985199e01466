package kafka

import (
	"errors"
	"fmt"
	"net/http"

	"weir/awsapi"
	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// The real service's texts, known from public issues and from Terraform's source; clients match some of them.
const (
	textStaleVersion  = "The version of the cluster isn't current. Check the current version and try again."
	textBadCharacters = "The parameter value contains one or more characters that are not valid."
	textConfiguration = "Configuration ARN does not exist"

	textConfigurationARN = "Invalid Configuration ARN."

	textAtRest    = "Updating encryption-at-rest settings on your cluster is not currently supported."
	textInCluster = "Updating the inter-broker encryption setting on your cluster is not currently supported."

	textZones = "The number of Availability Zones in the BrokerAZDistribution parameter must be equal to the number of client subnets."

	textMultiVPC = "When creating a cluster, all vpcConnectivity auth schemes must be disabled ('enabled' : false). " +
		"You can enable auth schemes after the cluster is created"
)

// Texts of ours, modelled on the service's.
const (
	textBrokerCount = "The number of broker nodes must be a multiple of Availability Zones in the BrokerAZDistribution parameter."
	textNotFound    = "The requested resource doesn't exist."

	textExpressVolumes = "Express brokers manage their storage themselves: they have no volumes and no storage mode to change."
	textExpressStorage = "Express brokers manage their storage themselves: specify neither storageInfo nor storageMode."
)

func badRequest(parameter, format string, args ...any) error {
	return &gen.BadRequestException{InvalidParameter: parameter, Message: fmt.Sprintf(format, args...)}
}

// notOfServerless refuses an update of what serverless clusters do not have.
func notOfServerless(what string) error {
	return badRequest("clusterArn", "This operation can't be used for serverless clusters: they have no %s that you manage.", what)
}

// notYet refuses a setting that asks for something which does not exist yet. Accepting it would promise what is not done.
func notYet(parameter, what string) error {
	return badRequest(parameter, "%s: %s not yet supported by this version of Weir.", parameter, what)
}

func notFound(parameter string) error {
	return &gen.NotFoundException{InvalidParameter: parameter, Message: textNotFound}
}

// refused says that the cluster's state does not allow the action.
func refused(a resource.Action, s resource.ClusterState) error {
	return badRequest("clusterArn", "You can't %s in %s state.", doing(a), s)
}

// doing is an action in the words of a refusal. Those of the first two are the service's, the others follow them.
func doing(a resource.Action) string {
	switch a {
	case resource.ActionBootstrapBrokers:
		return "get bootstrap broker nodes for a cluster"
	case resource.ActionDelete:
		return "delete cluster"
	case resource.ActionReboot:
		return "reboot a broker of a cluster"
	case resource.ActionListNodes:
		return "list the nodes of a cluster"
	case resource.ActionUpdateCount:
		return "update the number of brokers of a cluster"
	case resource.ActionUpdateStorage:
		return "update the storage of a cluster"
	case resource.ActionUpdateType:
		return "update the broker type of a cluster"
	case resource.ActionUpdateConfig:
		return "update the configuration of a cluster"
	case resource.ActionUpdateConnect:
		return "update the connectivity of a cluster"
	case resource.ActionUpdateVersion:
		return "update the Kafka version of a cluster"
	case resource.ActionUpdateMonitoring:
		return "update the monitoring of a cluster"
	case resource.ActionUpdateRebalance:
		return "update the rebalancing of a cluster"
	case resource.ActionUpdateSecurity:
		return "update the security settings of a cluster"
	default:
		return string(a) + " of a cluster"
	}
}

// storeError turns an error of the metadata store into what a caller is told: to try again, when the store was away.
func storeError(err error) error {
	if errors.Is(err, metadata.ErrUnavailable) {
		return awsapi.NewFault(http.StatusServiceUnavailable, "ServiceUnavailableException",
			"The control plane's metadata store can't be reached. Try again.").Wrap(err)
	}
	return err
}
