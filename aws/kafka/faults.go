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

	textZones = "The number of Availability Zones in the BrokerAZDistribution parameter must be equal to the number of client subnets."

	textMultiVPC = "When creating a cluster, all vpcConnectivity auth schemes must be disabled ('enabled' : false). " +
		"You can enable auth schemes after the cluster is created"
)

// Texts of ours, modelled on the service's.
const (
	textBrokerCount = "The number of broker nodes must be a multiple of Availability Zones in the BrokerAZDistribution parameter."
	textNotFound    = "The requested resource doesn't exist."
)

func badRequest(parameter, format string, args ...any) error {
	return &gen.BadRequestException{InvalidParameter: parameter, Message: fmt.Sprintf(format, args...)}
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
	var text string
	switch a {
	case resource.ActionBootstrapBrokers:
		text = fmt.Sprintf("You can't get bootstrap broker nodes for a cluster in %s state.", s) // service
	case resource.ActionDelete:
		text = fmt.Sprintf("You can't delete cluster in %s state.", s) // service
	case resource.ActionReboot:
		text = fmt.Sprintf("You can't reboot a broker of a cluster in %s state.", s)
	case resource.ActionListNodes:
		text = fmt.Sprintf("You can't list the nodes of a cluster in %s state.", s)
	default:
		text = fmt.Sprintf("You can't update a cluster in %s state.", s)
	}
	return badRequest("clusterArn", "%s", text)
}

// storeError turns an error of the metadata store into what a caller is told: to try again, when the store was away.
func storeError(err error) error {
	if errors.Is(err, metadata.ErrUnavailable) {
		return awsapi.NewFault(http.StatusServiceUnavailable, "ServiceUnavailableException",
			"The control plane's metadata store can't be reached. Try again.").Wrap(err)
	}
	return err
}
