package resource

import (
	"strings"

	"weir/awsapi"
)

// Records of the account around clusters, which both the service that they belong to and the kafka service read, are in key.go, loggroup.go and
// secret.go. Their keys:
//
//	kms-key/<id> kms-alias/<alias name> kms-grant/<key id>/<grant id>
//	log-group/<name>
//	secret/<name> secret-value/<escaped name>-<suffix>/<version>

func (s Scope) arn(service, resource string) string {
	return awsapi.ARN{Partition: awsapi.Partition, Service: service, Region: s.Region, Account: s.Account, Resource: resource}.String()
}

// own takes the resource part out of an ARN of the scope's own; any other text comes back as it is. ok is false for another's ARN.
func (s Scope) own(service, text string) (name string, ok bool) {
	if !strings.HasPrefix(text, "arn:") {
		return text, true
	}
	a, err := awsapi.ParseARN(text)
	if err != nil || a.Partition != awsapi.Partition || a.Service != service || a.Region != s.Region || a.Account != s.Account {
		return "", false
	}
	return a.Resource, true
}
