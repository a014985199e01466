"""The calls of a recording, by boto3."""

import datetime
import urllib.request

import boto3
import botocore.exceptions

CLUSTER = "arn:aws:kafka:us-east-1:000000000000:cluster/demo/11112222-3333-4444-5555-666677778888-1"
TEXT = 'echo "é" & <b> €'
SUBNETS = ["subnet-0a", "subnet-0b", "subnet-0c"]
NODES = {
    "InstanceType": "kafka.m5.large",
    "ClientSubnets": SUBNETS,
    "SecurityGroups": [],
    "StorageInfo": {"EbsStorageInfo": {"VolumeSize": 100}},
}
TAGS = {"team": "a&b=c d+é", "empty": ""}


def client(name):
    return boto3.client(name)


kafka = client("kafka")
out = kafka.create_cluster(
    ClusterName="demo", KafkaVersion="3.9.x", NumberOfBrokerNodes=3, BrokerNodeGroupInfo=NODES, EnhancedMonitoring="PER_BROKER", Tags=TAGS
)
assert out["ClusterArn"] == TEXT and out["State"] == "ACTIVE", out
out = kafka.create_cluster_v2(
    ClusterName="demo",
    Tags=TAGS,
    Provisioned={"KafkaVersion": "3.9.x", "NumberOfBrokerNodes": 3, "BrokerNodeGroupInfo": NODES,
                 "ClientAuthentication": {"Unauthenticated": {"Enabled": True}, "Sasl": {"Iam": {"Enabled": False}}}},
)
out = kafka.describe_cluster_v2(ClusterArn=CLUSTER)
assert out["ClusterInfo"]["CreationTime"].microsecond == 678000, out
assert out["ClusterInfo"]["Provisioned"]["BrokerNodeGroupInfo"]["ClientSubnets"] == [TEXT, TEXT], out
kafka.list_clusters_v2(ClusterNameFilter="de mo/+&=é", ClusterTypeFilter="PROVISIONED", MaxResults=5)
kafka.create_configuration(Name="conf", KafkaVersions=["3.9.x"], ServerProperties="auto.create.topics.enable=false\nname=ü\n".encode())
assert kafka.describe_configuration_revision(Arn=CLUSTER, Revision=2)["ServerProperties"] == b"\x00b\xff"
assert kafka.list_nodes(ClusterArn=CLUSTER)["NodeInfoList"][0]["BrokerNodeInfo"]["BrokerId"] == 1.5
kafka.tag_resource(ResourceArn=CLUSTER, Tags=TAGS)
kafka.untag_resource(ResourceArn=CLUSTER, TagKeys=["a", "b c", "d/e+f"])
kafka.describe_topic_partitions(ClusterArn=CLUSTER, TopicName="a.b-c_d")
kafka.batch_disassociate_scram_secret(ClusterArn=CLUSTER, SecretArnList=["arn:aws:secretsmanager:us-east-1:000000000000:secret:AmazonMSK_x"])
kafka.reboot_broker(ClusterArn=CLUSTER, BrokerIds=["1"])
kafka.delete_cluster(ClusterArn=CLUSTER, CurrentVersion="K1 2/3")

connect = client("kafkaconnect")
connect.tag_resource(resourceArn=CLUSTER, tags=TAGS)
connect.create_worker_configuration(name="w", propertiesFileContent="a2V5PXZhbHVl")
connect.list_connectors(maxResults=3, connectorNamePrefix="c d")

sts = client("sts")
assert sts.get_caller_identity()["Arn"] == TEXT
out = sts.assume_role(
    RoleArn="arn:aws:iam::000000000000:role/r", RoleSessionName="s@x", DurationSeconds=900,
    Tags=[{"Key": "team", "Value": "a/b=c d+é"}, {"Key": "k", "Value": ""}], TransitiveTagKeys=["team"],
)
assert out["Credentials"]["Expiration"].year == 2026, out

ec2 = client("ec2")
out = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": ["vpc-1", "vpc 2+&é"]}, {"Name": "tag:x", "Values": ["y"]}], SubnetIds=SUBNETS)
assert out["Subnets"][0]["Tags"][0]["Key"] == TEXT, out
assert ec2.describe_vpcs(MaxResults=5)["Vpcs"][1]["VpcId"] == TEXT
ec2.describe_availability_zones()
ec2.create_tags(Resources=["vpc-1"], Tags=[{"Key": "k", "Value": "v w"}])

iam = client("iam")
iam.create_role(RoleName="r", AssumeRolePolicyDocument='{"Version":"2012-10-17"}', Tags=[{"Key": "k", "Value": "v"}])
iam.delete_role(RoleName="r")

secrets = client("secretsmanager")
out = secrets.create_secret(Name="AmazonMSK_x", SecretString='{"username":"é"}', ClientRequestToken="11112222-3333-4444-5555-666677778888",
                            Tags=[{"Key": "k", "Value": "v"}])
assert out["ARN"] == TEXT
out = secrets.get_secret_value(SecretId="AmazonMSK_x")
assert out["CreatedDate"].microsecond == 678000 and out["SecretBinary"] == b"\x00b\xff", out

kms = client("kms")
kms.encrypt(KeyId="alias/k", Plaintext=b"\x00\x01plain", EncryptionContext={"a": "b"})

logs = client("logs")
logs.create_log_group(logGroupName="/msk/demo", tags={"k": "v"})
logs.put_log_events(logGroupName="/msk/demo", logStreamName="s", logEvents=[{"timestamp": 1767323045678, "message": "hello é"}])

cloudwatch = client("cloudwatch")
cloudwatch.put_metric_data(
    Namespace="AWS/Kafka",
    MetricData=[{"MetricName": "m", "Timestamp": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), "Value": 1.5, "Unit": "Count",
                 "Dimensions": [{"Name": "Cluster Name", "Value": "demo"}]}],
)
out = cloudwatch.list_metrics(Namespace="AWS/Kafka")
assert out["Metrics"][0]["MetricName"] == TEXT, out

url = sts.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
assert b"GetCallerIdentityResult" in urllib.request.urlopen(url).read()

try:
    kafka.list_clusters(MaxResults=1000)
    raise SystemExit("max results of 1000 were accepted")
except kafka.exceptions.BadRequestException as e:
    assert e.response["InvalidParameter"] == "maxResults", e.response
try:
    ec2.describe_vpcs(MaxResults=2000)
    raise SystemExit("max results of 2000 were accepted")
except botocore.exceptions.ClientError as e:
    assert e.response["Error"]["Code"] == "InvalidParameterValue" and e.response["ResponseMetadata"]["RequestId"], e.response
try:
    sts.assume_role(RoleArn="arn:aws:iam::000000000000:role/r", RoleSessionName="not allowed!")
    raise SystemExit("a bad session name was accepted")
except botocore.exceptions.ClientError as e:
    assert e.response["Error"]["Code"] == "ValidationError", e.response
print("ok")
