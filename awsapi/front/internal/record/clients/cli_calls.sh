#!/bin/sh
# The calls of a recording, by the AWS CLI.
set -eu
cluster=arn:aws:kafka:us-east-1:000000000000:cluster/demo/11112222-3333-4444-5555-666677778888-1
subnets='["subnet-0a","subnet-0b","subnet-0c"]'
nodes='{"InstanceType":"kafka.m5.large","ClientSubnets":'$subnets',"SecurityGroups":[],"StorageInfo":{"EbsStorageInfo":{"VolumeSize":100}}}'
tags='{"team":"a&b=c d+é","empty":""}'
quiet() { "$@" >/dev/null; }

quiet aws kafka create-cluster --cluster-name demo --kafka-version 3.9.x --number-of-broker-nodes 3 --broker-node-group-info "$nodes" \
	--enhanced-monitoring PER_BROKER --tags "$tags"
quiet aws kafka create-cluster-v2 --cluster-name demo --tags "$tags" --provisioned '{"KafkaVersion":"3.9.x","NumberOfBrokerNodes":3,
	"BrokerNodeGroupInfo":'"$nodes"',"ClientAuthentication":{"Unauthenticated":{"Enabled":true},"Sasl":{"Iam":{"Enabled":false}}}}'
quiet aws kafka describe-cluster-v2 --cluster-arn $cluster
quiet aws kafka list-clusters-v2 --cluster-name-filter 'de mo/+&=é' --cluster-type-filter PROVISIONED --max-results 5 --no-paginate
printf 'auto.create.topics.enable=false\nname=ü\n' >"${TMPDIR:-/tmp}/server.properties"
quiet aws kafka create-configuration --name conf --kafka-versions 3.9.x --server-properties "fileb://${TMPDIR:-/tmp}/server.properties"
quiet aws kafka describe-configuration-revision --arn $cluster --revision 2
quiet aws kafka list-nodes --cluster-arn $cluster --no-paginate
quiet aws kafka tag-resource --resource-arn $cluster --tags "$tags"
quiet aws kafka untag-resource --resource-arn $cluster --tag-keys a 'b c' d/e+f
quiet aws kafka describe-topic-partitions --cluster-arn $cluster --topic-name a.b-c_d --no-paginate
quiet aws kafka batch-disassociate-scram-secret --cluster-arn $cluster \
	--secret-arn-list arn:aws:secretsmanager:us-east-1:000000000000:secret:AmazonMSK_x
quiet aws kafka reboot-broker --cluster-arn $cluster --broker-ids 1
quiet aws kafka delete-cluster --cluster-arn $cluster --current-version 'K1 2/3'

quiet aws kafkaconnect tag-resource --resource-arn $cluster --tags "$tags"
quiet aws kafkaconnect create-worker-configuration --name w --properties-file-content a2V5PXZhbHVl
quiet aws kafkaconnect list-connectors --max-results 3 --connector-name-prefix 'c d' --no-paginate

quiet aws sts get-caller-identity
quiet aws sts assume-role --role-arn arn:aws:iam::000000000000:role/r --role-session-name s@x --duration-seconds 900 \
	--tags 'Key=team,Value=a/b=c d+é' 'Key=k,Value=' --transitive-tag-keys team

quiet aws ec2 describe-subnets --filters '[{"Name":"vpc-id","Values":["vpc-1","vpc 2+&é"]},{"Name":"tag:x","Values":["y"]}]' \
	--subnet-ids subnet-0a subnet-0b subnet-0c --no-paginate
quiet aws ec2 describe-vpcs --max-results 5 --no-paginate
quiet aws ec2 describe-availability-zones
quiet aws ec2 create-tags --resources vpc-1 --tags 'Key=k,Value=v w'

quiet aws iam create-role --role-name r --assume-role-policy-document '{"Version":"2012-10-17"}' --tags Key=k,Value=v
quiet aws iam delete-role --role-name r

quiet aws secretsmanager create-secret --name AmazonMSK_x --secret-string '{"username":"é"}' \
	--client-request-token 11112222-3333-4444-5555-666677778888 --tags Key=k,Value=v
quiet aws secretsmanager get-secret-value --secret-id AmazonMSK_x
printf '\000\001plain' >"${TMPDIR:-/tmp}/plaintext"
quiet aws kms encrypt --key-id alias/k --plaintext "fileb://${TMPDIR:-/tmp}/plaintext" --encryption-context a=b

quiet aws logs create-log-group --log-group-name /msk/demo --tags k=v
quiet aws logs put-log-events --log-group-name /msk/demo --log-stream-name s --log-events '[{"timestamp":1767323045678,"message":"hello é"}]'
quiet aws cloudwatch put-metric-data --namespace AWS/Kafka --metric-data '[{"MetricName":"m","Timestamp":"2026-01-02T03:04:05Z","Value":1.5,
	"Unit":"Count","Dimensions":[{"Name":"Cluster Name","Value":"demo"}]}]'
quiet aws cloudwatch list-metrics --namespace AWS/Kafka --no-paginate

if out=$(aws kafka list-clusters --max-results 1000 --no-paginate 2>&1); then
	echo "max results of 1000 were accepted" >&2
	exit 1
fi
case $out in *"(BadRequestException) when calling the ListClusters operation: The value '1000' of parameter maxResults"*) ;; *)
	echo "$out" >&2
	exit 1
	;;
esac
echo ok
