"""What programs that were tested against a mock of MSK (moto) expect of it, asked of a real server. Usage: mocked.py SUBNET,SUBNET,SUBNET

The cases are those of moto's suite for kafka (tests/test_kafka). Where the mock is unlike MSK, MSK's behaviour is what is checked. Case by case:

create_cluster, create_cluster_v2     hold, with subnets that exist in two or three zones and a security group that exists. The mock takes one made-up
                                      subnet. A cluster does not stay CREATING, and lists are in order of names.
list_tags_for_resource                holds.
delete_cluster                        holds once the cluster is ACTIVE, and it is gone after DELETING. The mock removes it at once, in any state.
list_clusters_v2                      holds, but for ActiveOperationArn and StateInfo, which are there only when there is something to say.
put_cluster_policy                    holds: versions change, and an old one is BadRequestException (400). The text is the mock's own, and so is taking any
                                      text for a policy.
get_, delete_cluster_policy           hold until the policy is deleted: there is none then, which is NotFoundException (404). The mock answers with empty texts.
..._policy_not_found                  holds for put. INVALID_ARN is no ARN, which is BadRequestException (400) for all three; the mock says NotFoundException
                                      with status 400 for get and delete.
list_clusters_does_not_echo_...       holds: the last page has no NextToken. A token that no call returned is refused; the mock takes any for the beginning.
list_clusters_pagination_terminates   holds without the made-up StartingToken; pages.py does it for every paginator.
..._applies_the_cluster_name_filter   hold, in both versions: a prefix.
..._at_the_start_only
..._applies_the_cluster_type_filter   hold for SERVERLESS and PROVISIONED. ALL is the mock's: the API names those two.
..._combines_both_filters             holds.
..._without_a_filter_returns_...      holds: the older call shows provisioned clusters only.
get_resources_kafka                   cannot hold: the Resource Groups Tagging API is not served.
"""

import json
import sys
import time

import boto3
from botocore.exceptions import ClientError

subnets = sys.argv[1].split(",")
kafka = boto3.client("kafka")
group = boto3.client("ec2").describe_security_groups(Filters=[{"Name": "group-name", "Values": ["default"]}])["SecurityGroups"][0]["GroupId"]
TAGS = {"first": "one", "second": "two"}


def refused(code, status, call, **parameters):
    """Makes a call that must fail, and returns its message."""
    try:
        call(**parameters)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e.response
        assert e.response["ResponseMetadata"]["HTTPStatusCode"] == status, e.response
        return e.response["Error"]["Message"]
    raise AssertionError(f"{call} was not refused with {code}")


def active(arn):
    end = time.monotonic() + 300
    while (info := kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"])["State"] != "ACTIVE":
        assert info["State"] == "CREATING" and time.monotonic() < end, info
        time.sleep(0.02)
    return info


def gone(arn):
    kafka.delete_cluster(ClusterArn=arn)
    end = time.monotonic() + 300
    while any(c["ClusterArn"] == arn for c in kafka.list_clusters_v2()["ClusterInfoList"]):
        assert time.monotonic() < end, "the cluster is not gone"
        time.sleep(0.02)


def provisioned(name):
    return {
        "ClusterName": name,
        "BrokerNodeGroupInfo": {"InstanceType": "kafka.m5.large", "ClientSubnets": subnets, "SecurityGroups": [group]},
        "KafkaVersion": "3.9.x",
        "NumberOfBrokerNodes": 3,
    }


def both_kinds_by_the_newer_call():
    serverless = kafka.create_cluster_v2(
        ClusterName="mocked-serverless", Serverless={"VpcConfigs": [{"SubnetIds": subnets, "SecurityGroupIds": [group]}]}, Tags=TAGS
    )
    request = provisioned("mocked-provisioned")
    name = request.pop("ClusterName")
    other = kafka.create_cluster_v2(ClusterName=name, Provisioned=request, Tags=TAGS)
    for created, name, kind in (serverless, "mocked-serverless", "SERVERLESS"), (other, "mocked-provisioned", "PROVISIONED"):
        assert created["ClusterArn"].startswith("arn:aws:kafka") and created["ClusterName"] == name, created
        assert created["State"] == "CREATING" and created["ClusterType"] == kind, created
    listed = {c["ClusterName"]: c for c in kafka.list_clusters_v2(ClusterNameFilter="mocked-")["ClusterInfoList"]}
    assert set(listed) == {"mocked-serverless", "mocked-provisioned"}, listed
    for c in listed.values():
        kind = c["ClusterType"]
        assert {"ClusterArn", "ClusterName", "CreationTime", "CurrentVersion", "State", "Tags", kind.capitalize()} <= set(c), c
    info = active(serverless["ClusterArn"])
    assert info["Serverless"]["VpcConfigs"] == [{"SubnetIds": subnets, "SecurityGroupIds": [group]}] and info["Tags"] == TAGS, info
    info = active(other["ClusterArn"])
    assert info["Provisioned"]["BrokerNodeGroupInfo"]["InstanceType"] == "kafka.m5.large" and info["Tags"] == TAGS, info
    lists()
    gone(serverless["ClusterArn"])
    gone(other["ClusterArn"])


def lists():
    def names(call, **parameters):
        answer = call(**parameters)
        assert "NextToken" not in answer, answer
        return [c["ClusterName"] for c in answer["ClusterInfoList"]]

    newer, older = kafka.list_clusters_v2, kafka.list_clusters
    assert names(newer, ClusterTypeFilter="SERVERLESS") == ["mocked-serverless"]
    provisioned_ones = names(newer, ClusterTypeFilter="PROVISIONED")
    assert "mocked-provisioned" in provisioned_ones and "mocked-serverless" not in provisioned_ones, provisioned_ones
    assert names(newer, ClusterNameFilter="mocked-", ClusterTypeFilter="PROVISIONED") == ["mocked-provisioned"]
    assert names(newer, ClusterNameFilter="mocked-p", ClusterTypeFilter="SERVERLESS") == []
    assert names(newer, ClusterNameFilter="provisioned") == []  # a prefix, nothing in the middle
    assert names(older, ClusterNameFilter="mocked-") == ["mocked-provisioned"]
    assert names(older) == provisioned_ones
    refused("BadRequestException", 400, newer, ClusterTypeFilter="ALL")
    for call in newer, older:
        refused("BadRequestException", 400, call, NextToken="a-token-from-an-earlier-call")


def the_older_call():
    created = kafka.create_cluster(**provisioned("mocked-older"), Tags=TAGS)
    assert created["State"] == "CREATING" and created["ClusterName"] == "mocked-older", created
    arn = created["ClusterArn"]
    assert arn in [c["ClusterArn"] for c in kafka.list_clusters()["ClusterInfoList"]]
    active(arn)
    info = kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]
    assert info["CurrentBrokerSoftwareInfo"]["KafkaVersion"] == "3.9.x" and info["NumberOfBrokerNodes"] == 3, info
    nodes = info["BrokerNodeGroupInfo"]
    assert nodes["InstanceType"] == "kafka.m5.large" and nodes["ClientSubnets"] == subnets and nodes["SecurityGroups"] == [group], nodes
    assert info["Tags"] == TAGS, info
    kafka.tag_resource(ResourceArn=arn, Tags={"third": "three"})
    assert kafka.list_tags_for_resource(ResourceArn=arn)["Tags"] == {**TAGS, "third": "three"}
    kafka.untag_resource(ResourceArn=arn, TagKeys=["third"])
    assert kafka.list_tags_for_resource(ResourceArn=arn)["Tags"] == TAGS
    policies(arn)
    gone(arn)


def policies(arn):
    def document(sid):
        account = arn.split(":")[4]
        return json.dumps({"Version": "2012-10-17", "Statement": [
            {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": account}, "Action": "kafka:DescribeClusterV2", "Resource": arn}
        ]})

    refused("NotFoundException", 404, kafka.get_cluster_policy, ClusterArn=arn)
    first = kafka.put_cluster_policy(ClusterArn=arn, CurrentVersion="", Policy=document("first"))["CurrentVersion"]
    shown = kafka.get_cluster_policy(ClusterArn=arn)
    assert shown["Policy"] == document("first") and shown["CurrentVersion"] == first, shown
    second = kafka.put_cluster_policy(ClusterArn=arn, CurrentVersion=first, Policy=document("second"))["CurrentVersion"]
    assert second != first
    shown = kafka.get_cluster_policy(ClusterArn=arn)
    assert shown["Policy"] == document("second") and shown["CurrentVersion"] == second, shown
    refused("BadRequestException", 400, kafka.put_cluster_policy, ClusterArn=arn, CurrentVersion=first, Policy=document("third"))
    assert kafka.get_cluster_policy(ClusterArn=arn)["CurrentVersion"] == second
    assert kafka.delete_cluster_policy(ClusterArn=arn)["ResponseMetadata"]["HTTPStatusCode"] == 200
    refused("NotFoundException", 404, kafka.get_cluster_policy, ClusterArn=arn)
    for call in kafka.get_cluster_policy, kafka.delete_cluster_policy:
        refused("BadRequestException", 400, call, ClusterArn="INVALID_ARN")
    refused("BadRequestException", 400, kafka.put_cluster_policy, ClusterArn="INVALID_ARN", Policy=document("x"))


both_kinds_by_the_newer_call()
the_older_call()
print("ok")
