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

end = time.monotonic() + 60
while (info := kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"])["State"] != "ACTIVE":
    assert info["State"] == "CREATING" and time.monotonic() < end, info
assert info["Provisioned"]["NumberOfBrokerNodes"] == 3 and info["CurrentVersion"] and info["CreationTime"].year > 2000, info
assert info["Tags"] == request["Tags"], info["Tags"]
assert len(kafka.get_bootstrap_brokers(ClusterArn=arn)["BootstrapBrokerString"].split(",")) == 3
pages = list(kafka.get_paginator("list_clusters_v2").paginate(PaginationConfig={"PageSize": 1}))
assert len(pages) >= 2 and arn in [c["ClusterArn"] for p in pages for c in p["ClusterInfoList"]], pages
kafka.tag_resource(ResourceArn=arn, Tags={"a/b": "c d"})
assert kafka.list_tags_for_resource(ResourceArn=arn)["Tags"] == {**request["Tags"], "a/b": "c d"}
try:
    kafka.list_configurations()
    raise AssertionError("list_configurations is not built, and answered")
except kafka.exceptions.ClientError as e:
    assert "NotImplemented" in e.response["Error"]["Code"], e.response

assert kafka.delete_cluster(ClusterArn=arn)["State"] == "DELETING"
end = time.monotonic() + 60
try:
    while True:
        kafka.describe_cluster_v2(ClusterArn=arn)
        assert time.monotonic() < end, "the cluster is not gone"
except kafka.exceptions.NotFoundException:
    print("ok")
