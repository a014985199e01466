package protocol

import (
	"weir/awsapi"
	"weir/awsapi/gen/cloudwatch"
	"weir/awsapi/gen/ec2"
	"weir/awsapi/gen/iam"
	"weir/awsapi/gen/kafka"
	"weir/awsapi/gen/kafkaconnect"
	"weir/awsapi/gen/kms"
	"weir/awsapi/gen/logs"
	"weir/awsapi/gen/secretsmanager"
	"weir/awsapi/gen/sts"
)

func allServices() []awsapi.Service {
	return []awsapi.Service{
		new(cloudwatch.Service), new(ec2.Service), new(iam.Service), new(kafka.Service), new(kafkaconnect.Service),
		new(kms.Service), new(logs.Service), new(secretsmanager.Service), new(sts.Service),
	}
}
