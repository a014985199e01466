"""A cluster's life, told with boto3. Usage: story.py SUBNET,SUBNET,SUBNET"""

import sys
import time

import boto3

subnets = sys.argv[1].split(",")
kafka = boto3.client("kafka")

identity = boto3.client("sts").get_caller_identity()
assert identity["Account"] == "000000000000" and identity["Arn"].startswith("arn:aws:"), identity
versions = [v["Version"] for page in kafka.get_paginator("list_kafka_versions").paginate() for v in page["KafkaVersions"]]
assert versions
request = {
    "ClusterName": "from-python",
    "Provisioned": {
        "KafkaVersion": versions[-1],
        "NumberOfBrokerNodes": 3,
        "BrokerNodeGroupInfo": {"InstanceType": "kafka.m5.large", "ClientSubnets": subnets},
    },
    "Tags": {"language": "Python, ü"},
}
created = kafka.create_cluster_v2(**request)
arn = created["ClusterArn"]
assert created["State"] == "CREATING", created
try:
    kafka.create_cluster_v2(**request)
    raise AssertionError("a second cluster of the same name was made")
except kafka.exceptions.ConflictException:
    pass

end = time.monotonic() + 300
while (info := kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"])["State"] != "ACTIVE":
    assert info["State"] == "CREATING" and time.monotonic() < end, info
    time.sleep(0.02)
assert info["Provisioned"]["NumberOfBrokerNodes"] == 3 and info["CurrentVersion"] and info["CreationTime"].year > 2000, info
assert info["Tags"] == request["Tags"], info["Tags"]
assert len(kafka.get_bootstrap_brokers(ClusterArn=arn)["BootstrapBrokerString"].split(",")) == 3
pages = list(kafka.get_paginator("list_clusters_v2").paginate(PaginationConfig={"PageSize": 1}))
assert len(pages) >= 2 and arn in [c["ClusterArn"] for p in pages for c in p["ClusterInfoList"]], pages
kafka.tag_resource(ResourceArn=arn, Tags={"a/b": "c d"})
assert kafka.list_tags_for_resource(ResourceArn=arn)["Tags"] == {**request["Tags"], "a/b": "c d"}


def updated(call, **parameters):
    """Starts an update from the current version and waits for the operation's end."""
    version = kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]["CurrentVersion"]
    operation = call(ClusterArn=arn, CurrentVersion=version, **parameters)["ClusterOperationArn"]
    end = time.monotonic() + 300
    while (o := kafka.describe_cluster_operation(ClusterOperationArn=operation)["ClusterOperationInfo"])["OperationState"] != "UPDATE_COMPLETE":
        assert o["OperationState"] in ("PENDING", "UPDATE_IN_PROGRESS") and time.monotonic() < end, o
        time.sleep(0.02)
    return o


properties = b"log.retention.hours=48\n"
configuration = kafka.create_configuration(Name="of-python", ServerProperties=properties)
revision = configuration["LatestRevision"]["Revision"]
assert kafka.describe_configuration_revision(Arn=configuration["Arn"], Revision=revision)["ServerProperties"] == properties
o = updated(kafka.update_cluster_configuration, ConfigurationInfo={"Arn": configuration["Arn"], "Revision": revision})
assert o["OperationType"] == "UPDATE_CLUSTER_CONFIGURATION", o
volumes = kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]["BrokerNodeGroupInfo"]["StorageInfo"]["EbsStorageInfo"]["VolumeSize"]
updated(kafka.update_broker_storage, TargetBrokerEBSVolumeInfo=[{"KafkaBrokerNodeId": "All", "VolumeSizeGB": volumes + 10}])
o = updated(kafka.update_broker_count, TargetNumberOfBrokerNodes=6)
assert o["SourceClusterInfo"]["NumberOfBrokerNodes"] == 3 and o["TargetClusterInfo"]["NumberOfBrokerNodes"] == 6, o
try:
    kafka.update_broker_count(ClusterArn=arn, CurrentVersion="KOLD", TargetNumberOfBrokerNodes=9)
    raise AssertionError("an update from a stale version was taken")
except kafka.exceptions.BadRequestException as e:
    assert "The version of the cluster isn't current" in e.response["Error"]["Message"], e.response
now = kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]["Provisioned"]
assert now["NumberOfBrokerNodes"] == 6, now
assert now["BrokerNodeGroupInfo"]["StorageInfo"]["EbsStorageInfo"]["VolumeSize"] == volumes + 10, now
software = now["CurrentBrokerSoftwareInfo"]
assert software["ConfigurationArn"] == configuration["Arn"] and software["ConfigurationRevision"] == revision, now
nodes = [n["BrokerNodeInfo"]["BrokerId"] for p in kafka.get_paginator("list_nodes").paginate(ClusterArn=arn) for n in p["NodeInfoList"] if "BrokerNodeInfo" in n]
assert sorted(nodes) == [1, 2, 3, 4, 5, 6], nodes

assert kafka.delete_cluster(ClusterArn=arn)["State"] == "DELETING"
end = time.monotonic() + 300
try:
    while True:
        kafka.describe_cluster_v2(ClusterArn=arn)
        time.sleep(0.02)
        assert time.monotonic() < end, "the cluster is not gone"
except kafka.exceptions.NotFoundException:
    pass
kafka.delete_configuration(Arn=configuration["Arn"])
print("ok")
