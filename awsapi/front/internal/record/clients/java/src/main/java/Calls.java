import java.net.URI;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.http.SdkHttpClient;
import software.amazon.awssdk.http.apache.ApacheHttpClient;
import software.amazon.awssdk.services.ec2.Ec2Client;
import software.amazon.awssdk.services.ec2.model.Filter;
import software.amazon.awssdk.services.kafka.KafkaClient;
import software.amazon.awssdk.services.kafka.model.BadRequestException;
import software.amazon.awssdk.services.kafka.model.BrokerNodeGroupInfo;
import software.amazon.awssdk.services.secretsmanager.SecretsManagerClient;
import software.amazon.awssdk.services.sts.StsClient;

/** The calls of a recording, by the AWS SDK for Java v2. */
public final class Calls {
    static final String CLUSTER = "arn:aws:kafka:us-east-1:000000000000:cluster/demo/11112222-3333-4444-5555-666677778888-1";
    static final String TEXT = "echo \"é\" & <b> €";
    static final Instant TIME = Instant.parse("2026-01-02T03:04:05.678Z");
    static final List<String> SUBNETS = List.of("subnet-0a", "subnet-0b", "subnet-0c");
    static final Map<String, String> TAGS = Map.of("team", "a&b=c d+é", "empty", "");
    static final URI ENDPOINT = URI.create(System.getenv("AWS_ENDPOINT_URL"));

    public static void main(String[] args) {
        SdkHttpClient http = ApacheHttpClient.create();
        kafka(KafkaClient.builder().endpointOverride(ENDPOINT).httpClient(http).build());
        sts(StsClient.builder().endpointOverride(ENDPOINT).httpClient(http).build());
        ec2(Ec2Client.builder().endpointOverride(ENDPOINT).httpClient(http).build());
        secrets(SecretsManagerClient.builder().endpointOverride(ENDPOINT).httpClient(http).build());
        System.out.println("ok");
    }

    static void check(boolean ok, Object seen) {
        if (!ok) {
            throw new AssertionError(String.valueOf(seen));
        }
    }

    static void kafka(KafkaClient c) {
        BrokerNodeGroupInfo nodes = BrokerNodeGroupInfo.builder().instanceType("kafka.m5.large").clientSubnets(SUBNETS)
                .securityGroups(List.of()).storageInfo(s -> s.ebsStorageInfo(e -> e.volumeSize(100))).build();
        c.createCluster(r -> r.clusterName("demo").kafkaVersion("3.9.x").numberOfBrokerNodes(3).brokerNodeGroupInfo(nodes)
                .enhancedMonitoring("PER_BROKER").tags(TAGS));
        c.createClusterV2(r -> r.clusterName("demo").tags(TAGS).provisioned(p -> p.kafkaVersion("3.9.x").numberOfBrokerNodes(3)
                .brokerNodeGroupInfo(nodes)
                .clientAuthentication(a -> a.unauthenticated(u -> u.enabled(true)).sasl(s -> s.iam(i -> i.enabled(false))))));
        var described = c.describeClusterV2(r -> r.clusterArn(CLUSTER)).clusterInfo();
        check(described.creationTime().equals(TIME) && described.clusterName().equals(TEXT), described);
        c.listClustersV2(r -> r.clusterNameFilter("de mo/+&=é").clusterTypeFilter("PROVISIONED").maxResults(5));
        c.createConfiguration(r -> r.name("conf").kafkaVersions("3.9.x")
                .serverProperties(SdkBytes.fromUtf8String("auto.create.topics.enable=false\nname=ü\n")));
        var revision = c.describeConfigurationRevision(r -> r.arn(CLUSTER).revision(2L));
        check(revision.serverProperties().asByteArray()[2] == (byte) 0xff, revision);
        var listed = c.listNodes(r -> r.clusterArn(CLUSTER));
        check(listed.nodeInfoList().get(0).brokerNodeInfo().brokerId() == 1.5, listed);
        c.tagResource(r -> r.resourceArn(CLUSTER).tags(TAGS));
        c.untagResource(r -> r.resourceArn(CLUSTER).tagKeys("a", "b c", "d/e+f"));
        c.batchDisassociateScramSecret(r -> r.clusterArn(CLUSTER)
                .secretArnList("arn:aws:secretsmanager:us-east-1:000000000000:secret:AmazonMSK_x"));
        c.rebootBroker(r -> r.clusterArn(CLUSTER).brokerIds("1"));
        c.deleteCluster(r -> r.clusterArn(CLUSTER).currentVersion("K1 2/3"));
        try {
            c.listClusters(r -> r.maxResults(1000));
            throw new AssertionError("max results of 1000 were accepted");
        } catch (BadRequestException e) {
            check(e.invalidParameter().equals("maxResults") && !e.requestId().isEmpty(), e);
        }
    }

    static void sts(StsClient c) {
        check(c.getCallerIdentity().arn().equals(TEXT), c);
        var assumed = c.assumeRole(r -> r.roleArn("arn:aws:iam::000000000000:role/r").roleSessionName("s@x").durationSeconds(900)
                .tags(t -> t.key("team").value("a/b=c d+é"), t -> t.key("k").value("")).transitiveTagKeys("team"));
        check(assumed.credentials().expiration().equals(TIME), assumed);
        try {
            c.assumeRole(r -> r.roleArn("arn:aws:iam::000000000000:role/r").roleSessionName("!"));
            throw new AssertionError("a bad session name was accepted");
        } catch (AwsServiceException e) {
            check(e.awsErrorDetails().errorCode().equals("ValidationError"), e);
        }
    }

    static void ec2(Ec2Client c) {
        var found = c.describeSubnets(r -> r.subnetIds(SUBNETS).filters(Filter.builder().name("vpc-id").values("vpc-1", "vpc 2+&é").build(),
                Filter.builder().name("tag:x").values("y").build()));
        check(found.subnets().get(0).tags().get(0).key().equals(TEXT), found);
        check(c.describeVpcs(r -> r.maxResults(5)).vpcs().get(1).vpcId().equals(TEXT), "vpcs");
        try {
            c.describeVpcs(r -> r.maxResults(2000));
            throw new AssertionError("max results of 2000 were accepted");
        } catch (AwsServiceException e) {
            check(e.awsErrorDetails().errorCode().equals("InvalidParameterValue"), e);
        }
    }

    static void secrets(SecretsManagerClient c) {
        c.createSecret(r -> r.name("AmazonMSK_x").secretString("{\"username\":\"é\"}")
                .clientRequestToken("11112222-3333-4444-5555-666677778888").tags(t -> t.key("k").value("v")));
        var secret = c.getSecretValue(r -> r.secretId("AmazonMSK_x"));
        check(secret.createdDate().equals(TIME), secret);
    }
}
