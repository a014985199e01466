// The calls of a recording, by the AWS SDK for JavaScript v3.
import assert from "node:assert/strict";
import { CloudWatch } from "@aws-sdk/client-cloudwatch";
import { EC2 } from "@aws-sdk/client-ec2";
import { Kafka } from "@aws-sdk/client-kafka";
import { SecretsManager } from "@aws-sdk/client-secrets-manager";
import { STS } from "@aws-sdk/client-sts";

const cluster = "arn:aws:kafka:us-east-1:000000000000:cluster/demo/11112222-3333-4444-5555-666677778888-1";
const text = 'echo "é" & <b> €';
const time = new Date("2026-01-02T03:04:05.678Z");
const subnets = ["subnet-0a", "subnet-0b", "subnet-0c"];
const nodes = {
  InstanceType: "kafka.m5.large",
  ClientSubnets: subnets,
  SecurityGroups: [],
  StorageInfo: { EbsStorageInfo: { VolumeSize: 100 } },
};
const tags = { team: "a&b=c d+é", empty: "" };

const kafka = new Kafka({ maxAttempts: 1 });
await kafka.createCluster({
  ClusterName: "demo",
  KafkaVersion: "3.9.x",
  NumberOfBrokerNodes: 3,
  BrokerNodeGroupInfo: nodes,
  EnhancedMonitoring: "PER_BROKER",
  Tags: tags,
});
await kafka.createClusterV2({
  ClusterName: "demo",
  Tags: tags,
  Provisioned: {
    KafkaVersion: "3.9.x",
    NumberOfBrokerNodes: 3,
    BrokerNodeGroupInfo: nodes,
    ClientAuthentication: { Unauthenticated: { Enabled: true }, Sasl: { Iam: { Enabled: false } } },
  },
});
const described = await kafka.describeClusterV2({ ClusterArn: cluster });
assert.deepEqual(described.ClusterInfo.CreationTime, time);
assert.equal(described.ClusterInfo.ClusterName, text);
await kafka.listClustersV2({ ClusterNameFilter: "de mo/+&=é", ClusterTypeFilter: "PROVISIONED", MaxResults: 5 });
await kafka.createConfiguration({
  Name: "conf",
  KafkaVersions: ["3.9.x"],
  ServerProperties: new TextEncoder().encode("auto.create.topics.enable=false\nname=ü\n"),
});
const revision = await kafka.describeConfigurationRevision({ Arn: cluster, Revision: 2 });
assert.deepEqual([...revision.ServerProperties], [0, 98, 255]);
const listed = await kafka.listNodes({ ClusterArn: cluster });
assert.equal(listed.NodeInfoList[0].BrokerNodeInfo.BrokerId, 1.5);
await kafka.tagResource({ ResourceArn: cluster, Tags: tags });
await kafka.untagResource({ ResourceArn: cluster, TagKeys: ["a", "b c", "d/e+f"] });
await kafka.describeTopicPartitions({ ClusterArn: cluster, TopicName: "a.b-c_d" });
await kafka.batchDisassociateScramSecret({
  ClusterArn: cluster,
  SecretArnList: ["arn:aws:secretsmanager:us-east-1:000000000000:secret:AmazonMSK_x"],
});
await kafka.rebootBroker({ ClusterArn: cluster, BrokerIds: ["1"] });
await kafka.deleteCluster({ ClusterArn: cluster, CurrentVersion: "K1 2/3" });
await assert.rejects(kafka.listClusters({ MaxResults: 1000 }), { name: "BadRequestException", InvalidParameter: "maxResults" });

const sts = new STS({ maxAttempts: 1 });
assert.equal((await sts.getCallerIdentity({})).Arn, text);
const assumed = await sts.assumeRole({
  RoleArn: "arn:aws:iam::000000000000:role/r",
  RoleSessionName: "s@x",
  DurationSeconds: 900,
  Tags: [{ Key: "team", Value: "a/b=c d+é" }, { Key: "k", Value: "" }],
  TransitiveTagKeys: ["team"],
});
assert.deepEqual(assumed.Credentials.Expiration, time);
await assert.rejects(sts.assumeRole({ RoleArn: "arn:aws:iam::000000000000:role/r", RoleSessionName: "!" }), { name: "ValidationError" });

const ec2 = new EC2({ maxAttempts: 1 });
const found = await ec2.describeSubnets({
  Filters: [{ Name: "vpc-id", Values: ["vpc-1", "vpc 2+&é"] }, { Name: "tag:x", Values: ["y"] }],
  SubnetIds: subnets,
});
assert.equal(found.Subnets[0].Tags[0].Key, text);
assert.equal((await ec2.describeVpcs({ MaxResults: 5 })).Vpcs[1].VpcId, text);
await assert.rejects(ec2.describeVpcs({ MaxResults: 2000 }), { name: "InvalidParameterValue" });

const secrets = new SecretsManager({ maxAttempts: 1 });
await secrets.createSecret({
  Name: "AmazonMSK_x",
  SecretString: '{"username":"é"}',
  ClientRequestToken: "11112222-3333-4444-5555-666677778888",
  Tags: [{ Key: "k", Value: "v" }],
});
const secret = await secrets.getSecretValue({ SecretId: "AmazonMSK_x" });
assert.deepEqual(secret.CreatedDate, time);

const cloudwatch = new CloudWatch({ maxAttempts: 1 });
try {
  await cloudwatch.putMetricData({
    Namespace: "AWS/Kafka",
    MetricData: [{ MetricName: "m", Timestamp: new Date("2026-01-02T03:04:05Z"), Value: 1.5, Unit: "Count",
      Dimensions: [{ Name: "Cluster Name", Value: "demo" }] }],
  });
} catch (e) {
  assert.equal(e.name, "UnsupportedProtocol");
}
console.log("ok");
