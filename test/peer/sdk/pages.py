"""Every paginator that boto3 has for MSK, by pages of one. Usage: pages.py SUBNET,SUBNET,SUBNET"""

import json
import sys
import time

import boto3

subnets = sys.argv[1].split(",")
kafka = boto3.client("kafka")
ec2 = boto3.client("ec2")
secrets = boto3.client("secretsmanager")


def until(what, condition):
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def active(arn):
    until("the cluster is ACTIVE", lambda: kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]["State"] == "ACTIVE")


def updated(call, **parameters):
    version = kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]["CurrentVersion"]
    call(ClusterArn=arn, CurrentVersion=version, **parameters)
    active(arn)


# Two or more of everything that is listed. `weir up` has made one cluster already.
arn = kafka.create_cluster(
    ClusterName="paged",
    BrokerNodeGroupInfo={"InstanceType": "kafka.m5.large", "ClientSubnets": subnets},
    KafkaVersion="3.9.x",
    NumberOfBrokerNodes=3,
    ClientAuthentication={"Sasl": {"Iam": {"Enabled": True}, "Scram": {"Enabled": True}}},
)["ClusterArn"]
active(arn)
updated(kafka.update_connectivity, ConnectivityInfo={"VpcConnectivity": {"ClientAuthentication": {"Sasl": {"Iam": {"Enabled": True}}}}})
updated(kafka.update_monitoring, EnhancedMonitoring="PER_BROKER")
configurations = [kafka.create_configuration(Name=f"paged-{i}", ServerProperties=b"log.retention.hours=1\n")["Arn"] for i in range(2)]
kafka.update_configuration(Arn=configurations[0], ServerProperties=b"log.retention.hours=2\n")
key = boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]
users = [
    secrets.create_secret(Name=f"AmazonMSK_paged{i}", KmsKeyId=key, SecretString=json.dumps({"username": f"u{i}", "password": "a-long-password"}))["ARN"]
    for i in range(2)
]
assert not kafka.batch_associate_scram_secret(ClusterArn=arn, SecretArnList=users)["UnprocessedScramSecrets"]
for name in "first", "second":
    kafka.create_topic(ClusterArn=arn, TopicName=name, PartitionCount=2, ReplicationFactor=3)
zones = [z["ZoneName"] for z in ec2.describe_availability_zones()["AvailabilityZones"]]
for n in range(2):
    vpc = ec2.create_vpc(CidrBlock=f"10.{50 + n}.0.0/16")["Vpc"]["VpcId"]
    inside = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.{50 + n}.{i}.0/24", AvailabilityZone=z)["Subnet"]["SubnetId"] for i, z in enumerate(zones)]
    group = ec2.create_security_group(GroupName="paged", Description="paged", VpcId=vpc)["GroupId"]
    kafka.create_vpc_connection(TargetClusterArn=arn, Authentication="SASL_IAM", VpcId=vpc, ClientSubnets=inside, SecurityGroups=[group])

# Nothing changes any more while it is listed.
until("connections are there", lambda: all(c["State"] == "AVAILABLE" for c in kafka.list_vpc_connections()["VpcConnections"]))
until("operations have ended", lambda: all(
    o["OperationState"].endswith("_COMPLETE") for o in kafka.list_cluster_operations(ClusterArn=arn)["ClusterOperationInfoList"]
))
until("topics are in sync", lambda: all(t["OutOfSyncReplicaCount"] == 0 for t in kafka.list_topics(ClusterArn=arn)["Topics"]))
until("partitions have leaders", lambda: all(
    len(p["Isr"]) == 3 for p in kafka.describe_topic_partitions(ClusterArn=arn, TopicName="first")["Partitions"]
))

cluster = {"ClusterArn": arn}
expected = {
    "list_clusters": ({}, "ClusterInfoList"),
    "list_clusters_v2": ({}, "ClusterInfoList"),
    "list_nodes": (cluster, "NodeInfoList"),
    "list_configurations": ({}, "Configurations"),
    "list_configuration_revisions": ({"Arn": configurations[0]}, "Revisions"),
    "list_cluster_operations": (cluster, "ClusterOperationInfoList"),
    "list_cluster_operations_v2": (cluster, "ClusterOperationInfoList"),
    "list_kafka_versions": ({}, "KafkaVersions"),
    "list_scram_secrets": (cluster, "SecretArnList"),
    "list_vpc_connections": ({}, "VpcConnections"),
    "list_client_vpc_connections": (cluster, "ClientVpcConnections"),
    "list_topics": (cluster, "Topics"),
    "describe_topic_partitions": ({**cluster, "TopicName": "first"}, "Partitions"),
}
paginated = {n for n in kafka.meta.method_to_api_mapping if kafka.can_paginate(n)}
assert paginated == set(expected) | {"list_replicators"}, paginated  # replicators are not built
for name, (parameters, member) in expected.items():
    whole = getattr(kafka, name)(**parameters)[member]
    pages = list(kafka.get_paginator(name).paginate(**parameters, PaginationConfig={"PageSize": 1}))
    assert len(whole) >= 2, (name, whole)
    assert all(len(p[member]) <= 1 for p in pages), (name, pages)
    items = [i for p in pages for i in p[member]]
    assert items == whole, (name, items, whole)
    limited = kafka.get_paginator(name).paginate(**parameters, PaginationConfig={"PageSize": 1, "MaxItems": 1}).build_full_result()
    assert limited[member] == whole[:1] and limited["NextToken"], (name, limited)
    rest = kafka.get_paginator(name).paginate(**parameters, PaginationConfig={"StartingToken": limited["NextToken"]}).build_full_result()
    assert rest[member] == whole[1:], (name, rest)
print("ok")
